"""An independent reader and writer of .flxt files, made from the specification alone.

Standard library only. It shares no code with the Rust crate, so that each checks the other:
    python3 flxt.py FILE                  describe a file as JSON
    python3 flxt.py --check VECTORS.tsv   read every vector, compare with its outcome
"""

import json
import struct
import sys
import zlib

MAGIC = bytes([0x89, 0x46, 0x4C, 0x58])
LARGE, CANVAS, GRID, METADATA = 1, 2, 4, 8
CHECKPOINTS = (4, 16, 64, 256)
KNOWN_CHUNKS = {1: "encoder", 2: "title", 3: "capture_time", 4: "color_profile"}
LIMIT_CANVASES = 65_536


class Refused(Exception):
    """A file that must not be read on; the text is the outcome as the vectors name it."""


def crc(data):
    return struct.pack("<I", zlib.crc32(data))


def read_header(data):
    """Section 3. Returns the fields and the header's length."""
    for found, expected in zip(data, MAGIC):
        if found != expected:
            raise Refused("not-flextok")
    if len(data) > 4 and data[4] >> 4 != 1:
        raise Refused("unsupported-version")
    flags = data[5] if len(data) > 5 else 0
    if flags & 0xF0:
        raise Refused("unsupported-flags")
    length = 21 + bool(flags & LARGE) + 2 * bool(flags & CANVAS) + 4 * bool(flags & GRID)
    if len(data) < length:
        raise Refused(f"need-more {length - len(data)}")
    if crc(data[: length - 4]) != data[length - 4 : length]:
        raise Refused("corrupt header")
    tokens, codebook, width, height = struct.unpack_from("<BHHH", data, 10)
    at = 17
    canvas, grid = None, (1, 1)
    if flags & LARGE:
        high = data[at]
        at += 1
        if high == 0:
            raise Refused("invalid-header")
        width += (high & 15) << 16
        height += (high >> 4) << 16
    if flags & CANVAS:
        canvas = (data[at] + 1, data[at + 1] + 1)
        at += 2
    if flags & GRID:
        columns, rows = struct.unpack_from("<HH", data, at)
        grid = (columns + 1, rows + 1)
        if grid == (1, 1):
            raise Refused("invalid-header")
    if codebook == 0:
        raise Refused("invalid-header")
    if grid[0] * grid[1] > LIMIT_CANVASES:
        raise Refused("limit")
    header = {
        "version": f"{data[4] >> 4}.{data[4] & 15}",
        "fingerprint": data[6:10].hex(),
        "width": width + 1,
        "height": height + 1,
        "tokens": tokens + 1,
        "codebook_size": codebook + 1,
        "canvas": canvas,
        "grid": grid,
        "has_metadata": bool(flags & METADATA),
    }
    return header, length


def read_chunks(data, at):
    """Section 6. Returns the chunks and the end of the list, or None for it if the list is cut."""
    chunks = []
    known = set()
    while True:
        if at + 3 > len(data):
            return chunks, None
        tag, length = struct.unpack_from("<BH", data, at)
        end = at + 3 + length + 4
        if end > len(data):
            return chunks, None
        index = len(chunks)
        if crc(data[at : end - 4]) != data[end - 4 : end]:
            raise Refused(f"corrupt chunk {index}")
        kind, payload = tag & 63, data[at + 3 : end - 4]
        if tag & 128:
            raise Refused(f"unsupported-chunk {index}")
        if kind in KNOWN_CHUNKS:
            if kind in known:
                raise Refused(f"duplicate-chunk {index}")
            known.add(kind)
            try:
                chunks.append((KNOWN_CHUNKS[kind], payload.decode("utf-8")))
            except UnicodeDecodeError:
                raise Refused(f"corrupt chunk {index}") from None
        else:
            chunks.append((kind, payload.hex()))
        at = end
        if tag & 64:
            return chunks, at


def read(data):
    """Section 9. Returns what the file holds; raises Refused."""
    header, at = read_header(data)
    canvases = header["grid"][0] * header["grid"][1]
    layers, total = header["tokens"], header["tokens"] * canvases
    ids, proven, chunks = [], 0, []
    result = {"header": header, "ids": ids, "total": total, "metadata": chunks}

    def truncated():
        return result | {"state": "truncated", "proven": proven}

    for layer in range(1, layers + 1):
        for canvas in range(canvases):
            if at + 2 > len(data):
                return truncated()
            (token,) = struct.unpack_from("<H", data, at)
            if token >= header["codebook_size"]:
                raise Refused(f"corrupt token {layer} {canvas}")
            ids.append(token)
            at += 2
        if layer in CHECKPOINTS or layer == layers:
            if at + 4 > len(data):
                return truncated()
            if crc(data[:at]) != data[at : at + 4]:
                raise Refused(f"corrupt layers {proven + 1} {layer}")
            at += 4
            proven = layer
    if header["has_metadata"]:
        found, end = read_chunks(data, at)
        chunks.extend(found)
        if end is None:
            return truncated()
        at = end
    if at < len(data):
        raise Refused(f"corrupt trailing {at}")
    return result | {"state": "complete", "proven": proven}


def outcome(data):
    """The result in one line, as the vectors have it."""
    try:
        file = read(data)
    except Refused as refused:
        return f"error {refused}"
    ids = ",".join(map(str, file["ids"]))
    counts = f"{file['state']} {len(file['ids'])}/{file['total']} proven {file['proven']}"
    return f"{counts} chunks {len(file['metadata'])} ids {ids}".rstrip()


def chunk(tag, payload):
    body = struct.pack("<BH", tag, len(payload)) + payload
    return body + crc(body)


def header_bytes(fingerprint, width, height, tokens, codebook, canvas=None, grid=None, flags=0):
    """Section 3, from the writer's side; `flags` are set beside those that the fields need."""
    x, y = width - 1, height - 1
    high = (x >> 16) | (y >> 16) << 4
    flags |= LARGE * bool(high) | CANVAS * bool(canvas) | GRID * bool(grid)
    data = MAGIC + bytes([0x10, flags]) + fingerprint
    data += struct.pack("<BHHH", tokens - 1, codebook - 1, x & 0xFFFF, y & 0xFFFF)
    if flags & LARGE:
        data += bytes([high])
    if canvas:
        data += bytes([canvas[0] - 1, canvas[1] - 1])
    if grid:
        data += struct.pack("<HH", grid[0] - 1, grid[1] - 1)
    return data + crc(data)


def file_bytes(header, canvases, layers, ids, chunks=()):
    """A file of a header's bytes, ids in layer order and (type, payload) chunks."""
    data = header
    for layer in range(1, layers + 1):
        row = ids[(layer - 1) * canvases : layer * canvases]
        data += struct.pack(f"<{canvases}H", *row)
        if layer in CHECKPOINTS or layer == layers:
            data += crc(data)
    for i, (kind, payload) in enumerate(chunks):
        data += chunk(kind | 64 * (i + 1 == len(chunks)), payload)
    return data


def check(path):
    failures = count = 0
    with open(path, encoding="utf-8") as vectors:
        for line in vectors:
            if line.startswith("#") or not line.strip():
                continue
            name, expected, data = line.rstrip("\n").split("\t")
            found = outcome(bytes.fromhex(data))
            count += 1
            if found != expected:
                failures += 1
                print(f"{name}: expected {expected!r}, found {found!r}")
    print(f"{count - failures} of {count} vectors agree")
    return failures


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "--check":
        return 1 if check(arguments[1]) else 0
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    with open(arguments[0], "rb") as source:
        data = source.read()
    try:
        print(json.dumps(read(data), indent=2))
    except Refused as refused:
        print(f"{arguments[0]}: {refused}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
