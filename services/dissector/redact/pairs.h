/* "name=value" pairs of URLs and forms. */
#ifndef DISSECTOR_REDACT_PAIRS_H
#define DISSECTOR_REDACT_PAIRS_H
#include "services/dissector/redact/writer.h"
/* From `at` on: pairs begin behind any of separators; a secret value lasts until any of ends (fewer of them: rather too much is hidden than too little). User info of URLs in other values is cut too. */
void redact_pairs(struct redact_writer *w, size_t at, size_t size, const char *separators, const char *ends);
#endif
