"""Streams of made-up coefficients, by the reference implementation of the tokens in Python (it needs numpy).

usage: make_vectors.py REFERENCE.py TABLES.npz [SEED] >data/vectors.tsv

One line a case, its fields separated by tabs: kind, blocks high, blocks wide, seed, limit in bytes, length of the
stream, its CRC32, its first 32 bytes, and for some cuts of it bytes:digits:layer:slope:CRC32 of the coefficients.
The coefficients are integers' work, which vectors.rs repeats."""
import importlib.util
import sys
import zlib

import numpy as np

GRIDS = [(1, 1), (3, 8), (8, 8), (5, 200)]
KINDS = ["flat", "white", "checkerboard", "noise", "photo", "extreme"]
# Streams of the others are whole.
LIMITS = {"noise": 6000, "photo": 4096, "extreme": 6000}
U = np.uint64


def hashes(seed, count):
    """The first numbers of SplitMix64."""
    z = (np.arange(1, count + 1, dtype=U) * U(0x9E3779B97F4A7C15)) + U(seed)
    z = (z ^ (z >> U(30))) * U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U(27))) * U(0x94D049BB133111EB)
    return z ^ (z >> U(31))


def coefficients(kind, rows, columns, seed, ac_size):
    """[3, rows, columns, 32, 32], multiples of a quarter."""
    shape = (3, rows, columns, 32, 32)
    if kind in ("flat", "white", "checkerboard"):
        z = np.zeros(shape, np.float32)
        level = {"flat": -2345, "white": 28267, "checkerboard": 100}[kind]
        z[0, 0, 0, 0, 0] = level
        if kind == "checkerboard":
            z[0, :, :, 31, 31] = 12000
            z[0, :, :, 31, 1] = -700.25
            z[0, :, :, 1, 31] = 700.75
        return z
    h = hashes(seed, int(np.prod(shape))).reshape(shape)
    mantissa = (h & U(0xFFFF)).astype(np.int64)
    octaves = np.zeros(shape, np.int64)
    if kind == "noise":
        octaves += 9
    elif kind == "extreme":
        octaves += (h >> U(16) & U(31)).astype(np.int64) - 4
    else:
        # Heavy tails, and blocks of more and less detail.
        tail = h >> U(16)
        octaves += sum((tail & U(2**k - 1) == U(2**k - 1)).astype(np.int64) for k in (2, 4, 6))
        busy = hashes(seed + 1, rows * columns).reshape(rows, columns) & U(3)
        octaves += busy.astype(np.int64)[None, :, :, None, None] - 1
        octaves += (ac_size >> 3)[:, None, None]
        far = np.arange(rows)[:, None] + np.arange(columns)
        octaves[..., 0, 0] = 15 - np.minimum(far, 7)
    quarters = np.where(octaves > 0, mantissa << np.maximum(octaves, 0), mantissa >> np.maximum(-octaves, 0)) >> 15
    return (np.where(h >> U(63) == U(1), -quarters, quarters) / 4).astype(np.float32)


def main():
    spec = importlib.util.spec_from_file_location("reference", sys.argv[1])
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    tables = dict(np.load(sys.argv[2]))
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    for rows, columns in GRIDS:
        layout = reference.Layout(tables, rows, columns)
        for kind in KINDS:
            seed += 2
            z = coefficients(kind, rows, columns, seed, tables["ac_size"].astype(np.int64))
            # Of a large grid not to the end, which takes the reference long.
            limit = LIMITS.get(kind, 1 << 20) if rows * columns <= 64 else 1500 if kind in LIMITS else 100
            stream = reference.encode(tables, layout, z[None], limit)
            cuts = sorted({0, 1, 2, 3, 5, 17, len(stream) // 3, len(stream) - 1, len(stream)} & set(range(len(stream) + 1)))
            reports = []
            for cut in cuts:
                decoded, digits, layer, slope = reference.decode(tables, layout, stream[:cut])
                reports.append(f"{cut}:{digits}:{layer}:{slope}:{zlib.crc32(decoded.tobytes()):08x}")
            fields = [kind, rows, columns, seed, limit, len(stream), f"{zlib.crc32(stream):08x}", stream[:32].hex()]
            print(*fields, " ".join(reports), sep="\t", flush=True)


main()
