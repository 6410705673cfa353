/* Entries for tests of outputs, made by hand: begin, values, end. What entry points to is valid until the next begin. Anything that fails ends the test. */
#ifndef TESTS_SUPPORT_ENTRY_MAKER_H
#define TESTS_SUPPORT_ENTRY_MAKER_H
#include <stdlib.h>
#include <string.h>
#include "bytes/put.h"
#include "services/dissector/output/output.h"

struct entry_maker {
    struct record head;
    char summary[MESSAGE_SUMMARY_MAX];
    uint8_t *values; size_t size, room;
    uint8_t *record; size_t record_room;
    struct peer source, destination;
    struct entry entry;
};

static inline uint8_t *maker_room(struct entry_maker *m, size_t more)
{
    if (m->room - m->size < more) {
        m->room = (m->size + more) * 2;
        m->values = realloc(m->values, m->room);
        if (!m->values)
            abort();
    }
    m->size += more;
    return m->values + m->size - more;
}

static inline void maker_begin(struct entry_maker *m, const struct protocol *protocol, uint8_t number, uint64_t id)
{
    m->size = 0;
    m->head = (struct record){ .timestamp_ns = INT64_C(1700000000000000000) + (int64_t)id, .protocol = number };
    m->source = (struct peer){ 1, "10.0.0.1", "", "", "", "", "", "", "", "" };
    m->destination = (struct peer){ 2, "10.0.0.2", "", "", "", "", "", "", "", "" };
    m->entry = (struct entry){ .id = id, .connection = 1, .protocol = protocol, .source = &m->source, .destination = &m->destination, .node = "", .request_segment = "", .response_segment = "" };
}

static inline void maker_bytes(struct entry_maker *m, const void *data, size_t size)
{
    uint8_t *p = put_le32(maker_room(m, 4 + size), (uint32_t)size);
    if (size)
        memcpy(p, data, size);
}
static inline void maker_text(struct entry_maker *m, uint8_t field, const void *text, size_t size)
{
    *maker_room(m, 1) = field;
    maker_bytes(m, text, size);
}
static inline void maker_string(struct entry_maker *m, uint8_t field, const char *text) { maker_text(m, field, text, strlen(text)); }
static inline void maker_int(struct entry_maker *m, uint8_t field, int64_t value)
{
    *maker_room(m, 1) = field;
    put_le64(maker_room(m, 8), (uint64_t)value);
}
static inline void maker_bool(struct entry_maker *m, uint8_t field, bool value)
{
    *maker_room(m, 1) = field;
    *maker_room(m, 1) = value;
}
/* A LIST, or a MAP's names and texts in turn. */
static inline void maker_texts(struct entry_maker *m, uint8_t field, const char *const *texts, size_t count)
{
    *maker_room(m, 1) = field;
    size_t at = m->size;
    maker_room(m, 4);
    for (size_t i = 0; i < count; i++)
        maker_bytes(m, texts[i], strlen(texts[i]));
    put_le32(m->values + at, (uint32_t)(m->size - at - 4));
}
static inline void maker_summary(struct entry_maker *m, const char *text, size_t size)
{
    memcpy(m->summary, text, size);
    m->head.summary_size = (uint32_t)size;
}

static inline const struct entry *maker_end(struct entry_maker *m)
{
    size_t size = sizeof m->head + m->head.summary_size + m->size;
    m->head.size = (uint32_t)((size + 7) & ~(size_t)7);
    m->head.values_size = (uint32_t)m->size;
    if (m->record_room < m->head.size) {
        free(m->record);
        m->record_room = m->head.size;
        m->record = malloc(m->record_room);
        if (!m->record)
            abort();
    }
    memcpy(m->record, &m->head, sizeof m->head);
    memcpy(m->record + sizeof m->head, m->summary, m->head.summary_size);
    if (m->size)
        memcpy(m->record + sizeof m->head + m->head.summary_size, m->values, m->size);
    memset(m->record + size, 0, m->head.size - size);
    m->entry.record = (const struct record *)(const void *)m->record;
    if (record_read_values(m->entry.record, m->entry.protocol->detail, &m->entry.values) < 0)
        abort();
    return &m->entry;
}

static inline void maker_free(struct entry_maker *m)
{
    free(m->values);
    free(m->record);
}
#endif
