"""The invalid vectors: each a name that tells the fault, the file's bytes, and the error."""

from valid import ALL_TEXTS, MODEL, Coded, Ids
from writer import CRITICAL, IDS, LAST, LATER, METADATA, body, chunk, coded_fields, crc32
from writer import file_bytes, flipped, header, ids_fields, patched, sealed, varint


def error(name, **details):
    return {"error": name, **details}


def corrupt(name, start, end, proven=0):
    return error(f"corrupt {name}", range=[start, end], proven=proven)


def short_headers():
    ids = Ids(2, size=(70_000, 200_000), canvas=(16, 9), grid=(2, 2)).file()
    # 9 bytes are needed as long as byte 2 is missing.
    for length, missing in [(0, 9), (1, 8), (2, 7), (3, 22), (24, 1)]:
        yield f"need-more-ids-{length}", ids[:length], error(f"need-more {missing}")
    coded = Coded(300).file()
    for length, missing in [(2, 7), (3, 9), (11, 1)]:
        yield f"need-more-coded-{length}", coded[:length], error(f"need-more {missing}")


def headers():
    """Faults that are found before the check, or despite a right one."""
    plain, tail = Coded(5).header(), b"\x07" * 20
    yield "not-flextok-png", bytes.fromhex("89504e470d0a1a0a"), error("not-flextok", offset=0)
    yield "not-flextok-version-1", bytes.fromhex("89464c58"), error("not-flextok", offset=0)
    yield "not-flextok-first-byte", b"h", error("not-flextok", offset=0)
    for at in range(2):
        data = sealed(patched(plain, at, b"\x00")) + tail
        yield f"not-flextok-byte-{at}", data, error("not-flextok", offset=at)
    later = header(coded_fields((640, 480), 5), LATER)
    yield "unsupported-version", later + tail, error("unsupported-version")
    yield "unsupported-version-cut", later[:3], error("unsupported-version")
    for bit in range(8):
        data = sealed(flipped(plain, 2, 1 << bit)) + tail
        name = "later" if bit == 6 else bit
        yield f"corrupt-header-parity-{name}", data, corrupt("header", 0, 3)
    yield "corrupt-header-parity-cut", plain[:2] + b"\0", corrupt("header", 0, 3)

    places = {"tables": 3, "canvas": 4, "width": 5, "length": 9, "check": 10}
    for name, at in places.items():
        yield f"corrupt-header-{name}", flipped(plain, at) + tail, corrupt("header", 0, 11)
    none = header(coded_fields((640, 480), 0))
    yield "corrupt-header-before-invalid", flipped(none, 5, 2) + tail, corrupt("header", 0, 11)
    ids = Ids(5).header()
    for name, at in {"fingerprint": 3, "tokens": 11, "ids-check": 20}.items():
        yield f"corrupt-header-{name}", flipped(ids, at) + tail, corrupt("header", 0, len(ids))


def invalid(name, field, fields, flags=0, extent=None):
    data = header(fields, flags, extent) + b"\x07" * 20
    return f"invalid-header-{name}", data, error("invalid-header", field=field)


def invalid_headers():
    start = b"\x01\x09"
    side, length = varint(99), varint(5)
    yield invalid("length-0", "length", start + side + side + b"\0")
    yield invalid("length-2-32", "length", start + side + side + varint(1 << 32))
    yield invalid("length-long", "length", start + side + side + b"\x85\x00")
    yield invalid("length-six-bytes", "length", start + side + side + b"\x81\x80\x80\x80\x80\x00")
    yield invalid("length-open", "length", start + side + side + b"\x85")
    yield invalid("width-long", "width", start + b"\xe3\x00" + side + length)
    yield invalid("width-2-20", "width", start + varint(1 << 20) + side + length)
    yield invalid("height-2-20", "height", start + side + varint(1 << 20) + length)
    yield invalid("canvas-own", "canvas", b"\x01\x00" + side + varint(8160) + length)
    yield invalid("canvas-after-length", "length", b"\x01\x00" + varint(8160) + side + b"\0\0")
    yield invalid("extent", "extent", start + side + side + length + b"\0")
    yield invalid("canvas-before-extent", "canvas", b"\x01\x00" + side + varint(8160) + b"\5\0")
    yield invalid("tables-end", "canvas", b"\0" + MODEL + b"")
    yield invalid("width-end", "width", b"\0" + MODEL + b"\0")
    good = {"model": MODEL, "size": (9, 9), "tokens": 5, "codebook": 1000}
    for name, field, change in [
        ("tokens", "tokens", {"tokens": 65_537}),
        ("codebook-1", "codebook", {"codebook": 1}),
        ("codebook", "codebook", {"codebook": 65_537}),
        ("columns", "columns", {"canvas": (257, 1)}),
        ("rows", "rows", {"canvas": (1, 257)}),
        ("rows-alone", "rows", {"canvas": (0, 2)}),
        ("grid-columns", "grid-columns", {"grid": (65_537, 1)}),
        ("grid-rows", "grid-rows", {"grid": (1, 65_537)}),
        ("first", "tokens", {"tokens": 65_537, "codebook": 1, "grid": (65_537, 1)}),
    ]:
        yield invalid(f"ids-{name}", field, ids_fields(**good | change), IDS)
    yield invalid("ids-extent", "extent", ids_fields(**good) + b"\0", IDS)
    # No fields fill the longest header that a kind can announce.
    most = good | {"size": (1 << 20, 1 << 20), "tokens": 65_536, "codebook": 65_536}
    most |= {"canvas": (256, 256), "grid": (65_536, 65_536)}
    yield invalid("ids-extent-15", "extent", ids_fields(**most) + b"\0", IDS)


def limits():
    for name, grid in [("first", (257, 256)), ("row", (65_536, 2)), ("most", (65_536, 65_536))]:
        many = header(ids_fields(MODEL, (640, 480), 256, 1000, grid=grid), IDS)
        actual = grid[0] * grid[1]
        report = error("limit", what="canvases", actual=actual, allowed=65_536)
        yield f"limit-canvases-{name}", many, report
    long = header(coded_fields((640, 480), 33_554_433))
    report = error("limit", what="payload_bytes", actual=33_554_433, allowed=33_554_432)
    yield "limit-payload", long, report
    layers = header(ids_fields(MODEL, (640, 480), 257, 1000, grid=(256, 256)), IDS)
    report = error("limit", what="payload_bytes", actual=257 << 17, allowed=33_554_432)
    yield "limit-payload-ids", layers, report


def payload():
    # 12 bytes of header; payload 12..76, check, 77..269, check, 270..1038, CRC32 at 1038..1042…
    data = Coded(4200).file()
    for name, at, first, last, place in [
        ("0-64-first", 12, 0, 64, [12, 77]),
        ("0-64-check", 76, 0, 64, [12, 77]),
        ("64-256", 77, 64, 256, [77, 270]),
        ("256-1024", 1037, 256, 1024, [270, 1042]),
        ("256-1024-check", 1041, 256, 1024, [270, 1042]),
        ("1024-4096", 4000, 1024, 4096, [1042, 4118]),
        ("4096-4200", 4221, 4096, 4200, [4118, 4226]),
    ]:
        report = corrupt(f"payload {first} {last}", *place, proven=first)
        yield f"corrupt-payload-{name}", flipped(data, at), report
    assert len(data) == 4226
    short = Coded(52).file()
    assert len(short) == 64
    yield "corrupt-payload-end-8", flipped(short, 63), corrupt("payload 0 52", 11, 64)
    middle = Coded(200).file()
    report = corrupt("payload 64 200", 77, len(middle), proven=64)
    yield "corrupt-payload-end-16", flipped(middle, len(middle) - 1), report
    # The end of another file.
    other = Coded(4200, canvas=10, blocks=(10, 8)).file()
    report = corrupt("payload 0 64", 12, 77)
    yield "corrupt-payload-of-another-header", data[:12] + other[12:], report
    photo = Coded(4200)
    photo.payload = bytes(byte ^ 1 for byte in photo.payload)
    report = corrupt("payload 1024 4096", 1042, 4118, proven=1024)
    yield "corrupt-payload-spliced", data[:2000] + photo.file()[2000:], report
    # A check that covers the checks before it as well.
    wrong = patched(data, 1038, crc32(data[:1038]))
    report = corrupt("payload 256 1024", 270, 1042, proven=256)
    yield "corrupt-payload-covers-checks", wrong, report
    layers = Ids(40).file()
    start = len(Ids(40).header())
    report = corrupt("payload 64 80", start + 65, len(layers), proven=64)
    yield "corrupt-payload-ids", flipped(layers, len(layers) - 1), report


def tokens():
    start = len(Ids(17).header())
    data = Ids(17).file()
    big = patched(data, start + 4, b"\x00\xfa")
    report = corrupt("token 3 0", start + 4, start + 6)
    yield "corrupt-token-64000", big, report
    yield "corrupt-token-at-the-end", big[: start + 6], report
    many = Ids(40).file()
    start = len(Ids(40).header())
    at = start + 64 + 1 + 2
    report = corrupt("token 34 0", at, at + 2, proven=64)
    yield "corrupt-token-34", patched(many, at, b"\xff\xff"), report
    grid = Ids(4, codebook=1000, grid=(3, 2))
    at = len(grid.header()) + 2 * (6 + 4)
    report = corrupt("token 2 4", at, at + 2)
    yield "corrupt-token-of-canvas-4", patched(grid.file(), at, b"\xe8\x03"), report


def with_chunks(*chunks):
    """A file of one byte, whose chunks start at 14: 9 bytes of header, the payload, its CRC32."""
    head = header(coded_fields((9, 9), 1), METADATA)
    return file_bytes(head, b"\x07", chunks=chunks)


def chunks():
    data = with_chunks((2, b"Harbour"))
    assert len(data) == 29
    for name, at, end in [("type", 14, 18), ("size", 15, 18), ("frame", 17, 18)]:
        report = corrupt("chunk 0", 14, end, proven=1)
        yield f"corrupt-chunk-{name}", flipped(data, at), report
    for name, at in [("content", 18), ("crc", 28)]:
        yield f"corrupt-chunk-{name}", flipped(data, at), corrupt("chunk 0", 14, 29, proven=1)
    two = with_chunks((1, b"flextok"), (2, b"Harbour"))
    report = corrupt("chunk 1", 29, 44, proven=1)
    yield "corrupt-chunk-second", flipped(two, 43), report
    dropped = two[:14] + two[29:]
    yield "corrupt-chunk-dropped", dropped, corrupt("chunk 0", 14, 29, proven=1)
    other = file_bytes(header(coded_fields((9, 9), 1), METADATA), b"\x08", chunks=[(2, b"Harbour")])
    mixed = data[:14] + other[14:]
    yield "corrupt-chunk-of-another-file", mixed, corrupt("chunk 0", 14, 29, proven=1)
    for name, text in [("cut", b"\xc3"), ("surrogate", b"\xed\xa0\x80"), ("overlong", b"\xc0\x80")]:
        report = corrupt("chunk 0", 14, 22 + len(text), proven=1)
        yield f"corrupt-chunk-utf-8-{name}", with_chunks((2, text)), report
    for kind in (1, 3, 4):
        report = corrupt("chunk 0", 14, 23, proven=1)
        yield f"corrupt-chunk-utf-8-type-{kind}", with_chunks((kind, b"\xff")), report

    for kind in (0, 2, 5, 48, 63):
        data = with_chunks((CRITICAL | kind, b"x"))
        yield f"unsupported-chunk-type-{kind}", data, error("unsupported-chunk 0", type=kind)
    broken = flipped(with_chunks((CRITICAL | 2, b"x")), 18)
    report = corrupt("chunk 0", 14, 23, proven=1)
    yield "corrupt-chunk-before-unsupported", broken, report
    again = with_chunks((2, b"x"), (CRITICAL | 2, b"x"))
    yield "unsupported-chunk-before-duplicate", again, error("unsupported-chunk 1", type=2)
    for kind, content in ALL_TEXTS:
        twice = with_chunks((kind, content), (kind, content))
        yield f"duplicate-chunk-type-{kind}", twice, error("duplicate-chunk 1", type=kind)
    both = with_chunks((2, b"x"), (2, b"\xff"))
    yield "duplicate-chunk-before-utf-8", both, error("duplicate-chunk 1", type=2)


def trailing():
    for name, picture in [("bare", Coded(1)), ("metadata", Ids(1, chunks=ALL_TEXTS[:1]))]:
        data = picture.file()
        end = len(data)
        report = corrupt(f"trailing {end}", end, end + 1, proven=len(picture.payload))
        yield f"corrupt-trailing-{name}", data + b"\n", report
    picture = Coded(1)
    data = picture.file()
    end = len(data)
    report = corrupt(f"trailing {end}", end, end + 1, proven=1)
    lost, _ = chunk(body(picture.header()) + picture.payload, LAST | 2, b"lost")
    yield "corrupt-trailing-lost-bit", data + lost, report
    yield "corrupt-trailing-second-file", data * 2, report


def invalid_files():
    yield from (*short_headers(), *headers(), *invalid_headers(), *limits())
    yield from (*payload(), *tokens(), *chunks(), *trailing())
