"""The valid vectors: each a name, the file's bytes and the report that a reader must give.

Reports come from what was to be written, and of cut files from numbers given by hand; no reader has
a part in them.
"""

from writer import METADATA, chunk, crc, file_bytes, header_bytes, patched, resealed

MODEL = bytes.fromhex("5f1e7c0a")
TEXTS = {1: "encoder", 2: "title", 3: "capture_time", 4: "color_profile"}
ALL_TEXTS = [
    (1, b"flextok 0.1.0"),
    (2, b"Harbour"),
    (3, b"2024-02-29T23:59:60Z"),
    (4, b"Display P3"),
]


class Picture:
    """What a file is to hold."""

    def __init__(
        self, tokens, codebook=64_000, size=(4000, 3000), canvas=None, grid=None, chunks=()
    ):
        self.tokens, self.codebook, self.size = tokens, codebook, size
        self.canvas, self.grid, self.chunks = canvas, grid, list(chunks)
        self.canvases = grid[0] * grid[1] if grid else 1
        # Spread over the codebook, its first and its last id among them.
        count = tokens * self.canvases
        self.ids = [(codebook - 1 - i * 40_503) % codebook for i in range(count)]
        self.ids[-1] = 0

    def header(self):
        flags = METADATA if self.chunks else 0
        canvas, grid = self.canvas, self.grid
        return header_bytes(
            MODEL, *self.size, self.tokens, self.codebook, canvas=canvas, grid=grid, flags=flags
        )

    def file(self):
        return file_bytes(self.header(), self.canvases, self.tokens, self.ids, self.chunks)

    def report(self, version="1.0", have=None, proven=None, chunks=None):
        """What a reader must say; `have`, `proven`, `chunks` count what is left of a cut file."""
        total = len(self.ids)
        cut = have is not None
        return {
            "version": version,
            "fingerprint": MODEL.hex(),
            "width": self.size[0],
            "height": self.size[1],
            "tokens_per_canvas": self.tokens,
            "codebook_size": self.codebook,
            "canvas": list(self.canvas) if self.canvas else None,
            "grid": list(self.grid) if self.grid else [1, 1],
            "state": "truncated" if cut else "complete",
            "have": have if cut else total,
            "total": total,
            "proven": proven if cut else self.tokens,
            "ids": self.ids[:have] if cut else self.ids,
            "chunks": described(self.chunks[:chunks] if cut else self.chunks),
        }


def described(chunks):
    """Texts in the order of their types, then the others in theirs."""
    texts = [(kind, payload.decode("utf-8")) for kind, payload in chunks if kind in TEXTS]
    others = [(kind, payload.hex()) for kind, payload in chunks if kind not in TEXTS]
    named = [{"type": kind, TEXTS[kind]: text} for kind, text in sorted(texts)]
    return named + [{"type": kind, "payload": digits} for kind, digits in others]


def pictures():
    for tokens in (1, 2, 3, 4, 5, 16, 17, 64, 65, 255, 256):
        yield f"tokens-{tokens}", Picture(tokens)
    yield "canvases-2x1-tokens-1", Picture(1, grid=(2, 1))
    yield "canvases-1x3-tokens-17", Picture(17, grid=(1, 3))
    yield "canvases-3x2-tokens-5", Picture(5, grid=(3, 2))
    yield "canvases-300x1-tokens-1", Picture(1, grid=(300, 1))
    yield "codebook-2", Picture(17, codebook=2)
    yield "codebook-256", Picture(5, codebook=256)
    yield "codebook-1000", Picture(5, codebook=1000)
    yield "codebook-65536", Picture(17, codebook=65_536)
    yield "size-1x1", Picture(1, size=(1, 1))
    yield "size-65536", Picture(1, size=(65_536, 65_536))
    yield "large-width", Picture(3, size=(65_537, 65_536))
    yield "large-height", Picture(3, size=(1, 1 << 20))
    yield "large-both", Picture(3, size=(1 << 20, 1 << 20))
    yield "canvas-1x256", Picture(3, canvas=(1, 256))
    yield "canvas-12x8", Picture(17, canvas=(12, 8))
    yield "header-28", Picture(2, size=(70_000, 200_000), canvas=(16, 9), grid=(2, 2))
    yield "metadata-encoder", Picture(3, chunks=ALL_TEXTS[:1])
    yield "metadata-texts", Picture(17, chunks=ALL_TEXTS)
    yield "metadata-time-free", Picture(1, chunks=[(3, b"some time in 1912")])
    yield "metadata-empty-text", Picture(1, chunks=[(2, b"")])
    yield "metadata-utf-8", Picture(1, chunks=[(2, "Brücke 橋 🌉\n\0".encode())])
    private = [(2, b"T"), (48, b"\0\xff"), (63, b""), (48, b"again")]
    yield "metadata-private", Picture(2, chunks=private)
    yield "metadata-reserved", Picture(2, chunks=[(0, b"zero"), (5, b"five"), (47, b"")])
    yield "metadata-header-28", Picture(
        4, size=(1, 65_537), canvas=(2, 3), grid=(2, 1), chunks=[(1, b"flextok"), (50, b"x" * 300)]
    )


def special_files():
    """Files that a writer of this version does not make, or that were cut."""
    plain = Picture(2)
    header = resealed(patched(plain.header(), 4, b"\x1f"))
    yield "minor-15", file_bytes(header, 1, 2, plain.ids), plain.report(version="1.15")

    # Types 1 to 4 in another order than a writer's: a reader reports them all the same.
    swapped = Picture(1, chunks=ALL_TEXTS[::-1])
    yield "metadata-other-order", swapped.file(), swapped.report()

    # Section 4: what stands behind a matching checkpoint does not depend on what stands before it.
    changed = Picture(17)
    data = changed.file()
    changed.ids[0] ^= 1
    data = patched(data, 21, bytes([data[21] ^ 1]))
    yield "checkpoint-forged", patched(data, 29, crc(data[:29])), changed.report()

    most = Picture(1, grid=(256, 256))
    yield "cut-most-canvases", most.file()[: 25 + 5], most.report(have=2, proven=0)

    # 21 bytes of header; layer 4 ends at 29, its checkpoint at 33; layer 6 at 37, its checkpoint at
    # 41; chunk 0 takes 20 bytes up to 61, chunk 1 takes 14 up to 75.
    six = Picture(6, chunks=ALL_TEXTS[:2])
    data = six.file()
    assert len(data) == 75
    for name, length, have, proven, chunks in [
        ("header-only", 21, 0, 0, 0),
        ("half-token", 24, 1, 0, 0),
        ("before-checkpoint", 29, 4, 0, 0),
        ("in-checkpoint", 32, 4, 0, 0),
        ("after-checkpoint", 33, 4, 4, 0),
        ("before-last-checkpoint", 37, 6, 4, 0),
        ("before-chunks", 41, 6, 6, 0),
        ("in-chunk-0", 60, 6, 6, 0),
        ("after-chunk-0", 61, 6, 6, 1),
        ("in-chunk-1", 74, 6, 6, 1),
    ]:
        yield f"cut-{name}", data[:length], six.report(have=have, proven=proven, chunks=chunks)

    # An unproven token may have any bits: 25..27 is the third id.
    flipped = six.report(have=3, proven=0, chunks=0)
    flipped["ids"] = flipped["ids"][:2] + [513]
    yield "cut-unproven-flip", patched(data, 25, b"\x01\x02")[:27], flipped

    # Section 9: a length that reaches beyond the end reads as a cut in this chunk.
    longer = data[:61] + patched(chunk(64 | 2, b"Harbour"), 2, b"\x10")
    yield "cut-lengthened-chunk", longer, six.report(have=6, proven=6, chunks=1)

    # A cut within a layer of several canvases: 25 bytes of header, 8 whole ids, half of one.
    grid = Picture(4, grid=(3, 2))
    yield "cut-in-layer", grid.file()[: 25 + 17], grid.report(have=8, proven=0)


def valid_files():
    for name, picture in pictures():
        yield name, picture.file(), picture.report()
    yield from special_files()
