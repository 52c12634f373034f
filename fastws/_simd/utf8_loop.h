/* The vector form of UTF-8 validation, included once per instruction set by utf8.c, which defines
   before: NAME(x), TARGET, VECTOR, WIDTH, LOAD, OR, AND, XOR, ZERO, SPLAT, SUBS (saturating),
   HIGH_NIBBLE, LOW_NIBBLE, LOOKUP, TABLE, BEFORE(previous, current, n), HAS_HIGH and IS_ZERO.

   After J. Keiser and D. Lemire, "Validating UTF-8 in less than one instruction per byte" (2021):
   three 16-entry tables, indexed by the nibbles around the border of two neighbouring bytes, name
   the errors each nibble allows; an error in all three is one. */

TARGET FASTWS_INLINE VECTOR NAME(errors)(VECTOR previous, VECTOR current) {
    const VECTOR one_before = BEFORE(previous, current, 1);
    const VECTOR pair_errors =
        AND(AND(LOOKUP(TABLE(first_high), HIGH_NIBBLE(one_before)),
                LOOKUP(TABLE(first_low), LOW_NIBBLE(one_before))),
            LOOKUP(TABLE(second_high), HIGH_NIBBLE(current)));
    /* Bytes two after a 3-byte lead or three after a 4-byte lead must be a second continuation in a
       row, which the tables alone call an error: the top bits cancel, or one remains. */
    const VECTOR third = SUBS(BEFORE(previous, current, 2), SPLAT(0xE0 - 0x80));
    const VECTOR fourth = SUBS(BEFORE(previous, current, 3), SPLAT(0xF0 - 0x80));
    return XOR(AND(OR(third, fourth), SPLAT(0x80)), pair_errors);
}

TARGET static int NAME(run)(const uint8_t *data, size_t length) {
    VECTOR previous = ZERO, error = ZERO;
    size_t i = 0;
    while (i + 4 * WIDTH <= length) {
        const VECTOR a = LOAD(data + i), b = LOAD(data + i + WIDTH);
        const VECTOR c = LOAD(data + i + 2 * WIDTH), d = LOAD(data + i + 3 * WIDTH);
        if (HAS_HIGH(OR(OR(a, b), OR(c, d)))) {
            error = OR(error, NAME(errors)(previous, a));
            error = OR(error, NAME(errors)(a, b));
            error = OR(error, NAME(errors)(b, c));
            error = OR(error, NAME(errors)(c, d));
            if (!IS_ZERO(error))
                return 0;
        } else {
            /* Plain ASCII: only a code point left unfinished before it can be wrong. */
            error = OR(error, NAME(errors)(previous, a));
        }
        previous = d;
        i += 4 * WIDTH;
    }
    /* The end goes through a copy padded with ASCII: nothing past the data is read, and a code point
       cut off by the end is found at the padding's first byte, which is always looked at. */
    uint8_t last[4 * WIDTH];
    const size_t rest = length - i;
    memset(last, 0, sizeof last);
    memcpy(last, data + i, rest);
    for (size_t j = 0; j <= rest; j += WIDTH) {
        const VECTOR a = LOAD(last + j);
        error = OR(error, NAME(errors)(previous, a));
        previous = a;
    }
    return IS_ZERO(error);
}

#undef NAME
#undef TARGET
#undef VECTOR
#undef WIDTH
#undef LOAD
#undef OR
#undef AND
#undef XOR
#undef ZERO
#undef SPLAT
#undef SUBS
#undef HIGH_NIBBLE
#undef LOW_NIBBLE
#undef LOOKUP
#undef TABLE
#undef BEFORE
#undef HAS_HIGH
#undef IS_ZERO
