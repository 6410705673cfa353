#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "bytes/cursor.h"
#include "capfile/pcapng.h"

#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define NS_PER_S INT64_C(1000000000)
#define TICK_DIGITS_MAX 19 /* 10^19 ticks per second still fit 64 bits */
#define TICK_BITS_MAX 63

enum { OPTION_END = 0, IDB_NAME = 2, IDB_DESCRIPTION = 3, IDB_TSRESOL = 9, IDB_TSOFFSET = 14, EPB_FLAGS = 2, EPB_DROPS = 4 };

struct pcapng_reader {
    bool in_section, swapped;
    uint32_t interfaces_count, interfaces_room;
    struct pcapng_interface *interfaces;
    char error[120];
};

struct pcapng_reader *pcapng_reader_new(void)
{
    return calloc(1, sizeof(struct pcapng_reader));
}

void pcapng_reader_free(struct pcapng_reader *reader)
{
    if (!reader)
        return;
    free(reader->interfaces);
    free(reader);
}

const struct pcapng_interface *pcapng_reader_interface(const struct pcapng_reader *reader, uint32_t id)
{
    return id < reader->interfaces_count ? &reader->interfaces[id] : NULL;
}

uint32_t pcapng_reader_interfaces(const struct pcapng_reader *reader)
{
    return reader->interfaces_count;
}

bool pcapng_reader_swapped(const struct pcapng_reader *reader)
{
    return reader->swapped;
}

const char *pcapng_reader_error(const struct pcapng_reader *reader)
{
    return reader->error;
}

static int fail(struct pcapng_reader *reader, const char *problem)
{
    snprintf(reader->error, sizeof reader->error, "%s", problem);
    return -EBADMSG;
}

static uint16_t read_u16(const struct pcapng_reader *reader, struct cursor *c)
{
    return reader->swapped ? cursor_be16(c) : cursor_le16(c);
}

static uint32_t read_u32(const struct pcapng_reader *reader, struct cursor *c)
{
    return reader->swapped ? cursor_be32(c) : cursor_le32(c);
}

static uint64_t read_u64(const struct pcapng_reader *reader, struct cursor *c)
{
    uint64_t little = cursor_le64(c);
    return reader->swapped ? __builtin_bswap64(little) : little;
}

/* The next option, its value as a cursor; false at the end of the options. An option that runs out of its block fails the cursor. */
static bool next_option(const struct pcapng_reader *reader, struct cursor *options, uint16_t *ret_code, struct cursor *ret_value)
{
    if (cursor_left(options) == 0)
        return false;
    uint16_t code = read_u16(reader, options), length = read_u16(reader, options);
    const uint8_t *value = cursor_take(options, (length + 3u) & ~3u);
    if (!value || code == OPTION_END)
        return false;
    *ret_code = code;
    *ret_value = cursor_over(value, length);
    return true;
}

static int section_begin(struct pcapng_reader *reader, struct cursor body)
{
    uint32_t magic = cursor_le32(&body);
    uint16_t major = read_u16(reader, &body);
    if (!cursor_ok(&body) || (magic != BYTE_ORDER_MAGIC && magic != __builtin_bswap32(BYTE_ORDER_MAGIC)))
        return fail(reader, "section header without its byte-order magic");
    if (major != 1)
        return fail(reader, "pcapng of another version than 1");
    reader->interfaces_count = 0;
    reader->in_section = true;
    return 0;
}

static bool set_resolution(struct pcapng_interface *interface, uint8_t resolution)
{
    unsigned exponent = resolution & 0x7f;
    bool binary = (resolution & 0x80) != 0;
    if (exponent > (binary ? TICK_BITS_MAX : TICK_DIGITS_MAX))
        return false;
    interface->ticks_per_s = 1;
    while (exponent-- > 0)
        interface->ticks_per_s *= binary ? 2 : 10;
    return true;
}

static int interface_options(struct pcapng_reader *reader, struct cursor *body, struct pcapng_interface *interface)
{
    uint16_t code;
    struct cursor value;
    while (next_option(reader, body, &code, &value)) {
        size_t length = cursor_left(&value);
        if (code == IDB_NAME) {
            size_t copied = length < PCAPNG_NAME_MAX ? length : PCAPNG_NAME_MAX - 1;
            memcpy(interface->name, value.data, copied);
            interface->name[copied] = 0;
        } else if (code == IDB_DESCRIPTION) {
            interface->canary = length == strlen(PCAPNG_CANARY_DESCRIPTION) && memcmp(value.data, PCAPNG_CANARY_DESCRIPTION, length) == 0;
        } else if (code == IDB_TSRESOL) {
            if (length != 1 || !set_resolution(interface, cursor_u8(&value)))
                return fail(reader, "interface with an impossible time resolution");
        } else if (code == IDB_TSOFFSET) {
            interface->offset_s = (int64_t)read_u64(reader, &value);
            if (length != 8)
                return fail(reader, "interface with an impossible time offset");
        }
    }
    return cursor_ok(body) ? 0 : fail(reader, "interface options run out of their block");
}

static int interface_add(struct pcapng_reader *reader, struct cursor body)
{
    if (reader->interfaces_count == PCAPNG_INTERFACES_MAX)
        return fail(reader, "more than 65536 interfaces");
    struct pcapng_interface interface = { .ticks_per_s = 1000000 };
    interface.link_type = read_u16(reader, &body);
    cursor_skip(&body, 2);
    interface.snap_length = read_u32(reader, &body);
    if (!cursor_ok(&body))
        return fail(reader, "interface block too short");
    int r = interface_options(reader, &body, &interface);
    if (r < 0)
        return r;
    if (reader->interfaces_count == reader->interfaces_room) {
        uint32_t room = reader->interfaces_room ? reader->interfaces_room * 2 : 16;
        struct pcapng_interface *grown = reallocarray(reader->interfaces, room, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        reader->interfaces = grown;
        reader->interfaces_room = room;
    }
    reader->interfaces[reader->interfaces_count++] = interface;
    return 0;
}

static int to_nanoseconds(struct pcapng_reader *reader, const struct pcapng_interface *interface, uint64_t ticks, int64_t *ret_ns)
{
    if (interface->ticks_per_s == (uint64_t)NS_PER_S && interface->offset_s == 0 && ticks <= INT64_MAX) { /* ours */
        *ret_ns = (int64_t)ticks;
        return 0;
    }
    __int128 ns = (__int128)ticks * NS_PER_S / interface->ticks_per_s + (__int128)interface->offset_s * NS_PER_S;
    if (ns > INT64_MAX || ns < INT64_MIN)
        return fail(reader, "packet time out of range");
    *ret_ns = (int64_t)ns;
    return 0;
}

static int packet_options(struct pcapng_reader *reader, struct cursor *body, struct pcapng_packet *packet)
{
    uint16_t code;
    struct cursor value;
    while (next_option(reader, body, &code, &value)) {
        if (code == EPB_FLAGS && cursor_left(&value) == 4)
            packet->flags = read_u32(reader, &value);
        else if (code == EPB_DROPS && cursor_left(&value) == 8)
            packet->drops = read_u64(reader, &value);
    }
    return cursor_ok(body) ? 0 : fail(reader, "packet options run out of their block");
}

/* EPB, and the obsolete PB. */
static int enhanced_packet(struct pcapng_reader *reader, uint32_t type, struct cursor body, struct pcapng_packet *packet)
{
    if (type == PCAPNG_PB) {
        packet->interface = read_u16(reader, &body);
        uint16_t drops = read_u16(reader, &body);
        packet->drops = drops != UINT16_MAX ? drops : 0; /* all ones: unknown */
    } else {
        packet->interface = read_u32(reader, &body);
    }
    uint64_t ticks = (uint64_t)read_u32(reader, &body) << 32;
    ticks |= read_u32(reader, &body);
    packet->captured = read_u32(reader, &body);
    packet->length = read_u32(reader, &body);
    const struct pcapng_interface *interface = pcapng_reader_interface(reader, packet->interface);
    if (!cursor_ok(&body))
        return fail(reader, "packet block too short");
    if (!interface)
        return fail(reader, "packet of an interface that was not described");
    packet->data = packet->captured <= PCAPNG_BLOCK_BYTES_MAX ? cursor_take(&body, (packet->captured + 3u) & ~3u) : NULL;
    if (!packet->data)
        return fail(reader, "packet longer than its block");
    int r = to_nanoseconds(reader, interface, ticks, &packet->time_ns);
    return r < 0 ? r : packet_options(reader, &body, packet);
}

static int simple_packet(struct pcapng_reader *reader, struct cursor body, struct pcapng_packet *packet)
{
    const struct pcapng_interface *interface = pcapng_reader_interface(reader, 0);
    packet->length = read_u32(reader, &body);
    if (!cursor_ok(&body) || !interface)
        return fail(reader, interface ? "packet block too short" : "packet of an interface that was not described");
    packet->captured = packet->length;
    if (interface->snap_length && packet->captured > interface->snap_length)
        packet->captured = interface->snap_length;
    packet->data = packet->captured <= PCAPNG_BLOCK_BYTES_MAX ? cursor_take(&body, packet->captured) : NULL;
    return packet->data ? 0 : fail(reader, "packet longer than its block");
}

bool pcapng_is_frame(uint32_t type)
{
    enum { SYSDIG = 0x204, SYSDIG_2 = 0x216, SYSDIG_2_LARGE = 0x221, CUSTOM = 0xbad, CUSTOM_NOT_COPIED = 0x40000bad };
    switch (type) {
    case PCAPNG_EPB: case PCAPNG_SPB: case PCAPNG_PB: case PCAPNG_JOURNAL: case SYSDIG: case SYSDIG_2: case SYSDIG_2_LARGE: case CUSTOM: case CUSTOM_NOT_COPIED:
        return true;
    default:
        return false;
    }
}

/* FIELD=text\n, or FIELD\n le64 bytes \n; see systemd's "Journal Export Format". */
int64_t pcapng_journal_time_ns(const uint8_t *fields, size_t size)
{
    static const char name[] = "__REALTIME_TIMESTAMP=";
    struct cursor c = cursor_over(fields, size);
    while (cursor_left(&c) > 0) {
        const uint8_t *line = c.data + c.at;
        const uint8_t *newline = memchr(line, '\n', cursor_left(&c));
        size_t length = newline ? (size_t)(newline - line) : cursor_left(&c);
        cursor_skip(&c, length + (newline ? 1 : 0));
        if (newline && length > 0 && !memchr(line, '=', length)) { /* a binary field */
            uint64_t bytes = cursor_le64(&c);
            cursor_skip(&c, bytes < SIZE_MAX ? (size_t)bytes : SIZE_MAX);
            cursor_skip(&c, 1);
        }
        if (length < sizeof name || memcmp(line, name, sizeof name - 1) != 0)
            continue;
        int64_t us = 0;
        for (size_t i = sizeof name - 1; i < length; i++) {
            if (line[i] < '0' || line[i] > '9' || us > INT64_MAX / 1000 / 10) /* so that nanoseconds fit */
                return 0;
            us = us * 10 + (line[i] - '0');
        }
        return us <= INT64_MAX / 1000 ? us * 1000 : 0;
    }
    return 0;
}

/* Looks at the block's type and both lengths, the section's byte order first. */
static int64_t block_bounds(struct pcapng_reader *reader, const uint8_t *data, size_t size, uint32_t *ret_type, size_t *ret_needed)
{
    if (size < PCAPNG_BLOCK_BYTES_MIN) {
        *ret_needed = PCAPNG_BLOCK_BYTES_MIN;
        return -EAGAIN;
    }
    struct cursor head = cursor_over(data, size);
    uint32_t type = cursor_le32(&head);
    if (type == PCAPNG_SHB) { /* reads the same in both orders */
        struct cursor order = cursor_over(data + 8, 4);
        reader->swapped = cursor_le32(&order) == __builtin_bswap32(BYTE_ORDER_MAGIC);
    } else if (!reader->in_section) {
        return fail(reader, "no pcapng section header at the start");
    } else if (reader->swapped) {
        type = __builtin_bswap32(type);
    }
    uint32_t total = read_u32(reader, &head);
    if (total < PCAPNG_BLOCK_BYTES_MIN || total % 4 != 0 || total > PCAPNG_BLOCK_BYTES_MAX)
        return fail(reader, "block of impossible length");
    if (total > size) {
        *ret_needed = total;
        return -EAGAIN;
    }
    struct cursor tail = cursor_over(data + total - 4, 4);
    if (read_u32(reader, &tail) != total)
        return fail(reader, "block whose two lengths differ");
    *ret_type = type;
    return total;
}

int64_t pcapng_next(struct pcapng_reader *reader, const uint8_t *data, size_t size, struct pcapng_block *ret, size_t *ret_needed)
{
    uint32_t type = 0;
    if (size == 0)
        return 0;
    int64_t total = block_bounds(reader, data, size, &type, ret_needed);
    if (total < 0)
        return total;
    struct pcapng_block block = { .type = type, .size = (uint32_t)total, .data = data };
    struct cursor body = cursor_over(data + 8, (size_t)total - PCAPNG_BLOCK_BYTES_MIN);
    int r = 0;
    if (type == PCAPNG_EPB || type == PCAPNG_SPB || type == PCAPNG_PB) {
        r = type == PCAPNG_SPB ? simple_packet(reader, body, &block.packet) : enhanced_packet(reader, type, body, &block.packet);
        block.has_packet = true;
    } else if (type == PCAPNG_SHB) {
        r = section_begin(reader, body);
    } else if (type == PCAPNG_IDB) {
        r = interface_add(reader, body);
    } else if (type == PCAPNG_JOURNAL) {
        block.has_event = true;
        block.event_ns = pcapng_journal_time_ns(body.data, body.size);
    }
    if (r < 0)
        return r;
    *ret = block;
    return total;
}
