/* Is it UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef FASTWS_UTF8_H
#define FASTWS_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Between two pieces of a text: what the next byte must be. All zero at a code point's end. */
typedef struct {
    uint8_t missing; /* continuation bytes still to come */
    uint8_t low;     /* the next one lies in [low, high] */
    uint8_t high;
} fastws_utf8_state;

/* True if data[0:length] is valid UTF-8 that ends with a whole code point. */
typedef int (*fastws_utf8_run)(const uint8_t *data, size_t length);

typedef struct {
    const char *name;
    int (*supported)(void);
    fastws_utf8_run run;
} fastws_utf8_row;

/* Fastest last; ends with a row whose name is NULL. */
extern const fastws_utf8_row fastws_utf8_rows[];

const fastws_utf8_row *fastws_utf8_choose(const char *name);

/* Take the next piece of a text. Returns `length`, or the index of the first byte that no valid text
   could have there. */
size_t fastws_utf8_receive(const fastws_utf8_row *row, fastws_utf8_state *state,
                           const uint8_t *data, size_t length);

#endif
