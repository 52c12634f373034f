/* The one masking loop, included once per instruction set by mask.c, which defines before:
   NAME(x), TARGET, SHORTER(x), VECTOR, WIDTH, LOAD, STORE, XOR, OR, SPLAT and HAS_HIGH. */

#define VECTOR_AT(i) XOR(LOAD(src + (i)), loop_key)

TARGET FASTWS_INLINE int NAME(loop)(uint8_t *dst, const uint8_t *src, size_t length, uint32_t key,
                                    const int test_ascii) {
    /* Head and tail are loaded before and stored after everything between: they overlap it, and
       with dst == src a byte must not be masked twice. */
    const VECTOR head = XOR(LOAD(src), SPLAT(key));
    const VECTOR tail =
        XOR(LOAD(src + length - WIDTH), SPLAT(fastws_mask_rotate(key, length - WIDTH)));
    VECTOR seen = OR(head, tail);
    if (length > 2 * WIDTH) {
        /* Stores that straddle two cache lines cost double; loads may. */
        size_t i = length < 8 * WIDTH ? WIDTH : WIDTH - ((uintptr_t)dst & (WIDTH - 1));
        const size_t end = length - WIDTH;
        const VECTOR loop_key = SPLAT(fastws_mask_rotate(key, i));
        for (; i + 4 * WIDTH <= end; i += 4 * WIDTH) {
            const VECTOR a = VECTOR_AT(i), b = VECTOR_AT(i + WIDTH);
            const VECTOR c = VECTOR_AT(i + 2 * WIDTH), d = VECTOR_AT(i + 3 * WIDTH);
            STORE(dst + i, a);
            STORE(dst + i + WIDTH, b);
            STORE(dst + i + 2 * WIDTH, c);
            STORE(dst + i + 3 * WIDTH, d);
            if (test_ascii)
                seen = OR(seen, OR(OR(a, b), OR(c, d)));
        }
        for (; i < end; i += WIDTH) {
            const VECTOR a = VECTOR_AT(i);
            STORE(dst + i, a);
            if (test_ascii)
                seen = OR(seen, a);
        }
    }
    STORE(dst, head);
    STORE(dst + length - WIDTH, tail);
    return !(test_ascii && HAS_HIGH(seen));
}

TARGET static void NAME(run)(uint8_t *dst, const uint8_t *src, size_t length, uint32_t key) {
    if (length < WIDTH)
        SHORTER(run)(dst, src, length, key);
    else
        NAME(loop)(dst, src, length, key, 0);
}

TARGET static int NAME(run_ascii)(uint8_t *dst, const uint8_t *src, size_t length, uint32_t key) {
    if (length < WIDTH)
        return SHORTER(run_ascii)(dst, src, length, key);
    return NAME(loop)(dst, src, length, key, 1);
}

#undef VECTOR_AT
#undef NAME
#undef SHORTER
#undef TARGET
#undef VECTOR
#undef WIDTH
#undef LOAD
#undef STORE
#undef XOR
#undef OR
#undef SPLAT
#undef HAS_HIGH
