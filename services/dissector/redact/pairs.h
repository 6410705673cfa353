/* "name=value" pairs of URLs and forms. */
#ifndef DISSECTOR_REDACT_PAIRS_H
#define DISSECTOR_REDACT_PAIRS_H
#include "services/dissector/redact/writer.h"
/* Pairs begin behind "?", "&", "#" and ";" of a URL, behind "&" and ";" of a form. A secret value lasts until "&" (of a URL "#", too) alone: rather too much is hidden than too little. User info of URLs in other values
 * is cut as well. From `at` on. */
enum redact_pairs_of { REDACT_PAIRS_OF_URL, REDACT_PAIRS_OF_FORM };
void redact_pairs(struct redact_writer *w, size_t at, size_t size, enum redact_pairs_of of);
#endif
