#include "services/capturer/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

int privilege_drop(const char *data_folder)
{
    static const unsigned kept[] = { CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF };
    struct stat status;
    bool foreign = stat(data_folder, &status) == 0 && status.st_uid != geteuid();
    bool held[sizeof kept / sizeof *kept];
    for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++)
        held[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]) == 1;
    bool override = foreign && capng_have_capability(CAPNG_PERMITTED, CAP_DAC_OVERRIDE) == 1;
    capng_clear(CAPNG_SELECT_BOTH);
    for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++)
        if (held[i])
            (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
    if (override)
        (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_OVERRIDE);
    if (capng_apply(CAPNG_SELECT_CAPS) != 0)
        return -EPERM;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
