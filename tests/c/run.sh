#!/bin/sh
# Compile the C kernels with their guard page test, twice: as they are shipped, and with sanitizers.
# usage: run.sh [build directory]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
simd=$here/../../fastws/_simd
build=${1:-$(mktemp -d)}
cc=${CC:-cc}

compile() {
    name=$1
    shift
    $cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -O3 "$@" -I"$simd" \
        -o "$build/$name" "$here/guard_pages.c" "$simd"/*.c
}

compile plain
"$build/plain"

# Not every compiler has the sanitizers' libraries.
if echo 'int main(void) { return 0; }' |
    $cc -x c -fsanitize=address,undefined -o "$build/probe" - 2>/dev/null && "$build/probe"; then
    compile sanitized -g -fsanitize=address,undefined -fno-sanitize-recover=all
    "$build/sanitized"
else
    echo "no sanitizers with $cc"
fi
