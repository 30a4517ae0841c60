"""The valid vectors: each a name, the file's bytes and the report that a reader must give.

Reports come from what was to be written, and of cut files from numbers given by hand; no reader has
a part in them.
"""

import struct

from writer import IDS, METADATA, coded_fields, file_bytes, flipped, header, ids_fields

MODEL = bytes.fromhex("5f1e7c0a")
PHOTO = (4000, 3000)
TEXTS = {1: "encoder", 2: "title", 3: "capture_time", 4: "color_profile"}
ALL_TEXTS = [
    (1, b"flextok 0.1.0"),
    (2, b"Harbour"),
    (3, b"2024-02-29T23:59:60Z"),
    (4, b"Display P3"),
]


class Picture:
    """What a file is to hold, whatever its kind."""

    unit = 1

    def file(self):
        return file_bytes(self.header(), self.payload, self.unit, self.chunks)

    def report(self, have=None, proven=None, chunks=None):
        """What a reader must say; `have`, `proven`, `chunks` count what is left of a cut file."""
        total, cut = len(self.payload), have is not None
        return self.named() | {
            "state": "truncated" if cut else "complete",
            "have": have if cut else total,
            "total": total,
            "proven": proven if cut else total,
            "payload": self.payload[:have].hex() if cut else self.payload.hex(),
            "chunks": described(self.chunks[:chunks] if cut else self.chunks),
        }


class Coded(Picture):
    def __init__(self, length, size=PHOTO, tables=1, canvas=9, blocks=(9, 7), chunks=()):
        self.size, self.tables, self.canvas, self.blocks = size, tables, canvas, blocks
        self.chunks = list(chunks)
        self.payload = bytes((i * 167 + 41 ^ i >> 3) & 255 for i in range(length))

    def header(self):
        fields = coded_fields(self.size, len(self.payload), self.tables, self.canvas)
        return header(fields, METADATA if self.chunks else 0)

    def named(self):
        tables = self.tables if isinstance(self.tables, int) else self.tables.hex()
        sides = {"width": self.size[0], "height": self.size[1]}
        named = {"kind": "coded"} | sides | {"tables": tables, "canvas": self.canvas}
        return named | {"blocks": list(self.blocks)}


class Ids(Picture):
    def __init__(
        self, tokens, codebook=64_000, size=PHOTO, canvas=None, grid=(1, 1), chunks=()
    ):
        self.tokens, self.codebook, self.size = tokens, codebook, size
        self.canvas, self.grid, self.chunks = canvas, grid, list(chunks)
        count = tokens * grid[0] * grid[1]
        self.unit = 2 * grid[0] * grid[1]
        # Spread over the codebook, its first and its last id among them.
        ids = [(codebook - 1 - i * 40_503) % codebook for i in range(count)]
        ids[-1] = 0
        self.payload = struct.pack(f"<{count}H", *ids)

    def header(self):
        fields = ids_fields(
            MODEL, self.size, self.tokens, self.codebook, self.canvas, self.grid
        )
        return header(fields, IDS | (METADATA if self.chunks else 0))

    def named(self):
        return {
            "kind": "ids",
            "fingerprint": MODEL.hex(),
            "width": self.size[0],
            "height": self.size[1],
            "tokens_per_canvas": self.tokens,
            "codebook_size": self.codebook,
            "canvas": list(self.canvas) if self.canvas else None,
            "grid": list(self.grid),
        }


def described(chunks):
    """Texts in the order of their types, then the others in theirs."""
    texts = [(kind, content.decode("utf-8")) for kind, content in chunks if kind in TEXTS]
    others = [(kind, content.hex()) for kind, content in chunks if kind not in TEXTS]
    named = [{"type": kind, TEXTS[kind]: text} for kind, text in sorted(texts)]
    return named + [{"type": kind, "content": digits} for kind, digits in others]


def coded_pictures():
    for length in (1, 2, 63, 64, 65, 127, 128, 256, 257, 1024, 1025, 4096, 4097, 8200):
        yield f"coded-{length}", Coded(length)
    # The header of a photo has 11 bytes: the last CRC8-E and the first CRC16, the last of these.
    for length in (52, 53):
        yield f"coded-end-{length}", Coded(length)
    for length in (1008, 1009):
        yield f"coded-end-{length}", Coded(length)
    yield "coded-fingerprint", Coded(30, tables=MODEL)
    yield "coded-tables-255", Coded(30, tables=255)
    own = [((1, 1), (1, 1)), ((33, 64), (2, 2)), ((8160, 8129), (255, 255))]
    for size, blocks in own:
        name = f"coded-canvas-own-{size[0]}x{size[1]}"
        yield name, Coded(5, size=size, canvas=0, blocks=blocks)
    for size, canvas, blocks in [
        ((3000, 4000), 9, (7, 9)),  # 6.75
        ((4, 3), 2, (2, 2)),  # 1.5
        ((1, 20_000), 255, (1, 255)),
        ((20_000, 10), 1, (1, 1)),
        ((1 << 20, 1 << 20), 255, (255, 255)),
        ((1 << 20, 4113), 127, (127, 1)),  # 0.498…
    ]:
        name = f"coded-canvas-{canvas}-{size[0]}x{size[1]}"
        yield name, Coded(5, size=size, canvas=canvas, blocks=blocks)
    for side, name in [(128, "128"), (129, "129"), (16_384, "16384"), (16_385, "16385")]:
        yield f"size-{name}", Coded(3, size=(side, side), canvas=1, blocks=(1, 1))


def ids_pictures():
    for tokens in (1, 2, 31, 32, 33, 128, 129, 256, 700):
        yield f"ids-{tokens}", Ids(tokens)
    yield "ids-65536-cut", Ids(65_536)
    yield "ids-canvases-2x1-tokens-1", Ids(1, grid=(2, 1))
    yield "ids-canvases-1x3-tokens-17", Ids(17, grid=(1, 3))
    yield "ids-canvases-3x2-tokens-25", Ids(25, grid=(3, 2))
    yield "ids-canvases-40x20-tokens-3", Ids(3, grid=(40, 20))
    yield "ids-canvases-300x1-tokens-1", Ids(1, grid=(300, 1))
    yield "ids-canvases-60x40-tokens-3", Ids(3, grid=(60, 40))
    for codebook in (2, 256, 1000, 65_536):
        yield f"ids-codebook-{codebook}", Ids(17, codebook=codebook)
    yield "ids-size-1x1", Ids(1, size=(1, 1))
    yield "ids-size-most", Ids(3, size=(1 << 20, 1 << 20))
    yield "ids-canvas-1x256", Ids(3, canvas=(1, 256))
    yield "ids-canvas-256x1", Ids(3, canvas=(256, 1))
    yield "ids-canvas-12x8", Ids(17, canvas=(12, 8))


def metadata_pictures():
    yield "metadata-encoder", Coded(3, chunks=ALL_TEXTS[:1])
    yield "metadata-texts", Coded(300, chunks=ALL_TEXTS)
    yield "metadata-ids", Ids(40, chunks=ALL_TEXTS)
    yield "metadata-time-free", Coded(1, chunks=[(3, b"some time in 1912")])
    yield "metadata-empty-text", Coded(1, chunks=[(2, b"")])
    yield "metadata-utf-8", Ids(1, chunks=[(2, "Brücke 橋 🌉\n\0".encode())])
    private = [(2, b"T"), (48, b"\0\xff"), (63, b""), (48, b"again")]
    yield "metadata-private", Coded(70, chunks=private)
    yield "metadata-reserved", Ids(2, chunks=[(0, b"zero"), (5, b"five"), (47, b"")])
    yield "metadata-long", Coded(1100, chunks=[(1, b"flextok"), (50, b"x" * 300)])
    # Types 1 to 4 in another order than a writer's: a reader reports them all the same.
    yield "metadata-other-order", Coded(9, chunks=ALL_TEXTS[::-1])


def cut_files():
    most = Ids(1, grid=(256, 256))
    start = len(most.header())
    yield "cut-most-canvases", most.file()[: start + 5], most.report(have=4, proven=0)

    # 12 bytes of header; payload to 76, check, payload 77..269, check, 270..314, CRC32 to 318;
    # chunk 0 takes 21 bytes up to 339, chunk 1 takes 15 up to 354.
    photo = Coded(300, chunks=ALL_TEXTS[:2])
    data = photo.file()
    assert len(data) == 354
    for name, length, have, proven, chunks in [
        ("header-only", 12, 0, 0, 0),
        ("first-byte", 13, 1, 0, 0),
        ("before-check", 76, 64, 0, 0),
        ("after-check", 77, 64, 64, 0),
        ("in-payload", 100, 87, 64, 0),
        ("after-second-check", 270, 256, 256, 0),
        ("before-end-check", 314, 300, 256, 0),
        ("in-check", 317, 300, 256, 0),
        ("before-chunks", 318, 300, 300, 0),
        ("in-chunk-0", 338, 300, 300, 0),
        ("after-chunk-0", 339, 300, 300, 1),
        ("in-chunk-1", 353, 300, 300, 1),
    ]:
        yield f"cut-{name}", data[:length], photo.report(have=have, proven=proven, chunks=chunks)

    # Behind the last check nothing is promised.
    report = photo.report(have=87, proven=64, chunks=0)
    other = bytes([photo.payload[86] ^ 1]).hex()
    report["payload"] = report["payload"][:-2] + other
    yield "cut-unproven-flip", flipped(data[:100], 99), report

    # Half a token, and a cut within a layer of several canvases.
    ids = Ids(40)
    start = len(ids.header())
    yield "cut-half-token", ids.file()[: start + 71 + 1], ids.report(have=70, proven=64)
    grid = Ids(4, grid=(3, 2))
    start = len(grid.header())
    yield "cut-in-layer", grid.file()[: start + 17], grid.report(have=16, proven=0)


def valid_files():
    for part in (coded_pictures, ids_pictures, metadata_pictures):
        for name, picture in part():
            if name == "ids-65536-cut":
                start = len(picture.header())
                yield name, picture.file()[: start + 66], picture.report(have=64, proven=64)
                continue
            yield name, picture.file(), picture.report()
    yield from cut_files()
