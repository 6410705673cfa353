/* Giving up what the capturer needs no more, in two steps: what nothing of it ever needs before its first thread, and what only opening needs once the rings and the
 * tape are open. Each applies to the calling thread and those that it starts from then on; privileges that the process does not have are no error. */
#ifndef CAPTURER_PRIVILEGE_H
#define CAPTURER_PRIVILEGE_H
/* Keeps the capabilities of step 2 and, to open with, CAP_PERFMON (without it the kernel's verifier refuses the filter),
 * CAP_IPC_LOCK, CAP_SYS_RESOURCE (locked memory) and CAP_SYS_ADMIN where the kernel has no CAP_BPF; forbids
 * gaining others. CAP_DAC_OVERRIDE stays where the data folder is not this user's own. -errno. */
int privilege_begin(const char *data_folder);
/* Keeps CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF (a ring for an interface that comes, the filter's maps), and CAP_DAC_OVERRIDE as above. -errno. */
int privilege_drop(const char *data_folder);
#endif
