"""An independent reader of .flxt files, made from the specification alone. Standard library only.

It shares no code with the Rust crate, so that each checks the other:
    python3 flxt.py FILE                  report what a file holds as JSON
    python3 flxt.py --check DIRECTORY     read every NAME.flxt below it, compare with its NAME.json
    python3 flxt.py --outcomes            report files from standard input, each after its length
                                          as a u32, in a line of JSON each
"""

import binascii
import functools
import io
import json
import pathlib
import struct
import sys
import zlib

MAGIC, IDS, METADATA, LATER = b"\xf6\xdc", 16, 32, 64
TEXTS = {1: "encoder", 2: "title", 3: "capture_time", 4: "color_profile"}
LIMITS = {"canvases": 65_536, "payload_bytes": 33_554_432, "metadata_bytes": 1_048_576}


class Refused(Exception):
    """A file that must not be read on: the error's name (section 15) and its details."""

    def __init__(self, error, **details):
        super().__init__(error)
        self.report = {"error": error, **details}


@functools.cache
def table(polynomial):
    values = range(256)  # what each byte adds
    for _ in range(8):
        values = [value << 1 ^ (0x100 | polynomial) * (value >> 7) for value in values]
    return values


def crc8(polynomial, data):
    state, values = 0xFF, table(polynomial)
    for byte in data:
        state = values[state ^ byte]
    return bytes([state])


def crc32(data):
    return struct.pack("<I", zlib.crc32(data))


def limit(what, actual):
    if actual > LIMITS[what]:
        raise Refused("limit", what=what, actual=actual, allowed=LIMITS[what])


def take(fields, name, count):
    data = fields.read(count)
    if len(data) < count:
        raise Refused("invalid-header", field=name)
    return data


def varint(fields, name, least, most, less=1):
    value = 0
    for index in range(5):
        (byte,) = take(fields, name, 1)
        value |= (byte & 127) << 7 * index
        if byte < 128:
            break
    value += less
    if byte > 127 or (byte == 0 and index) or not least <= value <= most:
        raise Refused("invalid-header", field=name)
    return value


def read_coded(fields):
    (tables,) = take(fields, "tables", 1)
    tables = tables or take(fields, "tables", 4).hex()
    (canvas,) = take(fields, "canvas", 1)
    size = {name: varint(fields, name, 1, 1 << 20) for name in ("width", "height")}
    length, long = varint(fields, "length", 1, 2**32 - 1, less=0), max(size.values())
    if canvas == 0 and long > 8160:
        raise Refused("invalid-header", field="canvas")
    shrunk = [max(1, (2 * canvas * side + long) // (2 * long)) for side in size.values()]
    blocks = shrunk if canvas else [-(-side // 32) for side in size.values()]
    report = {"kind": "coded", **size, "tables": tables, "canvas": canvas, "blocks": blocks}
    return report, length, 1


def read_ids(fields):
    report = {"kind": "ids", "fingerprint": take(fields, "fingerprint", 4).hex()}
    report |= {name: varint(fields, name, 1, 1 << 20) for name in ("width", "height")}
    report["tokens_per_canvas"] = tokens = varint(fields, "tokens", 1, 65_536)
    report["codebook_size"] = varint(fields, "codebook", 2, 65_536)
    columns = varint(fields, "columns", 0, 256, less=0)
    rows = varint(fields, "rows", 1, 256 if columns else 1)
    grid = [varint(fields, f"grid-{name}", 1, 65_536) for name in ("columns", "rows")]
    report |= {"canvas": [columns, rows] if columns else None, "grid": grid}
    return report, 2 * grid[0] * grid[1] * tokens, 2 * grid[0] * grid[1]


def read_header(data):
    """Section 3. Returns the report so far, payload length, unit, kind and the header's length."""
    for offset, (found, expected) in enumerate(zip(data, MAGIC)):
        if found != expected:
            raise Refused("not-flextok", offset=offset)
    if len(data) < 3:
        raise Refused(f"need-more {9 - len(data)}")
    kind = data[2]
    if kind.bit_count() % 2 == 0:
        raise Refused("corrupt header", range=[0, 3], proven=0)
    if kind & LATER:
        raise Refused("unsupported-version")
    length = (kind & 15) + (19 if kind & IDS else 9)
    if len(data) < length:
        raise Refused(f"need-more {length - len(data)}")
    end = length - (4 if kind & IDS else 1)
    if data[end:length] != (crc32(data[:end]) if kind & IDS else crc8(0x1D, data[:end])):
        raise Refused("corrupt header", range=[0, length], proven=0)
    fields = io.BytesIO(data[3:end])
    report, total, unit = read_ids(fields) if kind & IDS else read_coded(fields)
    if fields.read():
        raise Refused("invalid-header", field="extent")
    limit("canvases", unit // 2)
    limit("payload_bytes", total)
    return report, total, unit, kind, data[:end], length


def places(total, unit):
    """Section 4: the bytes of payload before each check."""
    place = 0
    while place < total:
        threshold = next((t for t in (64, 256, 1024) if t > place), place // 4096 * 4096 + 4096)
        place = min(-(-threshold // unit) * unit, total)
        yield place


def check_at(place, total, kind, covered, size):
    """The check after `place` bytes of payload, before which the file has `size` bytes."""
    if place < total:
        return crc32(covered) if place >= 1024 else crc8(0x4D if place >= 256 else 0x2B, covered)
    if kind & METADATA or size + 2 > 1024:
        return crc32(covered)
    if size + 1 <= 64:
        return crc8(0x2D, covered)
    return struct.pack("<H", binascii.crc_hqx(covered, 0xFFFF))


def read_payload(data, at, header, report, unit, kind):
    """Returns the payload and the offset behind its last check, or None if it is cut."""
    payload, total = b"", report["total"]
    for place in places(total, unit):
        start, proven = at, report["proven"]
        run = data[at : at + place - proven]
        payload, at = payload + run, at + len(run)
        for i in range(0, len(run) - 1, 2) if kind & IDS else ():
            if run[i] | run[i + 1] << 8 >= report["codebook_size"]:
                layer, canvas = divmod((proven + i) // 2, unit // 2)
                place = [start + i, start + i + 2]
                raise Refused(f"corrupt token {layer + 1} {canvas}", range=place, proven=proven)
        check = check_at(place, total, kind, header + payload, at)
        at += len(check)
        if len(payload) < place or at > len(data):
            return payload, None
        if data[at - len(check) : at] != check:
            raise Refused(f"corrupt payload {proven} {place}", range=[start, at], proven=proven)
        report["proven"] = place
    return payload, at


def read_chunks(data, at, covered, chunks, proven):
    """Section 6. Appends the whole chunks; returns the list's end, or None if it is cut."""
    used = 0
    while at + 4 <= len(data):
        index, (tag, size) = len(chunks), struct.unpack_from("<BH", data, at)
        if crc8(0x1D, data[at : at + 3]) != data[at + 3 : at + 4]:
            raise Refused(f"corrupt chunk {index}", range=[at, at + 4], proven=proven)
        used, end = used + size + 8, at + size + 8
        limit("metadata_bytes", used)
        if end > len(data):
            break
        kind, content = tag & 63, data[at + 4 : end - 4]
        corrupt = Refused(f"corrupt chunk {index}", range=[at, end], proven=proven)
        covered += data[at : at + 3] + content
        if crc32(covered) != data[end - 4 : end]:
            raise corrupt
        if tag & 128:
            raise Refused(f"unsupported-chunk {index}", type=kind)
        if kind in TEXTS and any(chunk["type"] == kind for chunk in chunks):
            raise Refused(f"duplicate-chunk {index}", type=kind)
        try:
            text = {TEXTS[kind]: content.decode()} if kind in TEXTS else {"content": content.hex()}
        except UnicodeDecodeError:
            raise corrupt from None
        chunks.append({"type": kind} | text)
        at = end
        if tag & 64:
            return at
    return None


def read(data):
    """Section 9. Returns what the file holds, as section 15 reports it; raises Refused."""
    report, total, unit, kind, header, at = read_header(data)
    report |= {"state": "truncated", "have": 0, "total": total, "proven": 0}
    report["chunks"] = chunks = []
    payload, at = read_payload(data, at, header, report, unit, kind)
    if at is not None and kind & METADATA:
        at = read_chunks(data, at, header + payload, chunks, total)
    report["have"] = len(payload) & (~1 if kind & IDS else ~0)  # no half tokens
    report["payload"] = payload[: report["have"]].hex()
    if at is not None:
        if at < len(data):
            raise Refused(f"corrupt trailing {at}", range=[at, at + 1], proven=total)
        report["state"] = "complete"
    # Their order has no meaning in the file, and is by type in the report.
    chunks.sort(key=lambda chunk: chunk["type"] if chunk["type"] in TEXTS else 64)
    return report


def report_of(data):
    try:
        return read(data)
    except Refused as refused:
        return refused.report


def main(arguments):
    if arguments == ["--outcomes"]:
        while prefix := sys.stdin.buffer.read(4):
            print(json.dumps(report_of(sys.stdin.buffer.read(*struct.unpack("<I", prefix)))))
        return 0
    if len(arguments) == 2 and arguments[0] == "--check":
        files = sorted(pathlib.Path(arguments[1]).rglob("*.flxt"))
        expected = [json.loads(file.with_suffix(".json").read_text("utf-8")) for file in files]
        wrong = [(f, e) for f, e in zip(files, expected) if report_of(f.read_bytes()) != e]
        for file, report in wrong:
            print(f"{file}: expected {report!r}, found {report_of(file.read_bytes())!r}")
        print(f"{len(files) - len(wrong)} of {len(files)} vectors agree")
        return 1 if wrong or not files else 0
    if len(arguments) != 1:
        sys.exit(__doc__)
    report = report_of(pathlib.Path(arguments[0]).read_bytes())
    print(json.dumps(report, indent=2))
    return 3 if "error" in report else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
