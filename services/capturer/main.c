/* The capturer: records this node's traffic onto its tape. Options: options.c; what runs: capturer.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/capturer/capturer.h"

#define STOP_DEADLINE_MS 20000 /* the last blocks to a slow disk, two seconds of publishing, a bus that has frozen meanwhile */

int main(int argc, char **argv)
{
    struct capturer_options options = { 0 };
    int r = capturer_options_parse(argc, argv, &options, stdout, stderr);
    if (r != 0)
        return r > 0 ? 0 : 2;
    struct lifecycle *lifecycle = NULL;
    r = lifecycle_new("capturer", &options.lifecycle, &lifecycle);
    if (r < 0) {
        (void)fprintf(stderr, "capturer: cannot start: %s\n", strerror(-r));
        return 1;
    }
    struct capturer *capturer = NULL;
    int code = 1;
    if (capturer_start(&options, lifecycle, &capturer) == 0)
        code = lifecycle_run(lifecycle, capturer_stop, capturer, STOP_DEADLINE_MS);
    capturer_free(capturer);
    lifecycle_free(lifecycle);
    return code;
}
