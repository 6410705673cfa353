/* Dissections as text for people. */
#ifndef CLI_DISSECTION_TEXT_H
#define CLI_DISSECTION_TEXT_H
#include <stdio.h>
#include "wire/wire.h"

#define DISSECTION_NAME_DEFAULT "default"
/* Several lines: state, counts, digest, where it lies, what was given up. */
void dissection_print(const Tapeloop__V1__DissectEvent *event, FILE *out);
void dissection_print_manifest(const Tapeloop__V1__DissectManifest *manifest, FILE *out);
#endif
