"""Writes examples/worked.flxt and vectors/ with the independent writer; the same bytes every time.

The outcomes are written down here and in valid.py and invalid.py by hand, from the rules, before
any reader is asked.
    python3 make_vectors.py              into this specification
    python3 make_vectors.py DIRECTORY    elsewhere, to compare
"""

import json
import pathlib
import sys

from invalid import invalid_files
from valid import valid_files
from writer import GRID, LARGE, METADATA, chunk, file_bytes, header_bytes, patched, resealed

MODEL = bytes.fromhex("5f1e7c0a")
IDS = [17261, 52, 40960, 9817, 63999]
TEXTS = [(1, b"flextok 0.1.0"), (2, b"Harbour")]


def worked():
    header = header_bytes(MODEL, 4000, 3000, 5, 64000, flags=METADATA)
    return file_bytes(header, 1, 5, IDS, TEXTS)


def ids_text(ids):
    return ",".join(map(str, ids))


def whole(ids, layers, chunks=0):
    count = len(ids)
    return f"complete {count}/{count} proven {layers} chunks {chunks} ids {ids_text(ids)}"


def cut(ids, total, proven, chunks=0):
    text = f"truncated {len(ids)}/{total} proven {proven} chunks {chunks} ids {ids_text(ids)}"
    return text.rstrip()


def complete_files():
    yield "worked", whole(IDS, 5, 2), worked()
    one = header_bytes(MODEL, 1, 1, 1, 2)
    yield "smallest", whole([1], 1), file_bytes(one, 1, 1, [1])
    large = header_bytes(MODEL, 65_537, 1 << 20, 2, 65_536, canvas=(12, 256))
    yield "large-canvas", whole([0, 65_535], 2), file_bytes(large, 1, 2, [0, 65_535])
    grid = header_bytes(MODEL, 640, 480, 4, 1000, grid=(3, 2))
    ids = list(range(24))
    yield "grid", whole(ids, 4), file_bytes(grid, 6, 4, ids)
    full = header_bytes(MODEL, 640, 480, 256, 64_000)
    ids = [(i * 40_503) % 64_000 for i in range(256)]
    yield "full", whole(ids, 256), file_bytes(full, 1, 256, ids)
    minor = resealed(patched(one, 4, b"\x1f"))
    yield "minor-15", whole([0], 1), file_bytes(minor, 1, 1, [0])
    private = header_bytes(MODEL, 9, 9, 1, 2, flags=METADATA)
    chunks = [(48, b"\xff\x00"), (0, b""), (48, b"again")]
    yield "unknown-ancillary", whole([1], 1, 3), file_bytes(private, 1, 1, [1], chunks)


def cut_files():
    data = worked()
    for length, ids, proven, chunks in [
        (21, IDS[:0], 0, 0),
        (22, IDS[:0], 0, 0),
        (23, IDS[:1], 0, 0),
        (29, IDS[:4], 0, 0),
        (32, IDS[:4], 0, 0),
        (33, IDS[:4], 4, 0),
        (35, IDS, 4, 0),
        (38, IDS, 4, 0),
        (39, IDS, 5, 0),
        (58, IDS, 5, 0),
        (59, IDS, 5, 1),
        (72, IDS, 5, 1),
    ]:
        yield f"cut-{length}", cut(ids, 5, proven, chunks), data[:length]
    grid = file_bytes(header_bytes(MODEL, 640, 480, 4, 1000, grid=(3, 2)), 6, 4, [7] * 24)
    yield "cut-in-layer", cut([7] * 8, 24, 0), grid[: 25 + 17]
    for length, missing in [(0, 21), (3, 18), (6, 15), (20, 1)]:
        yield f"short-{length}", f"error need-more {missing}", data[:length]
    yield "short-grid", "error need-more 19", grid[:6]


def refused_headers():
    header = header_bytes(MODEL, 640, 480, 1, 1000)
    tail = b"\x07\x00" + b"\x00" * 12
    yield "png", "error not-flextok", bytes.fromhex("89504e470d0a1a0a")
    yield "text", "error not-flextok", b"h"
    yield "major-0", "error unsupported-version", patched(header, 4, b"\x0f")
    yield "major-2", "error unsupported-version", patched(header, 4, b"\x20")[:5]
    yield "flag-4", "error unsupported-flags", patched(header, 5, b"\x10")[:6]
    yield "header-bit", "error corrupt header", patched(header, 13, b"\x00") + tail
    high = header_bytes(MODEL, 640, 480, 1, 1000, flags=LARGE)
    yield "large-zero", "error invalid-header", high + tail
    single = header_bytes(MODEL, 640, 480, 1, 1000, grid=(1, 1))
    yield "grid-1x1", "error invalid-header", single + tail
    one = resealed(patched(header, 11, b"\x00\x00"))
    yield "codebook-1", "error invalid-header", one + tail
    many = header_bytes(MODEL, 640, 480, 1, 1000, grid=(65_536, 2), flags=GRID)
    yield "limit-canvases", "error limit", many


def refused_bodies():
    data = worked()
    yield "layer-bit", "error corrupt layers 1 4", patched(data, 21, b"\x00")
    yield "layer-5-bit", "error corrupt layers 5 5", patched(data, 33, b"\x00")
    yield "checkpoint-bit", "error corrupt layers 1 4", patched(data, 29, bytes([data[29] ^ 1]))
    yield "id-too-big", "error corrupt token 3 0", patched(data, 25, b"\x00\xfa")
    yield "chunk-bit", "error corrupt chunk 0", patched(data, 43, b"x")
    yield "trailing", f"error corrupt trailing {len(data)}", data + b"\n"
    bare = file_bytes(header_bytes(MODEL, 9, 9, 1, 2), 1, 1, [1])
    yield "trailing-bare", "error corrupt trailing 27", bare + chunk(64 | 2, b"lost")
    start = file_bytes(header_bytes(MODEL, 9, 9, 1, 2, flags=METADATA), 1, 1, [1])
    critical = start + chunk(1, b"x") + chunk(128 | 64 | 1, b"y")
    yield "critical", "error unsupported-chunk 1", critical
    yield "duplicate", "error duplicate-chunk 1", start + chunk(2, b"x") + chunk(64 | 2, b"x")
    yield "not-utf8", "error corrupt chunk 0", start + chunk(64 | 2, b"\xc3")
    yield "longer-chunk", cut([1], 1, 1), start + patched(chunk(64 | 2, b"x"), 2, b"\x10")


def report_text(report):
    """JSON with one field in each line."""
    fields = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in report.items())
    return "{\n" + ",\n".join(fields) + "\n}\n"


def main(arguments):
    here = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(arguments[0]) if arguments else here
    for directory in ("examples", "vectors/valid", "vectors/invalid"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "examples/worked.flxt").write_bytes(worked())
    lines = ["# Name, outcome (README.md, section 15), bytes in hexadecimal."]
    for part in (complete_files(), cut_files(), refused_headers(), refused_bodies()):
        lines += (f"{name}\t{outcome}\t{data.hex()}" for name, outcome, data in part)
    (root / "vectors/container.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for kind, files in (("valid", valid_files()), ("invalid", invalid_files())):
        for name, data, report in files:
            (root / "vectors" / kind / f"{name}.flxt").write_bytes(data)
            text = report_text(report)
            (root / "vectors" / kind / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
