#include "services/capturer/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CAPABILITIES_MAX 8

static bool has(unsigned capability)
{
    return capng_have_capability(CAPNG_PERMITTED, capability) == 1;
}

/* Leaves those of the list that are there. */
static int keep(const unsigned *list, size_t count, const char *data_folder)
{
    struct stat status;
    bool foreign = stat(data_folder, &status) < 0 || status.st_uid != geteuid();
    unsigned held[CAPABILITIES_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (has(list[i]))
            held[n++] = list[i];
    if (foreign && has(CAP_DAC_OVERRIDE))
        held[n++] = CAP_DAC_OVERRIDE;
    capng_clear(CAPNG_SELECT_BOTH);
    for (size_t i = 0; i < n; i++)
        (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, held[i]);
    return capng_apply(CAPNG_SELECT_CAPS) == 0 ? 0 : -EPERM;
}

int privilege_begin(const char *data_folder)
{
    const unsigned list[] = { CAP_NET_RAW, CAP_NET_ADMIN, has(CAP_BPF) ? CAP_BPF : CAP_SYS_ADMIN, CAP_PERFMON, CAP_IPC_LOCK, CAP_SYS_RESOURCE };
    _Static_assert(sizeof list / sizeof *list <= CAPABILITIES_MAX, "room for each");
    int r = keep(list, sizeof list / sizeof *list, data_folder);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        r = -errno;
    return r;
}

int privilege_drop(const char *data_folder)
{
    static const unsigned list[] = { CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF };
    return keep(list, sizeof list / sizeof *list, data_folder);
}
