/* The masking of RFC 6455 §5.3: data XORed with a repeated 4-byte key. */
#ifndef FASTWS_MASK_H
#define FASTWS_MASK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* dst is src, or does not overlap it. Nothing outside [0, length) is read or written. `key` holds
   the four bytes as they lie in memory; its first byte meets src[0]. */
typedef void (*fastws_mask_run)(uint8_t *dst, const uint8_t *src, size_t length, uint32_t key);

/* The same, and tells whether every byte written is below 0x80. */
typedef int (*fastws_mask_ascii_run)(uint8_t *dst, const uint8_t *src, size_t length, uint32_t key);

typedef struct {
    const char *name;
    int (*supported)(void);
    fastws_mask_run run;
    fastws_mask_ascii_run run_ascii;
} fastws_mask_row;

/* Fastest last; ends with a row whose name is NULL. */
extern const fastws_mask_row fastws_mask_rows[];

/* The fastest row supported here, or the one called `name`; NULL if that is not to be had. */
const fastws_mask_row *fastws_mask_choose(const char *name);

/* The key for data that starts `offset` bytes into the masked payload. */
static inline uint32_t fastws_mask_rotate(uint32_t key, size_t offset) {
    uint8_t in[4], out[4];
    memcpy(in, &key, 4);
    for (size_t i = 0; i < 4; i++)
        out[i] = in[(i + offset) & 3];
    memcpy(&key, out, 4);
    return key;
}

#endif
