"""Cycles of the inner loops of bf16 and int8 products in LLVM's models of processors, for machines that lack the
instructions.

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

# What each instruction multiplies and adds.
INSTRUCTIONS = {"vdpbf16ps": 32, "vpdpbusd": 64}
# Of a full kernel: 6 rows by 4 vectors.
FULL = 24
PROCESSORS = ["cooperlake", "sapphirerapids", "znver4"]
ITERATIONS = 1000


def functions(program):
    """The listing of each function of the program."""
    return subprocess.run(["objdump", "-d", "--no-show-raw-insn", program],
                          check=True, text=True, stdout=subprocess.PIPE).stdout.split("\n\n")


def loops(listings, instruction):
    """The instructions of each loop that has this one."""
    for listing in listings:
        if instruction not in listing:
            continue
        lines = re.findall(r"^ *([0-9a-f]+):\t(.*)$", listing, re.M)
        places = {address: index for index, (address, _) in enumerate(lines)}
        for end, (_, text) in enumerate(lines):
            jump = re.match(r"j[a-z]+ +([0-9a-f]+) ", text)
            start = places.get(jump[1]) if jump else None
            if start is not None and start < end:
                # The jump itself costs nothing that the models know, and its target is no label here.
                yield [text.split(" <")[0] for _, text in lines[start:end]]


def model(loop, processor):
    """Cycles of one round of the loop, and the least that it can take."""
    with tempfile.NamedTemporaryFile("w", suffix=".s") as source:
        source.write("\n".join(loop) + "\n")
        source.flush()
        report = subprocess.run(
            [os.environ.get("LLVM_MCA", "llvm-mca"), f"-mcpu={processor}",
             f"-iterations={ITERATIONS}", source.name],
            check=True, text=True, stdout=subprocess.PIPE).stdout
    cycles = int(re.search(r"Total Cycles: +(\d+)", report)[1]) / ITERATIONS
    return cycles, float(re.search(r"Block RThroughput: +([\d.]+)", report)[1])


def main():
    target = os.environ.get("CARGO_TARGET_DIR", pathlib.Path(__file__).parent.parent / "target")
    program = sys.argv[1] if len(sys.argv) > 1 else f"{target}/release/time_flextok"
    listings = functions(program)
    print(f"{'instruction':14}{'processor':16}{'cycles':>8}{'least':>8}{'share':>8}{'products a cycle':>18}")
    for instruction, products in INSTRUCTIONS.items():
        full = [loop for loop in loops(listings, instruction)
                if sum(bool(re.search(rf"{instruction} .*zmm", line)) for line in loop) == FULL]
        if not full:
            sys.exit(f"{program}: no loop with {FULL} {instruction}")
        for processor in PROCESSORS:
            cycles, least = model(full[0], processor)
            print(f"{instruction:14}{processor:16}{cycles:8.2f}{least:8.2f}{100 * least / cycles:7.1f}%"
                  f"{FULL * products / cycles:18.1f}")


if __name__ == "__main__":
    main()
