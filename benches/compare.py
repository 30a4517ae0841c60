"""Runs pytorch/time_torch.py and time_flextok in turn and prints medians, ratios and peak memory.

Called by compare.sh, which prepares both programs and the checkpoint.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
STAGES = ["decoder_step", "vae_decode", "vae_encode", "tokenize", "tokenize_8_pictures",
          "decode_16_tokens_25_steps_apg", "decode_256_tokens_25_steps_apg"]
THREADS = 2
# In bf16 both programs are held to the same instructions: flextok does not use AMX.
ENVIRONMENT = {"OMP_NUM_THREADS": str(THREADS), "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}


def run(command):
    """Standard output of a program, and the most memory it had in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | ENVIRONMENT)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} failed with {process.returncode}")
    return output, usage.ru_maxrss / 1024


def time_both(args):
    """Medians of each round, and the peaks, of both programs in turn."""
    commands = {
        "PyTorch": [sys.executable, str(HERE / "pytorch/time_torch.py"),
                    "--threads", str(THREADS), "--reps", str(args.reps),
                    "--precision", "bf16" if args.precision == "int8" else args.precision],
        "flextok": [str(args.programs / "time_flextok"), str(args.checkpoint), str(args.reps),
                    args.precision],
    }
    rounds = {name: [] for name in commands}
    peaks = dict.fromkeys(commands, 0.0)
    for turn in range(args.rounds):
        for name, command in commands.items():
            print(f"round {turn + 1} of {args.rounds}: {name}", file=sys.stderr)
            output, peak = run(command)
            rounds[name].append(json.loads(output)["median_ms"])
            peaks[name] = max(peaks[name], peak)
    return rounds, peaks


def command_peaks(args):
    """Peak memory of the command line, encoding and decoding with the checkpoint."""
    program = str(args.programs / "flextok")
    common = ["--model", str(args.checkpoint), "--threads", str(THREADS), "--quiet",
              "--precision", args.precision]
    photo = str(HERE.parent / "tests/photos/coffee.png")
    with tempfile.TemporaryDirectory() as folder:
        tokens, picture = f"{folder}/a.flxt", f"{folder}/a.png"
        _, encode = run([program, "encode", photo, "-o", tokens, "--tokens", "16", *common])
        _, decode = run([program, "decode", tokens, "-o", picture, "--steps", "2",
                         "--guidance", "7.5", "--apg", *common])
    return encode, decode


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("--programs", type=pathlib.Path, required=True,
                        help="directory with time_flextok and flextok")
    parser.add_argument("--precision", choices=["f32", "bf16", "int8"], default="f32",
                        help="of flextok; PyTorch computes in bf16 beside int8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reps", type=int, default=3)
    args = parser.parse_args()
    rounds, peaks = time_both(args)
    encode, decode = command_peaks(args)
    heading = f"median ms, {args.precision}, {THREADS} threads"
    if args.precision == "int8":
        heading = f"median ms, bf16 and int8, {THREADS} threads"
    print(f"{heading:32}{'PyTorch':>10}{'flextok':>10}{'ratio':>8}")
    for stage in STAGES:
        torch, ours = (statistics.median(medians[stage] for medians in rounds[name])
                       for name in ("PyTorch", "flextok"))
        print(f"{stage:32}{torch:10.1f}{ours:10.1f}{torch / ours:7.2f}x")
    print(f"\n{'peak memory, MiB':32}{'PyTorch':>10}{'flextok':>10}")
    print(f"{'the timing programs':32}{peaks['PyTorch']:10.0f}{peaks['flextok']:10.0f}")
    print(f"{'flextok encode':32}{'':10}{encode:10.0f}")
    print(f"{'flextok decode':32}{'':10}{decode:10.0f}")
    size = args.checkpoint.stat().st_size / 2**20
    print(f"\nThe checkpoint has {size:.0f} MiB. flextok maps it: pages that were read count as its memory, although "
          "the system can take them back.\nThe timing program of flextok holds its decoder twice, PyTorch's makes its "
          "random weights itself.")


if __name__ == "__main__":
    main()
