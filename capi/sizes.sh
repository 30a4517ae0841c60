#!/usr/bin/env bash
# What each part of the library adds to a small C program, and the most memory that the program takes:
#   capi/sizes.sh           measures, and fails where a figure of capi/sizes/sizes.tsv has grown by 10 %
#   capi/sizes.sh --write   measures, and writes them there
# With FLEXTOK_SIZES_GPU set it also measures the engine for GPUs, which takes a quarter of an hour to compile; without, its
# figure stays as it is.
#
# Each program is built with the features it needs, in the profile `embed`, linked with --gc-sections, and stripped; what it
# adds is its size without that of the program that only reads the file. All work on a photo of 512x384 pixels in 512 bytes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
library=$CARGO_TARGET_DIR/embed/libflextok_capi.a
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
wrapped=(malloc calloc realloc aligned_alloc posix_memalign free)

# Name, program, features, what the program is given.
rows=(
    "container|container||photo-512.flxt"
    "plain|plain|plain|photo-512.flxt"
    "decode|decode|codec,learned|photo-512.flxt"
    "encode|encode|codec,learned,encode|photo-20k.flxt"
    "networks|networks|codec,learned,encode,networks|../../tests/data/nano.safetensors photo-20k.flxt"
)
[ -z "${FLEXTOK_SIZES_GPU:-}" ] || rows+=("gpu|networks|codec,learned,encode,networks,gpu|../../tests/data/nano.safetensors photo-20k.flxt")

# Compiles program $1 as $2 with the further arguments.
compile() {
    local program=$1 out=$2
    shift 2
    cc -std=c11 -Os -Wall -Wextra -Werror -ffunction-sections -fdata-sections -Icapi/include \
        -o "$out" "capi/sizes/$program.c" "$@" -Wl,--gc-sections -lm
}

# The size of the program $1 without symbols.
stripped() {
    strip -s -o "$1.stripped" "$1"
    stat -c %s "$1.stripped"
}

measure() {
    local base name program features given added heap
    compile empty "$scratch/empty"
    base=$(stripped "$scratch/empty")
    for row in "${rows[@]}"; do
        IFS='|' read -r name program features given <<<"$row"
        cargo rustc --quiet --locked --profile embed -p flextok-capi --no-default-features --features "$features" \
            --crate-type staticlib
        compile "$program" "$scratch/$program" "$library"
        # Unquoted: the flags and arguments of each.
        compile "$program" "$scratch/$program-heap" capi/sizes/heap.c "$library" ${wrapped[*]/#/-Wl,--wrap=}
        if [ "$name" = container ] && nm "$scratch/container" | grep -i 'core9panicking'; then
            echo "sizes: the container has panics" >&2
            return 1
        fi
        added=$(($(stripped "$scratch/$program") - base))
        heap=$(cd capi/sizes && "$scratch/$program-heap" $given 2>&1 >/dev/null)
        printf '%s\t%s\t%s\t%s\n' "$name" "${features:--}" "$added" "$heap"
    done
}

# Fails where a figure has grown by 10 % or more.
compare() {
    awk -F '\t' '
        NR == FNR { size[$1] = $3; heap[$1] = $4; next }
        !($1 in size) { print "sizes: " $1 " has no figures: run capi/sizes.sh --write"; failed = 1; next }
        $3 >= 1.1 * size[$1] { print "sizes: " $1 " adds " $3 " bytes; it were " size[$1]; failed = 1 }
        $4 >= 1.1 * heap[$1] + 65536 { print "sizes: " $1 " takes " $4 " bytes of memory; it were " heap[$1]; failed = 1 }
        END { exit failed }
    ' capi/sizes/sizes.tsv "$1" >&2
}

# Whether the README has the figures that are committed, in kB.
check_readme() {
    local name features added heap line
    while IFS=$'\t' read -r name features added heap; do
        line=$(printf '| %s kB | %s kB |' "$(((added + 500) / 1000))" "$(((heap + 500) / 1000))")
        grep -qF "$line" README.md || {
            echo "sizes: README.md lacks the row of $name: $line" >&2
            return 1
        }
    done <capi/sizes/sizes.tsv
}

measure >"$scratch/measured"
cat "$scratch/measured"
if [ "${1:-}" = --write ]; then
    # What was not measured is kept.
    awk -F '\t' 'NR == FNR { measured[$1]; print; next } !($1 in measured)' "$scratch/measured" capi/sizes/sizes.tsv >"$scratch/all"
    cp "$scratch/all" capi/sizes/sizes.tsv
else
    compare "$scratch/measured"
    check_readme
fi
