#include "mask.h"

#include "cpu.h"

/* Below 4 bytes: three single bytes reach every position of 1, 2 or 3. */
FASTWS_INLINE int tiny(uint8_t *dst, const uint8_t *src, size_t length, uint32_t key) {
    if (length == 0)
        return 1;
    uint8_t k[4];
    memcpy(k, &key, 4);
    const size_t middle = length / 2, last = length - 1;
    const uint8_t a = src[0] ^ k[0], b = src[middle] ^ k[middle], c = src[last] ^ k[last];
    dst[0] = a;
    dst[middle] = b;
    dst[last] = c;
    return (a | b | c) < 0x80;
}
static inline void tiny_run(uint8_t *dst, const uint8_t *src, size_t length, uint32_t key) {
    tiny(dst, src, length, key);
}
static inline int tiny_run_ascii(uint8_t *dst, const uint8_t *src, size_t length, uint32_t key) {
    return tiny(dst, src, length, key);
}

FASTWS_INLINE uint32_t load32(const uint8_t *p) {
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
}
FASTWS_INLINE void store32(uint8_t *p, uint32_t word) { memcpy(p, &word, 4); }
FASTWS_INLINE uint64_t load64(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}
FASTWS_INLINE void store64(uint8_t *p, uint64_t word) { memcpy(p, &word, 8); }

#define NAME(x) word32_##x
#define SHORTER(x) tiny_##x
#define TARGET
#define VECTOR uint32_t
#define WIDTH 4
#define LOAD(p) load32(p)
#define STORE(p, v) store32(p, v)
#define XOR(a, b) ((a) ^ (b))
#define OR(a, b) ((a) | (b))
#define SPLAT(key) (key)
#define HAS_HIGH(v) (((v) & 0x80808080u) != 0)
#include "mask_loop.h"

#define NAME(x) word64_##x
#define SHORTER(x) word32_##x
#define TARGET
#define VECTOR uint64_t
#define WIDTH 8
#define LOAD(p) load64(p)
#define STORE(p, v) store64(p, v)
#define XOR(a, b) ((a) ^ (b))
#define OR(a, b) ((a) | (b))
#define SPLAT(key) ((uint64_t)(key) << 32 | (key))
#define HAS_HIGH(v) (((v) & 0x8080808080808080u) != 0)
#include "mask_loop.h"

/* SSE2 is part of x86-64, so there it is the baseline; a 32-bit build has it only if told so. */
#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define NAME(x) sse2_##x
#define SHORTER(x) word64_##x
#define TARGET
#define VECTOR __m128i
#define WIDTH 16
#define LOAD(p) _mm_loadu_si128((const __m128i *)(p))
#define STORE(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define XOR(a, b) _mm_xor_si128(a, b)
#define OR(a, b) _mm_or_si128(a, b)
#define SPLAT(key) _mm_set1_epi32((int)(key))
#define HAS_HIGH(v) (_mm_movemask_epi8(v) != 0)
#include "mask_loop.h"
#define BASELINE(x) sse2_##x
#else
#define BASELINE(x) word64_##x
#endif

#if FASTWS_AVX2
#include <immintrin.h>
#define NAME(x) avx2_##x
#define SHORTER(x) BASELINE(x)
#define TARGET FASTWS_TARGET_AVX2
#define VECTOR __m256i
#define WIDTH 32
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define XOR(a, b) _mm256_xor_si256(a, b)
#define OR(a, b) _mm256_or_si256(a, b)
#define SPLAT(key) _mm256_set1_epi32((int)(key))
#define HAS_HIGH(v) (_mm256_movemask_epi8(v) != 0)
#include "mask_loop.h"
#endif

#if FASTWS_NEON
#include <arm_neon.h>
#define NAME(x) neon_##x
#define SHORTER(x) word64_##x
#define TARGET
#define VECTOR uint8x16_t
#define WIDTH 16
#define LOAD(p) vld1q_u8(p)
#define STORE(p, v) vst1q_u8(p, v)
#define XOR(a, b) veorq_u8(a, b)
#define OR(a, b) vorrq_u8(a, b)
#define SPLAT(key) vreinterpretq_u8_u32(vdupq_n_u32(key))
#define HAS_HIGH(v) (vmaxvq_u8(v) >= 0x80)
#include "mask_loop.h"
#endif

const fastws_mask_row fastws_mask_rows[] = {
    {"baseline", fastws_cpu_always, BASELINE(run), BASELINE(run_ascii)},
#if FASTWS_NEON
    {"neon", fastws_cpu_always, neon_run, neon_run_ascii},
#endif
#if FASTWS_AVX2
    {"avx2", fastws_cpu_has_avx2, avx2_run, avx2_run_ascii},
#endif
    {NULL, NULL, NULL, NULL},
};

const fastws_mask_row *fastws_mask_choose(const char *name) {
    const fastws_mask_row *chosen = NULL;
    for (const fastws_mask_row *row = fastws_mask_rows; row->name != NULL; row++) {
        if ((name == NULL || strcmp(name, row->name) == 0) && row->supported())
            chosen = row;
    }
    return chosen;
}
