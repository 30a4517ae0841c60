"""A writer of .flxt files for make_vectors.py, made from the specification alone.

Standard library only. It refuses nothing: the vectors need files that no writer may make.
"""

import struct
import zlib

MAGIC = bytes([0x89, 0x46, 0x4C, 0x58])
LARGE, CANVAS, GRID, METADATA = 1, 2, 4, 8
CRITICAL, LAST = 128, 64
CHECKPOINTS = (4, 16, 64, 256)


def crc(data):
    return struct.pack("<I", zlib.crc32(data))


def chunk(tag, payload):
    """Section 6: a chunk of a type with its two flags."""
    body = struct.pack("<BH", tag, len(payload)) + payload
    return body + crc(body)


def header_bytes(fingerprint, width, height, tokens, codebook, canvas=None, grid=None, flags=0):
    """Section 3; `flags` are set beside those that the fields need."""
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
    """Sections 2, 4 and 6: a header's bytes, ids in layer order and (type, payload) chunks."""
    data = header
    for layer in range(1, layers + 1):
        row = ids[(layer - 1) * canvases : layer * canvases]
        data += struct.pack(f"<{canvases}H", *row)
        if layer in CHECKPOINTS or layer == layers:
            data += crc(data)
    for i, (kind, payload) in enumerate(chunks):
        data += chunk(kind | LAST * (i + 1 == len(chunks)), payload)
    return data


def resealed(header):
    """A header with a new checksum."""
    return header[:-4] + crc(header[:-4])


def patched(data, at, new):
    """Other bytes at an offset."""
    return data[:at] + new + data[at + len(new) :]
