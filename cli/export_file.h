/* A capture out of a snapshot into a file: asks for the download's address, writes what comes to FILE.part, and renames it when it is whole. */
#ifndef CLI_EXPORT_FILE_H
#define CLI_EXPORT_FILE_H
#include "cli/ask.h"

/* output: a file, or "-" for standard output. 0 with the bytes written (may be NULL); CLI_FAILED or CLI_WRONG_USE, having said why. */
int export_file(const struct cli_options *options, const Tapeloop__V1__ExportRequest *request, const char *output, uint64_t *ret_bytes);
#endif
