/* The fields of a Redis entry. Names: KFL; redis_response and redis_error are ours. */
#ifndef DISSECTOR_PROTOCOLS_REDIS_FIELDS_H
#define DISSECTOR_PROTOCOLS_REDIS_FIELDS_H
#include "services/dissector/entry/field.h"
enum {
    REDIS_TYPE, REDIS_COMMAND, REDIS_KEY, REDIS_REQUEST_SIZE, REDIS_RESPONSE_SIZE, REDIS_TOTAL_SIZE, REDIS_RESPONSE, REDIS_ERROR,
    REDIS_FIELDS_COUNT
};
#endif
