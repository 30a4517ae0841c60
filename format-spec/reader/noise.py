"""The noise of section 8: Philox4x32-10 and the normal transform bm32. Standard library only.

    python3 noise.py        print the vectors of ../vectors/noise.tsv
"""

import math
import struct

MASK = 0xFFFFFFFF


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(second >> 32) ^ c[1] ^ k[0], second & MASK, (first >> 32) ^ c[3] ^ k[1], first & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def block(seed, canvas, index):
    """The four numbers of one block."""
    key = (seed & MASK, seed >> 32)
    return philox((index & MASK, index >> 32, canvas, 0), key)


def normals(seed, canvas, index):
    """Normals 4·index to 4·index + 3 as f32 values."""
    u = block(seed, canvas, index)
    out = []
    for a, b in ((u[0], u[1]), (u[2], u[3])):
        radius = math.sqrt(-2.0 * math.log((a + 1) * 2.0**-32))
        angle = 2.0 * math.pi * (b * 2.0**-32)
        out += [radius * math.cos(angle), radius * math.sin(angle)]
    return [struct.unpack("<f", struct.pack("<f", x))[0] for x in out]


def f32_bits(value):
    return struct.pack(">f", value).hex()


def main():
    print("# Seed, canvas, block; the four u32 of Philox; the four normals as f32 bits.")
    cases = [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
        (1, 0, 0),
        (0x1_0000_0000, 0, 0),
        (0xFEDC_BA98_7654_3210, 65_535, 4095),
        (0, 0, 0x1_0000_0000),
    ]
    for seed, canvas, index in cases:
        numbers = " ".join(f"{u:08x}" for u in block(seed, canvas, index))
        bits = " ".join(map(f32_bits, normals(seed, canvas, index)))
        print(f"{seed}\t{canvas}\t{index}\t{numbers}\t{bits}")


if __name__ == "__main__":
    main()
