/* Every kernel of every instruction set, on memory that ends where the buffer does: a page nobody may
   touch lies directly before the first byte, or directly after the last. Compared byte for byte with
   the definitions of RFC 6455 §5.3 and RFC 3629 §4. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mask.h"
#include "utf8.h"

extern const fastws_utf8_row fastws_utf8_rows[];

enum { LONGEST = 300, ALIGNMENTS = 64 };

static size_t page, size;
static unsigned long checks;

/* Memory between two guard pages. */
static uint8_t *guarded(void) {
    uint8_t *all =
        mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED || mprotect(all + page, size, PROT_READ | PROT_WRITE) != 0) {
        perror("mmap");
        exit(2);
    }
    return all + page;
}

/* Where a buffer starts that begins `gap` bytes after the first guard page, or ends `gap` bytes before
   the second. */
static uint8_t *place(uint8_t *memory, int at_end, size_t gap, size_t length) {
    return at_end ? memory + size - gap - length : memory + gap;
}

static uint32_t seed = 1;
static uint8_t random_byte(void) {
    seed = seed * 1664525u + 1013904223u;
    return (uint8_t)(seed >> 24);
}

static void check(int right, const char *what, const char *row, int at_end, size_t gap,
                  size_t length) {
    checks++;
    if (right)
        return;
    fprintf(stderr, "%s, row %s: wrong at length %zu, %zu bytes from the %s guard page\n", what,
            row, length, gap, at_end ? "second" : "first");
    exit(1);
}

static int all_equal(const uint8_t *data, uint8_t value, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (data[i] != value)
            return 0;
    }
    return 1;
}

/* Nothing but [start, start + length) may have changed. */
static int untouched_around(const uint8_t *memory, const uint8_t *start, size_t length) {
    const uint8_t *end = start + length;
    return all_equal(memory, 0xA5, (size_t)(start - memory)) &&
           all_equal(end, 0xA5, (size_t)(memory + size - end));
}

static void test_mask(const fastws_mask_row *row, uint8_t *in, uint8_t *out, int at_end, size_t gap,
                      size_t length) {
    const uint8_t key[4] = {0x12, 0xA9, 0x5C, 0xF7};
    uint8_t plain[LONGEST], expected[LONGEST];
    uint32_t word;
    memcpy(&word, key, 4);
    for (size_t i = 0; i < length; i++) {
        plain[i] = random_byte();
        expected[i] = plain[i] ^ key[i % 4];
    }
    uint8_t *src = place(in, at_end, gap, length), *dst = place(out, at_end, gap, length);
    for (int ascii = 0; ascii < 2; ascii++) {
        memset(in, 0xA5, size);
        memcpy(src, plain, length);
        memset(out, 0xA5, size);
        if (ascii)
            row->run_ascii(dst, src, length, word);
        else
            row->run(dst, src, length, word);
        check(memcmp(dst, expected, length) == 0 && untouched_around(out, dst, length) &&
                  memcmp(src, plain, length) == 0 && untouched_around(in, src, length),
              "mask", row->name, at_end, gap, length);
        if (ascii)
            row->run_ascii(src, src, length, word);
        else
            row->run(src, src, length, word);
        check(memcmp(src, expected, length) == 0 && untouched_around(in, src, length),
              "mask in place", row->name, at_end, gap, length);
    }
}

static void test_mask_ascii(const fastws_mask_row *row, uint8_t *in, uint8_t *out, int at_end,
                            size_t gap, size_t length) {
    const uint8_t key[4] = {0x92, 0x29, 0xDC, 0x77};
    uint32_t word;
    memcpy(&word, key, 4);
    uint8_t *src = place(in, at_end, gap, length), *dst = place(out, at_end, gap, length);
    for (size_t i = 0; i < length; i++)
        src[i] = (random_byte() & 0x7F) ^ key[i % 4];
    check(row->run_ascii(dst, src, length, word) == 1, "ASCII", row->name, at_end, gap, length);
    for (size_t high = 0; high < length; high++) {
        src[high] ^= 0x80;
        check(row->run_ascii(dst, src, length, word) == 0, "one high byte", row->name, at_end, gap,
              length);
        src[high] ^= 0x80;
    }
}

/* How long the sequence at data[0] is, or 0: RFC 3629 §4's table of well-formed sequences. */
static size_t sequence(const uint8_t *data, size_t length) {
    const uint8_t first = data[0];
    uint8_t low = 0x80, high = 0xBF;
    size_t whole;
    if (first < 0x80)
        return 1;
    else if (first >= 0xC2 && first <= 0xDF)
        whole = 2;
    else if (first >= 0xE0 && first <= 0xEF)
        whole = 3;
    else if (first >= 0xF0 && first <= 0xF4)
        whole = 4;
    else
        return 0;
    if (first == 0xE0)
        low = 0xA0;
    if (first == 0xED)
        high = 0x9F;
    if (first == 0xF0)
        low = 0x90;
    if (first == 0xF4)
        high = 0x8F;
    if (whole > length || data[1] < low || data[1] > high)
        return 0;
    for (size_t i = 2; i < whole; i++) {
        if (data[i] < 0x80 || data[i] > 0xBF)
            return 0;
    }
    return whole;
}

static int is_utf8(const uint8_t *data, size_t length) {
    for (size_t i = 0, whole; i < length; i += whole) {
        whole = sequence(data + i, length - i);
        if (whole == 0)
            return 0;
    }
    return 1;
}

/* Mostly valid text, of about `high` non-ASCII code points in 4. */
static void fill_text(uint8_t *data, size_t length, int high) {
    static const char *const points[] = {"\xc2\x80",         "\xdf\xbf",         "\xe0\xa0\x80",
                                         "\xed\x9f\xbf",     "\xee\x80\x80",     "\xef\xbf\xbf",
                                         "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xe4\xb8\x96"};
    for (size_t i = 0; i < length;) {
        const char *point = points[random_byte() % (sizeof points / sizeof *points)];
        const size_t whole = random_byte() % 4 < high ? strlen(point) : 1;
        if (whole == 1 || whole > length - i)
            data[i++] = random_byte() & 0x7F;
        else {
            memcpy(data + i, point, whole);
            i += whole;
        }
    }
}

static void test_utf8(const fastws_utf8_row *row, uint8_t *in, int at_end, size_t gap,
                      size_t length) {
    uint8_t *data = place(in, at_end, gap, length);
    for (int high = 0; high < 5; high += 2) {
        fill_text(data, length, high);
        for (int damage = 0; damage < 4; damage++) {
            if (damage > 0 && length > 0)
                data[damage == 3 ? length - 1 : random_byte() * length / 256] = random_byte();
            const int valid = is_utf8(data, length);
            check(row->run(data, length) == valid, "UTF-8", row->name, at_end, gap, length);
            fastws_utf8_state state = {0, 0, 0};
            const size_t split = length ? random_byte() * length / 256 : 0;
            int good = fastws_utf8_receive(row, &state, data, split) == split;
            good = good && fastws_utf8_receive(row, &state, data + split, length - split) ==
                               length - split;
            check((good && state.missing == 0) == valid, "UTF-8 in pieces", row->name, at_end, gap,
                  length);
        }
    }
}

int main(void) {
    page = (size_t)sysconf(_SC_PAGESIZE);
    size = page > LONGEST + ALIGNMENTS ? page : 2 * page;
    uint8_t *in = guarded(), *out = guarded();
    for (int at_end = 0; at_end < 2; at_end++) {
        for (size_t gap = 0; gap < ALIGNMENTS; gap++) {
            for (size_t length = 0; length <= LONGEST; length++) {
                for (const fastws_mask_row *row = fastws_mask_rows; row->name != NULL; row++) {
                    if (!row->supported())
                        continue;
                    test_mask(row, in, out, at_end, gap, length);
                    /* A high byte at each place: at the guard page itself, and a few others. */
                    if (gap < 2 || gap == 17)
                        test_mask_ascii(row, in, out, at_end, gap, length);
                }
                for (const fastws_utf8_row *row = fastws_utf8_rows; row->name != NULL; row++) {
                    if (row->supported())
                        test_utf8(row, in, at_end, gap, length);
                }
            }
        }
    }
    printf("%lu checks passed on", checks);
    for (const fastws_mask_row *row = fastws_mask_rows; row->name != NULL; row++) {
        if (row->supported())
            printf(" %s", row->name);
    }
    printf("\n");
    return 0;
}
