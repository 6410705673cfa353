/* Giving up what the capturer needs no more once its rings and its tape are open. */
#ifndef CAPTURER_PRIVILEGE_H
#define CAPTURER_PRIVILEGE_H
/* Keeps CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF (a ring for an interface that comes, the filter's maps), CAP_DAC_OVERRIDE only where the data folder belongs to
 * another user, and forbids gaining others. Applies to this thread and those it starts: call it before the others. -errno. */
int privilege_drop(const char *data_folder);
#endif
