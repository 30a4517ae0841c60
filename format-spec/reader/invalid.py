"""The invalid vectors: each a name that tells the fault, the file's bytes, and the error."""

from valid import ALL_TEXTS, MODEL, Picture
from writer import CRITICAL, LARGE, LAST, METADATA
from writer import chunk, crc, file_bytes, header_bytes, patched, resealed


def error(name, **details):
    return {"error": name, **details}


def short_headers():
    full = Picture(2, size=(70_000, 200_000), canvas=(16, 9), grid=(2, 2)).file()
    # 21 bytes are needed as long as byte 5 is missing, then 21 and 1, 2, 4 for the three flags.
    for length, missing in [(0, 21), (1, 20), (4, 17), (5, 16), (6, 22), (27, 1)]:
        yield f"need-more-after-{length}", full[:length], error(f"need-more {missing}")
    yield "need-more-plain", Picture(1).file()[:20], error("need-more 1")


def headers():
    """Faults that are found before the checksum, or despite a right one."""
    plain = header_bytes(MODEL, 640, 480, 1, 1000)
    body = b"\x07\x00"

    def whole(header):
        return header + body + crc(header + body)

    yield "not-flextok-png", bytes.fromhex("89504e470d0a1a0a"), error("not-flextok", offset=1)
    yield "not-flextok-first-byte", b"h", error("not-flextok", offset=0)
    for at in range(4):
        data = whole(resealed(patched(plain, at, b"\x00")))
        yield f"not-flextok-byte-{at}", data, error("not-flextok", offset=at)
    for major in (0, 2, 15):
        data = whole(resealed(patched(plain, 4, bytes([major << 4 | 3]))))
        report = error("unsupported-version", version=f"{major}.3")
        yield f"unsupported-version-{major}", data, report
    only = plain[:4] + b"\x20"
    yield "unsupported-version-cut", only, error("unsupported-version", version="2.0")
    for bit in range(4, 8):
        data = whole(resealed(patched(plain, 5, bytes([1 << bit]))))
        yield f"unsupported-flags-bit-{bit}", data, error("unsupported-flags", flags=1 << bit)
    both = patched(patched(plain, 4, b"\x20"), 5, b"\xf0")
    yield "unsupported-version-before-flags", both, error("unsupported-version", version="2.0")
    flags = patched(plain, 5, b"\xf0")[:6]
    yield "unsupported-flags-cut", flags, error("unsupported-flags", flags=0xF0)

    corrupt = error("corrupt header", range=[0, 21])
    places = {"fingerprint": 6, "tokens": 10, "codebook": 11, "width": 13, "crc": 17}
    for name, at in places.items():
        data = whole(patched(plain, at, bytes([plain[at] ^ 0x10])))
        yield f"corrupt-header-{name}", data, corrupt
    moved = patched(plain, 5, b"\x04") + body * 4
    yield "corrupt-header-grid-flag", moved, error("corrupt header", range=[0, 25])
    one = patched(plain, 11, b"\0\0")
    yield "corrupt-header-before-invalid", whole(one), corrupt

    large = header_bytes(MODEL, 640, 480, 1, 1000, flags=LARGE)
    yield "invalid-header-large-zero", whole(large), error("invalid-header", field="large")
    grid = header_bytes(MODEL, 640, 480, 1, 1000, grid=(1, 1))
    yield "invalid-header-grid-1x1", whole(grid), error("invalid-header", field="grid")
    codebook = header_bytes(MODEL, 640, 480, 1, 1)
    yield "invalid-header-codebook-1", whole(codebook), error("invalid-header", field="codebook")
    all_three = header_bytes(MODEL, 640, 480, 1, 1, grid=(1, 1), flags=LARGE)
    yield "invalid-header-large-first", all_three, error("invalid-header", field="large")
    two = header_bytes(MODEL, 640, 480, 1, 1, grid=(1, 1))
    yield "invalid-header-grid-second", two, error("invalid-header", field="grid")

    for name, grid in [("first", (257, 256)), ("row", (65_536, 2)), ("most", (65_536, 65_536))]:
        many = header_bytes(MODEL, 640, 480, 256, 1000, grid=grid)
        report = error("limit", what="canvases", actual=grid[0] * grid[1], allowed=65_536)
        yield f"limit-canvases-{name}", many, report


def tokens():
    # 21 bytes of header; layers 1 to 4 at 21..29, checkpoint 29..33, layers 5 to 16 at 33..57,
    # checkpoint 57..61, layer 17 at 61..63, checkpoint 63..67.
    data = Picture(17).file()
    assert len(data) == 67
    for name, at, first, last, place in [
        ("1-4-first-id", 21, 1, 4, [21, 33]),
        ("1-4-checkpoint", 32, 1, 4, [21, 33]),
        ("5-16-id", 40, 5, 16, [33, 61]),
        ("5-16-checkpoint", 57, 5, 16, [33, 61]),
        ("17-17-id", 61, 17, 17, [61, 67]),
        ("17-17-checkpoint", 66, 17, 17, [61, 67]),
    ]:
        flipped = patched(data, at, bytes([data[at] ^ 1]))
        report = error(f"corrupt layers {first} {last}", range=place)
        yield f"corrupt-layers-{name}", flipped, report
    # A CRC32 of the layers alone, without what stands before them.
    alone = patched(data, 29, crc(data[21:29]))
    yield "corrupt-layers-crc-of-layers-only", alone, error("corrupt layers 1 4", range=[21, 33])

    big = patched(data, 25, b"\x00\xfa")
    yield "corrupt-token-64000", big, error("corrupt token 3 0", range=[25, 27])
    cut = error("corrupt token 3 0", range=[25, 27])
    yield "corrupt-token-at-the-end", big[:27], cut
    last = patched(data, 61, b"\xff\xff")
    yield "corrupt-token-17", last, error("corrupt token 17 0", range=[61, 63])
    # 25 bytes of header, six canvases: the fifth of layer 2 is at 25 + 2 * (6 + 4) = 45.
    grid = patched(Picture(4, codebook=1000, grid=(3, 2)).file(), 45, b"\xe8\x03")
    yield "corrupt-token-of-canvas-4", grid, error("corrupt token 2 4", range=[45, 47])


def chunks():
    # 21 bytes of header, one token, its checkpoint: chunks start at 27.
    header = header_bytes(MODEL, 9, 9, 1, 2, flags=METADATA)
    start = file_bytes(header, 1, 1, [1])
    assert len(start) == 27
    title = chunk(LAST | 2, b"Harbour")
    for name, at in [("type", 0), ("payload", 3), ("crc", 13)]:
        flipped = patched(title, at, bytes([title[at] ^ 1]))
        yield f"corrupt-chunk-{name}", start + flipped, error("corrupt chunk 0", range=[27, 41])
    shorter = patched(title, 1, b"\x06")
    yield "corrupt-chunk-length", start + shorter, error("corrupt chunk 0", range=[27, 40])
    first = chunk(1, b"flextok")
    report = error("corrupt chunk 1", range=[41, 55])
    yield "corrupt-chunk-second", start + first + patched(title, 13, bytes([title[13] ^ 1])), report
    for name, text in [("cut", b"\xc3"), ("surrogate", b"\xed\xa0\x80"), ("overlong", b"\xc0\x80")]:
        report = error("corrupt chunk 0", range=[27, 34 + len(text)])
        yield f"corrupt-chunk-utf-8-{name}", start + chunk(LAST | 2, text), report
    for kind in (1, 3, 4):
        report = error("corrupt chunk 0", range=[27, 35])
        yield f"corrupt-chunk-utf-8-type-{kind}", start + chunk(LAST | kind, b"\xff"), report

    for kind in (0, 2, 5, 48, 63):
        data = start + chunk(CRITICAL | LAST | kind, b"x")
        yield f"unsupported-chunk-type-{kind}", data, error("unsupported-chunk 0", type=kind)
    broken = patched(chunk(CRITICAL | LAST | 2, b"x"), 3, b"y")
    report = error("corrupt chunk 0", range=[27, 35])
    yield "corrupt-chunk-before-unsupported", start + broken, report
    again = start + chunk(2, b"x") + chunk(CRITICAL | LAST | 2, b"x")
    yield "unsupported-chunk-before-duplicate", again, error("unsupported-chunk 1", type=2)

    for kind, payload in ALL_TEXTS:
        twice = start + chunk(kind, payload) + chunk(LAST | kind, payload)
        yield f"duplicate-chunk-type-{kind}", twice, error("duplicate-chunk 1", type=kind)
    both = start + chunk(2, b"x") + chunk(LAST | 2, b"\xff")
    yield "duplicate-chunk-before-utf-8", both, error("duplicate-chunk 1", type=2)


def trailing():
    for name, picture in [("bare", Picture(1)), ("metadata", Picture(1, chunks=ALL_TEXTS[:1]))]:
        data = picture.file()
        end = len(data)
        report = error(f"corrupt trailing {end}", range=[end, end + 1])
        yield f"corrupt-trailing-{name}", data + b"\n", report
    lost = Picture(1).file() + chunk(LAST | 2, b"lost")
    yield "corrupt-trailing-lost-flag", lost, error("corrupt trailing 27", range=[27, 28])
    twice = Picture(1).file() * 2
    yield "corrupt-trailing-second-file", twice, error("corrupt trailing 27", range=[27, 28])


def invalid_files():
    for part in (short_headers, headers, tokens, chunks, trailing):
        yield from part()
