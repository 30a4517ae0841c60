#!/usr/bin/env python3
"""The learned decoder in PyTorch and here, in turn in one run, both in f32 on two threads: medians in ms as a Markdown table.

    cargo build --release -p flextok-benches --bin time_learned
    python3 benches/pytorch/time_learned.py [PROGRAM [ROUNDS]]

PROGRAM is target/release/time_learned if not given, ROUNDS 5. Before it times anything it checks the network here against
tests/data. PyTorch runs it with its usual layout and with channels last. flextok's time is that of a whole decode, the digits,
the inverse transform and 8 bits included; "network" is what it takes longer than a plain decode.
"""
import pathlib
import statistics
import subprocess
import sys
import time

import torch
from learned_torch import load
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZES = [(256, 256), (768, 512), (1344, 896)]
REPS = 5


def check(decoder):
    golden = load_file(ROOT / "tests/data/learned.golden.safetensors")
    plain, slope = golden["plain"][None], golden["slope"] / 100
    for name, look in [("faithful", 0.0), ("sharp", 1.0)]:
        worst = (decoder(plain, slope, torch.tensor([look])) - golden[name]).abs().max().item()
        assert worst < 1e-3, f"{name}: {worst}"


def timed(decoder, width, height, layout):
    plain = torch.sin(torch.arange(3.0 * width * height) * 0.01).reshape(1, 3, height, width)
    plain = plain.contiguous(memory_format=layout)
    decoder = decoder.to(memory_format=layout)
    slope, look = torch.tensor([2.0]), torch.tensor([0.0])
    decoder(plain, slope, look)
    times = []
    for _ in range(REPS):
        start = time.perf_counter()
        decoder(plain, slope, look)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


@torch.inference_mode()
def main():
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/time_learned"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    torch.set_num_threads(2)
    decoder = load(ROOT / "models/builtin.safetensors")
    check(decoder)
    print(f"PyTorch {torch.__version__}, median of {rounds} rounds in ms\n")
    print("| canvas | PyTorch | channels last | flextok, whole decode | network | ratios |\n|---|---|---|---|---|---|")
    for width, height in SIZES:
        rows = []
        for _ in range(rounds):
            torch_times = [timed(decoder, width, height, layout) for layout in (torch.contiguous_format, torch.channels_last)]
            command = [program, str(width), str(height), str(REPS)]
            whole, plain = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
            rows.append([*torch_times, whole, whole - plain])
        usual, last, whole, network = (statistics.median(column) for column in zip(*rows))
        print(f"| {width}×{height} | {usual:.1f} | {last:.1f} | {whole:.1f} | {network:.1f} | {usual / network:.2f}×, {last / network:.2f}× |")


main()
