#!/bin/sh
# Times the d12-d12 network in PyTorch and in flextok, in turn, on the same weights, and prints a table of medians,
# ratios and peak memory.
#
# Usage: benches/compare.sh [CHECKPOINT]
#
#   CHECKPOINT  the network in the published layout (default: written on first use); another
#               checkpoint than that of pytorch/time_torch.py makes the ratios meaningless
#
# Environment:
#   FLEXTOK_TORCH_VENV  Python environment with pytorch/requirements.txt (default: made on first use in the target
#                       directory)
#   PRECISION           f32 (default) or bf16, in both; or int8 beside PyTorch's bf16
#   ROUNDS              times that both programs are run (default 3)
#   REPS                runs per program and stage (default 3)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
venv=${FLEXTOK_TORCH_VENV:-$target/compare-venv}
checkpoint=${1:-$target/compare-d12.safetensors}

cargo build --release --manifest-path "$here/../Cargo.toml" -p flextok-benches -p flextok-cli

if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet -r "$here/pytorch/requirements.txt"
fi
if [ ! -f "$checkpoint" ]; then
    # Written under another name first, so that an interrupted run leaves no half of a checkpoint.
    "$venv/bin/python" "$here/pytorch/time_torch.py" --write-checkpoint "$checkpoint.part"
    mv "$checkpoint.part" "$checkpoint"
fi

exec "$venv/bin/python" "$here/compare.py" "$checkpoint" \
    --programs "$target/release" --precision "${PRECISION:-f32}" --rounds "${ROUNDS:-3}" --reps "${REPS:-3}"
