/* Temporary files without a name, so that a killed process leaves nothing. Thread-safe. */
#ifndef FILES_UNNAMED_H
#define FILES_UNNAMED_H
/* Open for reading and writing, mode 0600. -errno, -ENAMETOOLONG. */
int unnamed_open(const char *folder);
/* The same where the file system knows no such files (NFS, CephFS): made under a hidden name, ".run-XXXXXX", which is taken away at once. */
int unnamed_open_by_name(const char *folder);
#endif
