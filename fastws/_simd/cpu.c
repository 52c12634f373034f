#include "cpu.h"

#include <stdlib.h>

int fastws_cpu_always(void) { return 1; }

#if FASTWS_AVX2
#include <cpuid.h>
#include <stdint.h>

/* The operating system must save the upper halves of the registers on a context switch: cpuid says
   what the processor can do, XCR0 what the system takes part in. */
static int system_saves_ymm(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    (void)high;
    return (low & 0x6) == 0x6;
}

int fastws_cpu_has_avx2(void) {
    unsigned int a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    const unsigned int osxsave = 1u << 27, avx = 1u << 28;
    if ((c & osxsave) == 0 || (c & avx) == 0 || !system_saves_ymm())
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    return (b & (1u << 5)) != 0;
}
#else
int fastws_cpu_has_avx2(void) { return 0; }
#endif

const char *fastws_cpu_forced_row(void) {
    const char *row = getenv("FASTWS_SIMD");
    return row != NULL && row[0] != '\0' ? row : NULL;
}
