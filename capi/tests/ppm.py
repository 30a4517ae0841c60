"""A PNG file of 8-bit RGB as PPM (P6), which programs in C read without a library: ppm.py IN.png OUT.ppm"""

import struct
import sys
import zlib


def chunks(data: bytes):
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def unfilter(kind: int, line: bytearray, above: bytes) -> None:
    for i in range(len(line)):
        left, corner = (line[i - 3], above[i - 3]) if i >= 3 else (0, 0)
        guess = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[kind]
        line[i] = (line[i] + guess) & 255


def main(source: str, target: str) -> None:
    data = open(source, "rb").read()
    parts = list(chunks(data))
    width, height, *kind = struct.unpack(">IIBBBBB", parts[0][1])
    assert kind == [8, 2, 0, 0, 0], f"{source} is not 8-bit RGB"
    packed = zlib.decompress(b"".join(content for name, content in parts if name == b"IDAT"))
    row, rows = 3 * width, [bytes(3 * width)]
    for at in range(0, len(packed), row + 1):
        line = bytearray(packed[at + 1 : at + 1 + row])
        unfilter(packed[at], line, rows[-1])
        rows.append(bytes(line))
    with open(target, "wb") as out:
        out.write(b"P6\n%d %d\n255\n" % (width, height) + b"".join(rows[1:]))


main(*sys.argv[1:])
