"""Cycles of the bf16 kernel's inner loop in LLVM's models of processors, for machines that lack the instruction.

Usage: python3 benches/mca.py [PROGRAM] (default: time_flextok in the target directory)

Needs objdump and llvm-mca of LLVM 16 or later (environment variable LLVM_MCA). The least that a loop can take is what
its instructions need of the execution unit that has most to do.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

INSTRUCTION = "vdpbf16ps"
# Of a full kernel: 6 rows by 4 vectors.
FULL = 24
PROCESSORS = ["cooperlake", "sapphirerapids", "znver4"]
ITERATIONS = 1000


def loops(program):
    """The instructions of each loop of the program that multiplies pairs of bf16."""
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", program],
                             check=True, text=True, stdout=subprocess.PIPE).stdout
    for function in listing.split("\n\n"):
        if INSTRUCTION not in function:
            continue
        lines = re.findall(r"^ *([0-9a-f]+):\t(.*)$", function, re.M)
        places = {address: index for index, (address, _) in enumerate(lines)}
        for end, (_, text) in enumerate(lines):
            jump = re.match(r"j[a-z]+ +([0-9a-f]+) ", text)
            start = places.get(jump[1]) if jump else None
            if start is not None and start < end:
                # The jump itself costs nothing that the models know, and its target is no label here.
                yield [text.split(" <")[0] for _, text in lines[start:end]]


def main():
    target = os.environ.get("CARGO_TARGET_DIR", pathlib.Path(__file__).parent.parent / "target")
    program = sys.argv[1] if len(sys.argv) > 1 else f"{target}/release/time_flextok"
    full = [loop for loop in loops(program)
            if sum(INSTRUCTION in line for line in loop) == FULL]
    if not full:
        sys.exit(f"{program}: no loop with {FULL} {INSTRUCTION}")
    with tempfile.NamedTemporaryFile("w", suffix=".s") as source:
        source.write("\n".join(full[0]) + "\n")
        source.flush()
        print(f"{'processor':16}{'cycles':>8}{'least':>8}{'share':>8}")
        for processor in PROCESSORS:
            report = subprocess.run(
                [os.environ.get("LLVM_MCA", "llvm-mca"), f"-mcpu={processor}",
                 f"-iterations={ITERATIONS}", source.name],
                check=True, text=True, stdout=subprocess.PIPE).stdout
            cycles = int(re.search(r"Total Cycles: +(\d+)", report)[1]) / ITERATIONS
            least = float(re.search(r"Block RThroughput: +([\d.]+)", report)[1])
            print(f"{processor:16}{cycles:8.2f}{least:8.2f}{100 * least / cycles:7.1f}%")


if __name__ == "__main__":
    main()
