#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "packet/wlan.h"

struct frame { uint8_t data[64]; uint32_t size; };

/* A head of `size` bytes of which the first two are given, then LLC and SNAP with IPv6's type. */
static struct frame make(uint8_t kind, uint8_t flags, uint32_t size)
{
    static const uint8_t behind[10] = { 0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd, 0x60, 0 };
    struct frame f = { .data = { kind, flags }, .size = size + (uint32_t)sizeof behind };
    memcpy(f.data + size, behind, sizeof behind);
    return f;
}

static bool carries(const struct frame *f)
{
    struct cursor c = cursor_over(f->data, f->size);
    uint16_t type = 0;
    bool found = wlan_payload(&c, &type);
    if (found) {
        assert_int_equal(type, 0x86dd);
        assert_int_equal(cursor_left(&c), 2);
    }
    return found;
}

static void heads_of_every_length(void **state)
{
    (void)state;
    static const struct { uint8_t kind, flags; uint32_t size; } heads[] = { { 8, 1, 24 }, { 8, 2, 24 }, { 8, 3, 30 }, { 0x88, 1, 26 }, { 0x88, 3, 32 }, { 0x88, 0x81, 30 }, { 8, 0x81, 24 } };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct frame f = make(heads[i].kind, heads[i].flags, heads[i].size);
        assert_true(carries(&f));
        for (uint32_t cut = 0; cut < f.size - 2; cut++) {
            uint8_t *copy = malloc(cut + !cut);
            memcpy(copy, f.data, cut);
            struct cursor c = cursor_over(copy, cut);
            uint16_t type = 7;
            assert_false(wlan_payload(&c, &type));
            assert_int_equal(type, 7);
            free(copy);
        }
    }
}

static void what_carries_no_packet(void **state)
{
    (void)state;
    static const struct { uint8_t kind, flags; uint32_t at; uint8_t value; } heads[] = {
        { 0x80, 1, 2, 0 } /* a beacon */, { 0x48, 1, 2, 0 } /* no data */, { 8, 0x41, 2, 0 } /* encrypted */, { 8, 5, 2, 0 } /* a fragment */, { 8, 1, 22, 1 } /* and the next */,
        { 0x88, 1, 24, 0x80 } /* several packets */, { 9, 1, 2, 0 } /* another version */, { 8, 1, 24, 0x42 } /* no SNAP */,
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct frame f = make(heads[i].kind, heads[i].flags, heads[i].kind == 0x88 ? 26 : 24);
        f.data[heads[i].at] = heads[i].value;
        assert_false(carries(&f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(heads_of_every_length), cmocka_unit_test(what_carries_no_packet) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
