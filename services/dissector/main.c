/* The dissector: calls out of recorded packets. See options.c for what it is told; files.c is the dissector of files, service.c that of the bus. */
#include <malloc.h>
#include <stdio.h>
#include "services/dissector/files.h"
#include "services/dissector/options.h"
#include "services/dissector/protocols/protocol.h"
#include "services/dissector/query/vocabulary.h"
#include "services/dissector/service.h"

#define TRIM_BYTES (256 * 1024 * 1024) /* entries come and go in pieces of some MiB: giving each back to the system and taking it again costs more than it saves */

int main(int argc, char **argv)
{
    static struct dissector_options options;
    const char *wrong = protocol_check();
    if (wrong) {
        fprintf(stderr, "dissector: %s\n", wrong);
        return 1;
    }
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, TRIM_BYTES);
    int r = dissector_options_parse(argc, argv, &options, stdout, stderr);
    if (r != 0)
        return r > 0 ? 0 : 2;
    if (options.generate_vocabulary)
        return vocabulary_write_markdown(stdout) < 0;
    return options.inputs.count > 0 ? files_run(&options) : service_run(&options.service);
}
