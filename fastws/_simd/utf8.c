#include "utf8.h"

#include <string.h>

#include "cpu.h"

/* One byte at a time, RFC 3629 §4's table of well-formed sequences. Returns 0 at a bad byte. */
static inline int step(fastws_utf8_state *state, uint8_t byte) {
    if (state->missing > 0) {
        if (byte < state->low || byte > state->high)
            return 0;
        state->missing--;
        state->low = 0x80;
        state->high = 0xBF;
        return 1;
    }
    if (byte < 0x80)
        return 1;
    if (byte < 0xC2 || byte > 0xF4)
        return 0;
    state->missing = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    /* The second byte keeps out overlong forms, surrogates and what lies past U+10FFFF. */
    state->low = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
    state->high = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
    return 1;
}

static size_t step_through(fastws_utf8_state *state, const uint8_t *data, size_t length) {
    size_t i = 0;
    while (i < length) {
        uint64_t word;
        if (state->missing == 0 && i + 8 <= length) {
            memcpy(&word, data + i, 8);
            if ((word & 0x8080808080808080u) == 0) {
                i += 8;
                continue;
            }
        }
        if (!step(state, data[i]))
            return i;
        i++;
    }
    return length;
}

static int baseline_run(const uint8_t *data, size_t length) {
    fastws_utf8_state state = {0, 0, 0};
    return step_through(&state, data, length) == length && state.missing == 0;
}

#if FASTWS_AVX2 || FASTWS_NEON
enum {
    TOO_SHORT = 1 << 0,      /* a lead byte not followed by a continuation */
    TOO_LONG = 1 << 1,       /* a continuation after ASCII */
    OVERLONG_3 = 1 << 2,     /* E0 80..9F */
    TOO_LARGE = 1 << 3,      /* F4 90..BF, F5.. */
    SURROGATE = 1 << 4,      /* ED A0..BF */
    OVERLONG_2 = 1 << 5,     /* C0, C1 */
    TOO_LARGE_80 = 1 << 6,   /* F5.. 80..8F */
    OVERLONG_4 = 1 << 6,     /* F0 80..8F */
    CONTINUATIONS = 1 << 7,  /* two in a row: an error unless the lead asks for it */
    ANY_LOW = TOO_SHORT | TOO_LONG | CONTINUATIONS,
};

#define ROW16(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                      \
    { a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p }

static const uint8_t first_high[16] =
    ROW16(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
          CONTINUATIONS, CONTINUATIONS, CONTINUATIONS, CONTINUATIONS, TOO_SHORT | OVERLONG_2,
          TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE,
          TOO_SHORT | TOO_LARGE | TOO_LARGE_80 | OVERLONG_4);

#define LARGE (ANY_LOW | TOO_LARGE | TOO_LARGE_80)
static const uint8_t first_low[16] =
    ROW16(ANY_LOW | OVERLONG_2 | OVERLONG_3 | OVERLONG_4, ANY_LOW | OVERLONG_2, ANY_LOW, ANY_LOW,
          ANY_LOW | TOO_LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE,
          LARGE | SURROGATE, LARGE, LARGE);

#define SECOND (TOO_LONG | OVERLONG_2 | CONTINUATIONS)
static const uint8_t second_high[16] =
    ROW16(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
          SECOND | OVERLONG_3 | TOO_LARGE_80 | OVERLONG_4, SECOND | OVERLONG_3 | TOO_LARGE,
          SECOND | SURROGATE | TOO_LARGE, SECOND | SURROGATE | TOO_LARGE, TOO_SHORT, TOO_SHORT,
          TOO_SHORT, TOO_SHORT);
#endif

#if FASTWS_AVX2
#include <immintrin.h>
#define NAME(x) avx2_##x
#define TARGET FASTWS_TARGET_AVX2
#define VECTOR __m256i
#define WIDTH 32
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define OR(a, b) _mm256_or_si256(a, b)
#define AND(a, b) _mm256_and_si256(a, b)
#define XOR(a, b) _mm256_xor_si256(a, b)
#define ZERO _mm256_setzero_si256()
#define SPLAT(byte) _mm256_set1_epi8((char)(byte))
#define SUBS(a, b) _mm256_subs_epu8(a, b)
#define HIGH_NIBBLE(v) AND(_mm256_srli_epi16(v, 4), SPLAT(0x0F))
#define LOW_NIBBLE(v) AND(v, SPLAT(0x0F))
#define LOOKUP(table, index) _mm256_shuffle_epi8(table, index)
#define TABLE(t) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(t)))
#define BEFORE(previous, current, n)                                                               \
    _mm256_alignr_epi8(current, _mm256_permute2x128_si256(previous, current, 0x21), 16 - (n))
#define HAS_HIGH(v) (_mm256_movemask_epi8(v) != 0)
#define IS_ZERO(v) (_mm256_testz_si256(v, v))
#include "utf8_loop.h"
#endif

#if FASTWS_NEON
#include <arm_neon.h>
#define NAME(x) neon_##x
#define TARGET
#define VECTOR uint8x16_t
#define WIDTH 16
#define LOAD(p) vld1q_u8(p)
#define OR(a, b) vorrq_u8(a, b)
#define AND(a, b) vandq_u8(a, b)
#define XOR(a, b) veorq_u8(a, b)
#define ZERO vdupq_n_u8(0)
#define SPLAT(byte) vdupq_n_u8(byte)
#define SUBS(a, b) vqsubq_u8(a, b)
#define HIGH_NIBBLE(v) vshrq_n_u8(v, 4)
#define LOW_NIBBLE(v) AND(v, SPLAT(0x0F))
#define LOOKUP(table, index) vqtbl1q_u8(table, index)
#define TABLE(t) vld1q_u8(t)
#define BEFORE(previous, current, n) vextq_u8(previous, current, 16 - (n))
#define HAS_HIGH(v) (vmaxvq_u8(v) >= 0x80)
#define IS_ZERO(v) (vmaxvq_u8(v) == 0)
#include "utf8_loop.h"
#endif

const fastws_utf8_row fastws_utf8_rows[] = {
    {"baseline", fastws_cpu_always, baseline_run},
#if FASTWS_NEON
    {"neon", fastws_cpu_always, neon_run},
#endif
#if FASTWS_AVX2
    {"avx2", fastws_cpu_has_avx2, avx2_run},
#endif
    {NULL, NULL, NULL},
};

const fastws_utf8_row *fastws_utf8_choose(const char *name) {
    const fastws_utf8_row *chosen = NULL;
    for (const fastws_utf8_row *row = fastws_utf8_rows; row->name != NULL; row++) {
        if ((name == NULL || strcmp(name, row->name) == 0) && row->supported())
            chosen = row;
    }
    return chosen;
}

/* How many bytes at the end belong to a code point that may go on in the next piece. */
static size_t unfinished(const uint8_t *data, size_t length) {
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        const uint8_t byte = data[length - back];
        if (byte >= 0xC0) {
            const size_t whole = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
            return whole > back ? back : 0;
        }
        if (byte < 0x80)
            break;
    }
    return 0;
}

size_t fastws_utf8_receive(const fastws_utf8_row *row, fastws_utf8_state *state,
                           const uint8_t *data, size_t length) {
    size_t i = 0;
    for (; i < length && state->missing > 0; i++) {
        if (!step(state, data[i]))
            return i;
    }
    const size_t whole = length - i - unfinished(data + i, length - i);
    if (whole >= 32) {
        if (row->run(data + i, whole))
            i += whole;
        /* Else go again byte by byte, to say which one is wrong. */
    }
    return i + step_through(state, data + i, length - i);
}
