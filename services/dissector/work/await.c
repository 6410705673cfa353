#include "services/dissector/work/await.h"
#include <poll.h>

#define STOP_LOOK_MS 500                /* between two looks at whether to stop */

bool await_input(int fd, const struct stage_progress *progress)
{
    struct pollfd input = { .fd = fd, .events = POLLIN };
    while (poll(&input, 1, STOP_LOOK_MS) <= 0)
        if (!stage_advance(progress, 0, 0))
            return false;
    return true;
}
