"""The model fingerprint of section 7. Standard library only.

    python3 fingerprint.py WEIGHTS.safetensors
    python3 fingerprint.py --vectors          the two vectors of section 7
"""

import json
import struct
import sys
import zlib

WHOLE = 1_048_576
CHUNK = 4096


def fingerprint(tensors):
    """The fingerprint of {name: (dtype, shape, bytes)}, as eight digits."""
    crc = 0
    for name in sorted(tensors, key=lambda name: name.encode("utf-8")):
        dtype, shape, data = tensors[name]
        head = name.encode("utf-8") + b"\0" + dtype.encode("ascii") + b"\0"
        head += bytes([len(shape)]) + b"".join(struct.pack("<Q", size) for size in shape)
        crc = zlib.crc32(head, crc)
        if len(data) <= WHOLE:
            crc = zlib.crc32(data, crc)
            continue
        for i in range(16):
            start = i * (len(data) - CHUNK) // 15
            crc = zlib.crc32(data[start : start + CHUNK], crc)
    return struct.pack("<I", crc).hex()


def of_file(path):
    with open(path, "rb") as source:
        data = memoryview(source.read())
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(bytes(data[8 : 8 + length]))
    body = data[8 + length :]
    tensors = {
        name: (entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])])
        for name, entry in header.items()
        if name != "__metadata__"
    }
    return fingerprint(tensors)


def vectors():
    small = {
        "b": ("F32", [2, 3], struct.pack("<6f", 0, 1, 2, 3, 4, 5)),
        "a.weight": ("BF16", [], b"\x80\x3f"),
        "a": ("I64", [0], b""),
    }
    # 1 100 000 bytes: byte i is floor(i · 31 / 4096) modulo 256.
    large = {"w": ("F16", [550_000], bytes(i * 31 // 4096 % 256 for i in range(1_100_000)))}
    return fingerprint(small), fingerprint(large)


if __name__ == "__main__":
    if sys.argv[1:] == ["--vectors"]:
        print(*vectors())
    else:
        for argument in sys.argv[1:]:
            print(of_file(argument), argument)
