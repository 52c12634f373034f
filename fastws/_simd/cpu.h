/* What the processor and the operating system let us run. */
#ifndef FASTWS_CPU_H
#define FASTWS_CPU_H

#if defined(__x86_64__) || defined(__i386__)
#define FASTWS_X86 1
#else
#define FASTWS_X86 0
#endif

#if defined(__aarch64__) || defined(_M_ARM64)
#define FASTWS_NEON 1
#else
#define FASTWS_NEON 0
#endif

/* GCC and Clang compile one function for a newer processor than the rest of the file; MSVC needs no
   permission to use an intrinsic, but is left to the baseline until somebody can measure it. */
#if FASTWS_X86 && (defined(__GNUC__) || defined(__clang__))
#define FASTWS_AVX2 1
#define FASTWS_TARGET_AVX2 __attribute__((target("avx2")))
#else
#define FASTWS_AVX2 0
#define FASTWS_TARGET_AVX2
#endif

#if defined(__GNUC__) || defined(__clang__)
#define FASTWS_INLINE static inline __attribute__((always_inline))
#else
#define FASTWS_INLINE static __forceinline
#endif

int fastws_cpu_always(void);
int fastws_cpu_has_avx2(void);

/* The row named by the environment variable FASTWS_SIMD, or NULL. */
const char *fastws_cpu_forced_row(void);

#endif
