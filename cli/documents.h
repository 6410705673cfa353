/* Documents made from the option tables, and what the shell completes; asked for by hidden first words of the command line. */
#ifndef CLI_DOCUMENTS_H
#define CLI_DOCUMENTS_H
#include <stdbool.h>

/* Serves --generate-manual, --generate-completion and --complete nodes|snapshots. False: argv asks for none of them. */
bool documents_serve(int argc, char **argv, int *ret_code);
#endif
