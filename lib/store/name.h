/* Names of snapshots, and of what is made of them: one file name each, the same on every file system and in every subject. Pure. */
#ifndef STORE_NAME_H
#define STORE_NAME_H
#define STORE_NAME_ERROR_TEXT_MAX 512
/* [a-z0-9]([-a-z0-9._]*[a-z0-9])?, at most STORE_NAME_MAX bytes, no "..". 0 or -EINVAL with a sentence. */
int store_name_check(const char *name, char *error);
#endif
