#!/usr/bin/env bash
# The measured figures of README.md and models/README.md as Markdown tables:
#   cargo build --release && docs/measure.sh
# FLEXTOK names another binary, RUNS the number of timed runs (their median is shown).
set -euo pipefail
cd "$(dirname "$0")/.."
flextok=$(realpath "${FLEXTOK:-target/release/flextok}")
runs=${RUNS:-15}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

echo "Quality: PSNR in dB / SSIM against the photo in its own size"
echo
echo "| photo | 1 token, 27 bytes | 4, 33 bytes | 16, 61 bytes | 64, 161 bytes | 256, 549 bytes |"
echo "|---|---|---|---|---|---|"
for photo in chelsea.png coffee.png astronaut.png seeding.jpg; do
    row="| $photo |"
    "$flextok" encode -q -f "tests/photos/$photo" -o "$dir/whole.flxt"
    for k in 1 4 16 64 256; do
        "$flextok" truncate -q -f "$dir/whole.flxt" -k "$k" -o "$dir/cut.flxt"
        "$flextok" decode -q -f "$dir/cut.flxt" -o "$dir/cut.png"
        report=$("$flextok" compare "tests/photos/$photo" "$dir/cut.png" --json)
        row+=$(printf ' %.2f / %.3f |' "$(field psnr <<<"$report")" "$(field ssim <<<"$report")")
    done
    echo "$row"
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
timed "encode coffee.png (600x400)" "$flextok" encode -q -f "$photo" -o "$out.flxt"
timed "encode coffee.png, 16 tokens" "$flextok" encode -q -f "$photo" -k 16 -o "$out.16.flxt"
timed "decode 256 tokens, 1 step" "$flextok" decode -q -f "$out.flxt" -o "$out.png"
timed "decode 16 tokens, 1 step" "$flextok" decode -q -f "$out.16.flxt" -o "$out.png"
timed "decode 256 tokens, 8 steps" "$flextok" decode -q -f "$out.flxt" --steps 8 -o "$out.png"
timed "decode 256 tokens, 8 steps, guidance 3" \
    "$flextok" decode -q -f "$out.flxt" --steps 8 --guidance 3 -o "$out.png"
timed "truncate to 16 tokens" "$flextok" truncate -q -f "$out.flxt" -k 16 -o "$out.16.flxt"
