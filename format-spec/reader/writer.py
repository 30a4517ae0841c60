"""A writer of .flxt files for make_vectors.py, made from the specification alone.

Standard library only. It refuses nothing: the vectors need files that no writer may make.
"""

import struct
import zlib

MAGIC = bytes([0xF6, 0xDC])
IDS, METADATA, LATER = 16, 32, 64
CRITICAL, LAST = 128, 64


def crc(data, width, polynomial):
    """Bit by bit, most significant bit first, from all ones."""
    state = (1 << width) - 1
    for bit in (byte >> i & 1 for byte in data for i in range(7, -1, -1)):
        out = state >> (width - 1) ^ bit
        state = (state << 1 ^ polynomial * out) & (1 << width) - 1
    return struct.pack("<H", state)[: width // 8]


def crc8h(data):
    return crc(data, 8, 0x1D)


def crc32(data):
    return struct.pack("<I", zlib.crc32(data))


def varint(value):
    low = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([byte | 128 for byte in low[:-1]] + low[-1:])


def header(fields, flags=0, extent=None):
    """Section 3: a header of the bytes of its fields, with kind and check."""
    base, size = (19, 4) if flags & IDS else (9, 1)
    kind = flags | (len(fields) + 3 + size - base if extent is None else extent)
    kind |= 0 if bin(kind).count("1") % 2 else 128
    return sealed(MAGIC + bytes([kind]) + fields + bytes(size))


def sealed(head):
    """A header with a new check."""
    size = 4 if head[2] & IDS else 1
    body = head[:-size]
    return body + (crc32(body) if size == 4 else crc8h(body))


def body(head):
    """What checks cover of a header."""
    return head[: -4 if head[2] & IDS else -1]


def coded_fields(size, length, tables=1, canvas=0):
    """Section 3; `tables` is a number, or four bytes."""
    named = bytes([tables]) if isinstance(tables, int) else b"\0" + tables
    sides = varint(size[0] - 1) + varint(size[1] - 1)
    return named + bytes([canvas]) + sides + varint(length)


def ids_fields(model, size, tokens, codebook, canvas=None, grid=(1, 1)):
    columns, rows = canvas or (0, 1)
    numbers = [size[0] - 1, size[1] - 1, tokens - 1, codebook - 1, columns, rows - 1]
    numbers += [grid[0] - 1, grid[1] - 1]
    return model + b"".join(map(varint, numbers))


def inner_checks(total, unit):
    """Section 4, as written: {bytes of payload: (width, polynomial)}."""
    thresholds = [64, 256, 1024, *range(4096, total + 1, 4096)]
    places = {-(-threshold // unit) * unit for threshold in thresholds}
    kinds = {p: (8, 0x2B) if p < 256 else (8, 0x4D) if p < 1024 else None for p in places}
    return {place: kind for place, kind in sorted(kinds.items()) if place < total}


def check(covered, kind):
    return crc(covered, *kind) if kind else crc32(covered)


def file_bytes(head, payload, unit=1, chunks=()):
    """Sections 2 to 6: a header's bytes, a payload, and (type, content) chunks."""
    data, covered, done = head, body(head), 0
    for place, kind in inner_checks(len(payload), unit).items():
        covered += payload[done:place]
        data += payload[done:place] + check(covered, kind)
        done = place
    covered, data = covered + payload[done:], data + payload[done:]
    kind = None
    if not head[2] & METADATA and len(data) + 2 <= 1024:
        kind = (8, 0x2D) if len(data) + 1 <= 64 else (16, 0x1021)
    data += check(covered, kind)
    for i, (tag, content) in enumerate(chunks):
        tag |= LAST * (i + 1 == len(chunks))
        frame, covered = chunk(covered, tag, content)
        data += frame
    return data


def chunk(covered, tag, content):
    """Section 6: a chunk behind bytes that are covered, and what is covered then."""
    start = struct.pack("<BH", tag, len(content))
    covered += start + content
    return start + crc8h(start) + content + crc32(covered), covered


def patched(data, at, new):
    """Other bytes at an offset."""
    return data[:at] + new + data[at + len(new) :]


def flipped(data, at, mask=1):
    return patched(data, at, bytes([data[at] ^ mask]))
