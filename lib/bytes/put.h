/* Little-endian integers into memory that the caller has made room in; each returns the place behind. The other side of cursor.h. */
#ifndef BYTES_PUT_H
#define BYTES_PUT_H
#include <endian.h>
#include <stdint.h>
#include <string.h>

#define PUT_WRITER(name, type, to_le)                        \
    static inline uint8_t *put_##name(uint8_t *p, type v)    \
    {                                                        \
        v = to_le(v);                                        \
        memcpy(p, &v, sizeof v);                             \
        return p + sizeof v;                                 \
    }
PUT_WRITER(le16, uint16_t, htole16)
PUT_WRITER(le32, uint32_t, htole32)
PUT_WRITER(le64, uint64_t, htole64)
#undef PUT_WRITER
#endif
