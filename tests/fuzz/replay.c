/* A plain main for a fuzz target: gives it each file named, the files of each folder named, and nothing at all, once. So that the seeds, and each input that ever broke something,
 * run with the ordinary tests. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_BYTES_MAX (64 * 1024 * 1024) /* seeds are small; more is a mistake in the folder */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replayed;

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (!file || fstat(fileno(file), &status) < 0 || status.st_size > INPUT_BYTES_MAX) {
        fprintf(stderr, "replay: %s cannot be read\n", path);
        if (file)
            (void)fclose(file);
        return 1;
    }
    /* Exactly its size, so that the address sanitizer sees one byte too far. */
    size_t size = (size_t)status.st_size;
    uint8_t *data = malloc(size ? size : 1);
    size_t got = data ? fread(data, 1, size, file) : 0;
    (void)fclose(file);
    if (got == size)
        (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    replayed++;
    return got != size;
}

static int replay_folder(const char *path, DIR *folder)
{
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        int n = snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        failed |= n >= (int)sizeof file || replay_file(file);
    }
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        failed |= folder ? replay_folder(argv[i], folder) : replay_file(argv[i]);
        if (folder)
            (void)closedir(folder);
    }
    printf("%d inputs replayed\n", replayed);
    return failed || replayed == 0;
}
