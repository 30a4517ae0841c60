#!/usr/bin/env bash
# The measured times of README.md and the figures of docs/cuts.md as Markdown tables (docs/quality.py: the quality):
#   cargo build --release --bins -p flextok-cli -p flextok-benches && docs/measure.sh
# FLEXTOK names another binary, PYTHON an interpreter that has numpy and Pillow (for WebP, AVIF and JPEG; docs/rivals.py),
# RUNS the number of timed runs (their median is shown).
set -euo pipefail
cd "$(dirname "$0")/.."
flextok=$(realpath "${FLEXTOK:-target/release/flextok}")
python=${PYTHON:-python3}
runs=${RUNS:-15}
photos=(chelsea.png coffee.png astronaut.png seeding.jpg)
cuts=(64 128 256 512 1024)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# PSNR in dB of the plain decode of a file against its photo.
quality() {
    "$flextok" compare "tests/photos/$1" "$2" --look plain --json |
        python3 -c 'import json, sys; print("%.2f" % json.load(sys.stdin)["psnr"])'
}

# The first rows of a table with these columns.
heading() {
    printf '| %s ' "$@"
    printf '|\n'
    printf '|---%.0s' "$@"
    printf '|\n'
}

echo "Cuts of a file of 4096 bytes: PSNR in dB of plain decodes"
echo
heading photo file "${cuts[@]}" 4096
for photo in "${photos[@]}"; do
    fresh="| $photo | made for its size |"
    cut="| $photo | cut of one of 4096 bytes |"
    for size in "${cuts[@]}" 4096; do
        "$flextok" encode -q -f "tests/photos/$photo" -b "$size" -o "$dir/fresh.flxt"
        fresh+=" $(quality "$photo" "$dir/fresh.flxt") |"
        "$flextok" encode -q -f "tests/photos/$photo" -b 4096 -o "$dir/whole.flxt"
        "$flextok" truncate -q -f "$dir/whole.flxt" -b "$size" -o "$dir/cut.flxt"
        cut+=" $(quality "$photo" "$dir/cut.flxt") |"
    done
    echo "$fresh"
    echo "$cut"
    # The canvas chosen for one of the cuts: what the file is worth at each size.
    for at in "${cuts[@]}"; do
        "$flextok" encode -q -f "tests/photos/$photo" -b 4096 --cut-at "$at" -o "$dir/whole.flxt"
        row="| $photo | cut of one with \`--cut-at $at\` |"
        for size in "${cuts[@]}" 4096; do
            "$flextok" truncate -q -f "$dir/whole.flxt" -b "$size" -o "$dir/cut.flxt"
            row+=" $(quality "$photo" "$dir/cut.flxt") |"
        done
        echo "$row"
    done
done

# Median wall time in milliseconds of a whole process, and its peak memory in MB.
timed() {
    local name=$1 times=() memory
    shift
    "$@"
    for _ in $(seq "$runs"); do
        local before after
        before=$(date +%s%N)
        "$@"
        after=$(date +%s%N)
        times+=($(((after - before) / 1000000)))
    done
    local median
    median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n "$(((runs + 1) / 2))p")
    memory=$(python3 - "$@" <<'PY'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6))
PY
    )
    echo "| $name | $median ms | $memory MB |"
}

echo
echo "Whole processes, start included, median of $runs, on $(nproc) cores"
echo
echo "| command | time | peak memory |"
echo "|---|---|---|"
out="$dir/out"
photo=tests/photos/coffee.png
for size in 64 1024 16384; do
    timed "encode coffee.png (600x400) to $size bytes" "$flextok" encode -q -f "$photo" -b "$size" -o "$out.$size.flxt"
    timed "decode $size bytes" "$flextok" decode -q -f "$out.$size.flxt" -o "$out.png"
    timed "decode $size bytes, plain" "$flextok" decode -q -f "$out.$size.flxt" -o "$out.png" --look plain
done
timed "truncate 1024 bytes to 64" "$flextok" truncate -q -f "$out.1024.flxt" -b 64 -o "$out.cut.flxt"

echo
echo "In process, in turn, median of $runs in ms; two threads but for WebP and JPEG, which have one"
"$python" docs/rivals.py --versions
echo
heading photo codec bytes encode decode both
for photo in "${photos[@]}"; do
    for size in 1024 4096; do
        "$(dirname "$flextok")/time_photo" "tests/photos/$photo" "$size" "$runs"
        "$python" docs/rivals.py --time "tests/photos/$photo" "$size" "$runs"
    done
done
