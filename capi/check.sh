#!/usr/bin/env bash
# Installs the C library into a scratch directory and tries it as its users would: header, pkg-config, symbols, the README's
# example, the examples and the tests in C, against the shared and the static library, with sanitizers and under valgrind.
#   capi/check.sh [PREFIX]   all of it; installs it in PREFIX, if given, and leaves it there
#   capi/check.sh --header   only writes include/flextok.h anew
# It needs cargo-c, gcc, g++, pkg-config, python3 and valgrind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix
[ $# -eq 0 ] || [ "$1" = --header ] || prefix=$(realpath -m "$1")

say() { printf '[%4ds] capi: %s\n' "$SECONDS" "$*"; }
fail() {
    say "FAILED: $*"
    exit 1
}

say "installing"
# cargo-c has a cargo of its own, which would make what others built in the same directory out of date.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/capi
cargo cinstall --release --locked -p flextok-capi --target-dir "$target" --prefix "$prefix" --libdir lib 2>"$scratch/log" ||
    fail "$(cat "$scratch/log")"
if [ "${1:-}" = --header ]; then
    cp "$prefix/include/flextok.h" capi/include/flextok.h
    exit
fi
diff -u capi/include/flextok.h "$prefix/include/flextok.h" || fail "the header is not that of the code: capi/check.sh --header"

say "its own tests"
cargo test --quiet --release --locked -p flextok-capi --lib

say "pkg-config and symbols"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
read -ra shared < <(pkg-config --cflags --libs flextok)
read -ra system < <(pkg-config --static --libs-only-l flextok | sed 's/-lflextok//')
static=("-I$prefix/include" "$prefix/lib/libflextok.a" "${system[@]}")
[ "${shared[*]}" = "-I$prefix/include -L$prefix/lib -lflextok" ] || fail "pkg-config says ${shared[*]}"
[ "$(pkg-config --modversion flextok)" = "$(sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)" ] ||
    fail "pkg-config knows another version"
nm -D --defined-only "$prefix/lib/libflextok.so" | awk '{ print $NF }' | sed 's/@.*//' | sort >"$scratch/exported"
grep -v '^flextok_' "$scratch/exported" && fail "the shared library exports other names than flextok_*"
grep -o '\bflextok_[a-z_]*(' capi/include/flextok.h | tr -d '(' | sort -u >"$scratch/declared"
diff "$scratch/declared" "$scratch/exported" || fail "the header has other functions than the library"

photo=$scratch/photo.ppm
python3 capi/tests/ppm.py tests/photos/coffee.png "$photo"
c=(gcc -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -pedantic -Werror -g -pthread)
cpp=(g++ -std=c++17 -Wall -Wextra -pedantic -Werror -g)
sanitize=(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)

say "the README's example"
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md >"$scratch/readme.c"
"${c[@]}" "$scratch/readme.c" "${shared[@]}" -o "$scratch/readme"
(cd "$scratch" && ./readme) || fail "the README's example fails"
[ "$(stat -c %s "$scratch/photo.flxt")" -le 512 ] || fail "the README's example keeps no budget"
cmp -s "$scratch/photo.ppm" "$scratch/decoded.ppm" && fail "the README's example decoded nothing"
[ "$(stat -c %s "$scratch/decoded.ppm")" -eq "$(stat -c %s "$photo")" ] || fail "the README's example decoded another size"

# Builds and runs the examples: examples NAME FLAGS...
examples() {
    local name=$1
    shift
    "${c[@]}" capi/examples/encode_decode.c "$@" -o "$scratch/$name-c"
    "${cpp[@]}" capi/examples/encode_decode.cpp "$@" -o "$scratch/$name-cpp"
    "$scratch/$name-c" "$photo" 512 "$scratch/c.flxt" "$scratch/c.ppm" >/dev/null
    "$scratch/$name-cpp" "$photo" 512 "$scratch/cpp.ppm" >/dev/null
    cmp "$scratch/c.ppm" "$scratch/cpp.ppm" || fail "the examples decode differently"
    cmp "$scratch/c.flxt" "$scratch/photo.flxt" || fail "the example in C makes another file than the README's"
}
say "examples, against the shared library"
examples shared "${shared[@]}"
say "examples, against the static library, with sanitizers"
examples static "${sanitize[@]}" "${static[@]}"

tests=(threads one_byte options progress round_trip network liar bare)
for test in "${tests[@]}"; do
    "${c[@]}" -O1 "capi/tests/c/$test.c" "${shared[@]}" -o "$scratch/$test-shared"
    "${c[@]}" -O1 "${sanitize[@]}" "capi/tests/c/$test.c" "${static[@]}" -o "$scratch/$test-static"
done
arguments=("$photo" tests/data/tiny/model.safetensors)
for test in "${tests[@]}"; do
    say "$test"
    "$scratch/$test-shared" "${arguments[@]}"
    say "$test, against the static library, with sanitizers"
    "$scratch/$test-static" "${arguments[@]}"
done

say "under valgrind, with 10 rounds of threads, all but those of networks, which would take minutes"
# valgrind runs one thread at a time, so that as many programs as there are cores run beside each other.
printf '%s\n' threads one_byte options round_trip liar bare | xargs -P "$(nproc)" -I{} bash -c '
    valgrind --quiet --error-exitcode=9 --leak-check=full --suppressions=capi/valgrind.supp \
        "$0/{}-shared" "${@}" 10 >"$0/{}.log" 2>&1 || { cat "$0/{}.log"; exit 1; }' "$scratch" "${arguments[@]}"
say "all passed"
