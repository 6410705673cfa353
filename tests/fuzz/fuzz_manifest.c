/* manifest.json is read back from a store that others can write to. What passes must be safe to open: paths inside the snapshot, in order, with hashes. */
#include "services/snapshotter/jobs/manifest.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[MANIFEST_ERROR_TEXT_MAX] = "";
    Tapeloop__V1__Manifest *manifest = NULL;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (manifest_parse(text, size, &manifest, error) == 0) {
        for (size_t i = 0; i < manifest->n_objects; i++)
            if (strstr(manifest->objects[i]->path, "..") == manifest->objects[i]->path || manifest->objects[i]->path[0] == '/' || strstr(manifest->objects[i]->path, "/../"))
                abort();
        struct store store = { .location = "/store" };
        wire_free(manifest_event(manifest, "", &store, 1));
        wire_free(manifest);
    } else if (!error[0]) {
        abort(); /* a refusal without a sentence */
    }
    free(text);
    return 0;
}
