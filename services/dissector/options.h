/* The dissector's options: one table for the command line, --help, the manual and the environment. */
#ifndef DISSECTOR_OPTIONS_H
#define DISSECTOR_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "options/options.h"
#include "services/dissector/service.h"

#define DISSECTOR_WORKERS_MAX SERVICE_WORKERS_MAX

struct dissector_options {
    struct option_list inputs;          /* none: a service */
    struct option_list protocols, fields;
    const char *output, *where, *work_folder;
    int format;                         /* dissector_formats[] */
    int redact;                         /* enum redact_level */
    uint64_t limit, memory, workers;
    bool stream, generate_vocabulary;
    struct service_options service;     /* without inputs; workers and redact are those above */
};
extern const char *const dissector_formats[];
extern const struct option_command dissector_command;
/* As options_parse: 0, 1 (help was served), -EINVAL (said on err). Strings point into argv and the environment. */
int dissector_options_parse(int argc, char **argv, struct dissector_options *ret, FILE *out, FILE *err);
#endif
