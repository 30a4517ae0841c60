"""An independent reader of .flxt files, made from the specification alone. Standard library only.

It shares no code with the Rust crate, so that each checks the other:
    python3 flxt.py FILE                  report what a file holds as JSON
    python3 flxt.py --check VECTORS.tsv   read every line's bytes, compare with its outcome
    python3 flxt.py --check DIRECTORY     read every NAME.flxt below it, compare with its NAME.json
    python3 flxt.py --outcomes            report files from standard input, each after its length
                                          as a u32, in a line of JSON each
"""

import json
import pathlib
import struct
import sys
import zlib

MAGIC = bytes([0x89, 0x46, 0x4C, 0x58])
LARGE, CANVAS, GRID, METADATA = 1, 2, 4, 8
CHECKPOINTS = (4, 16, 64, 256)
TEXTS = {1: "encoder", 2: "title", 3: "capture_time", 4: "color_profile"}
LIMITS = {"canvases": 65_536, "tokens": 16_777_216, "metadata_bytes": 1_048_576}


class Refused(Exception):
    """A file that must not be read on: the error's name (section 15) and its details."""

    def __init__(self, error, **details):
        super().__init__(error)
        self.report = {"error": error, **details}


def crc(data):
    return struct.pack("<I", zlib.crc32(data))


def limit(what, actual):
    if actual > LIMITS[what]:
        raise Refused("limit", what=what, actual=actual, allowed=LIMITS[what])


def read_header(data):
    """Section 3. Returns the fields, whether chunks follow, and the header's length."""
    for offset, (found, expected) in enumerate(zip(data, MAGIC)):
        if found != expected:
            raise Refused("not-flextok", offset=offset)
    version = f"{data[4] >> 4}.{data[4] & 15}" if len(data) > 4 else "1"
    if version.split(".")[0] != "1":
        raise Refused("unsupported-version", version=version)
    flags = data[5] if len(data) > 5 else 0
    if flags & 0xF0:
        raise Refused("unsupported-flags", flags=flags & 0xF0)
    length = 21 + bool(flags & LARGE) + 2 * bool(flags & CANVAS) + 4 * bool(flags & GRID)
    if len(data) < length:
        raise Refused(f"need-more {length - len(data)}")
    if crc(data[: length - 4]) != data[length - 4 : length]:
        raise Refused("corrupt header", range=[0, length])
    tokens, codebook, width, height = struct.unpack_from("<BHHH", data, 10)
    at, canvas, grid = 17, None, [1, 1]
    if flags & LARGE:
        if data[at] == 0:
            raise Refused("invalid-header", field="large")
        width += (data[at] & 15) << 16
        height += (data[at] >> 4) << 16
        at += 1
    if flags & CANVAS:
        canvas = [data[at] + 1, data[at + 1] + 1]
        at += 2
    if flags & GRID:
        grid = [side + 1 for side in struct.unpack_from("<HH", data, at)]
        if grid == [1, 1]:
            raise Refused("invalid-header", field="grid")
    if codebook == 0:
        raise Refused("invalid-header", field="codebook")
    limit("canvases", grid[0] * grid[1])
    limit("tokens", grid[0] * grid[1] * (tokens + 1))
    fields = {"version": version, "fingerprint": data[6:10].hex()}
    fields |= {"width": width + 1, "height": height + 1, "canvas": canvas, "grid": grid}
    fields |= {"tokens_per_canvas": tokens + 1, "codebook_size": codebook + 1}
    return fields, bool(flags & METADATA), length


def read_chunks(data, at, chunks):
    """Section 6. Appends the whole chunks; returns the list's end, or None if it is cut."""
    start = at
    while at + 3 <= len(data):
        tag, length = struct.unpack_from("<BH", data, at)
        end = at + 3 + length + 4
        limit("metadata_bytes", end - start)
        if end > len(data):
            break
        index, kind, payload = len(chunks), tag & 63, data[at + 3 : end - 4]
        corrupt = Refused(f"corrupt chunk {index}", range=[at, end])
        if crc(data[at : end - 4]) != data[end - 4 : end]:
            raise corrupt
        if tag & 128:
            raise Refused(f"unsupported-chunk {index}", type=kind)
        if kind not in TEXTS:
            chunks.append({"type": kind, "payload": payload.hex()})
        elif any(chunk["type"] == kind for chunk in chunks):
            raise Refused(f"duplicate-chunk {index}", type=kind)
        else:
            try:
                chunks.append({"type": kind, TEXTS[kind]: payload.decode("utf-8")})
            except UnicodeDecodeError:
                raise corrupt from None
        at = end
        if tag & 64:
            return at
    return None


def read(data):
    """Section 9. Returns what the file holds as section 15 reports it; raises Refused."""
    fields, has_metadata, at = read_header(data)
    canvases, layers = fields["grid"][0] * fields["grid"][1], fields["tokens_per_canvas"]
    ids, chunks = [], []
    report = fields | {"state": "truncated", "have": 0, "total": layers * canvases, "proven": 0}
    report, start = report | {"ids": ids, "chunks": chunks}, at  # start: of the unproven layers
    for layer in range(1, layers + 1):
        for canvas in range(canvases):
            if at + 2 > len(data):
                return report
            (token,) = struct.unpack_from("<H", data, at)
            if token >= fields["codebook_size"]:
                raise Refused(f"corrupt token {layer} {canvas}", range=[at, at + 2])
            ids.append(token)
            at += 2
            report["have"] = len(ids)
        if layer in CHECKPOINTS or layer == layers:
            if at + 4 > len(data):
                return report
            if crc(data[:at]) != data[at : at + 4]:
                first = report["proven"] + 1
                raise Refused(f"corrupt layers {first} {layer}", range=[start, at + 4])
            start = at = at + 4
            report["proven"] = layer
    if has_metadata:
        at = read_chunks(data, at, chunks)
        if at is None:
            return report
    if at < len(data):
        raise Refused(f"corrupt trailing {at}", range=[at, at + 1])
    return report | {"state": "complete"}


def report_of(data):
    try:
        report = read(data)
    except Refused as refused:
        return refused.report
    # Their order has no meaning in the file, and is by type in the report.
    report["chunks"].sort(key=lambda chunk: chunk["type"] if chunk["type"] in TEXTS else 64)
    return report


def outcome(data):
    """The report in one line, as vectors/container.tsv has it."""
    report = report_of(data)
    if "error" in report:
        return f"error {report['error']}"
    ids, chunks = ",".join(map(str, report["ids"])), len(report["chunks"])
    text = "{state} {have}/{total} proven {proven}".format(**report)
    return f"{text} chunks {chunks} ids {ids}".rstrip()


def expectations(path):
    """Each vector's name, what is expected and what was found."""
    if not path.is_dir():
        for line in path.read_text("utf-8").splitlines():
            if not line.startswith("#"):
                name, expected, data = line.split("\t")
                yield name, expected, outcome(bytes.fromhex(data))
    for file in sorted(path.rglob("*.flxt")):
        expected = file.with_suffix(".json").read_text("utf-8")
        yield file.stem, json.loads(expected), report_of(file.read_bytes())


def main(arguments):
    if arguments == ["--outcomes"]:
        while prefix := sys.stdin.buffer.read(4):
            print(json.dumps(report_of(sys.stdin.buffer.read(*struct.unpack("<I", prefix)))))
        return 0
    if len(arguments) == 2 and arguments[0] == "--check":
        results = list(expectations(pathlib.Path(arguments[1])))
        wrong = [result for result in results if result[1] != result[2]]
        for name, expected, found in wrong:
            print(f"{name}: expected {expected!r}, found {found!r}")
        print(f"{len(results) - len(wrong)} of {len(results)} vectors agree")
        return 1 if wrong or not results else 0
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    report = report_of(pathlib.Path(arguments[0]).read_bytes())
    print(json.dumps(report, indent=2))
    return 3 if "error" in report else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
