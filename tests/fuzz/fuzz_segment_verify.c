/* Any pair of segment and index through verify, the count of a window, and salvage; what salvage makes verifies. */
#include <fcntl.h>
#include "tests/fuzz/segment_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void remove_folder(void)
{
    rmdir(segment_pair_folder());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int folder = -1;
    struct segment_pair pair;
    char path[128];
    if (!segment_pair_take(data, size, &pair))
        return 0;
    if (folder < 0) {
        folder = open(segment_pair_folder(), O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        atexit(remove_folder);
    }
    snprintf(path, sizeof path, "%s/.x", segment_pair_folder());
    uint64_t packets = 0;
    struct segment_index *index = NULL;
    if (segment_pair_write(&pair, path)) {
        int damages = segment_file_verify(path, NULL, NULL);
        int counted = segment_window_count(path, 1000000, 2000500, &packets);
        if (damages == 0 && counted < 0)
            abort(); /* what is intact can be read */
        if (segment_salvage(folder, ".x", 1, &index) == 0 && index->seal.reason == SEGMENT_SEAL_SALVAGE && !index->sealed)
            abort();
        segment_index_free(index);
    }
    segment_pair_remove(path);
    segment_pair_free(&pair);
    return 0;
}
