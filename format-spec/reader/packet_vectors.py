"""The vectors of packets (section 19): each a name, packets as they arrive, and the report.

The packets come from a writer of their own, made from the specification alone; what a reader must
say of them is written down here, before any reader is asked.
"""

import struct

from writer import flipped


def crc32c(data):
    """Bit by bit, least significant bit first."""
    state = 0xFFFFFFFF
    for bit in (byte >> i & 1 for byte in data for i in range(8)):
        state = state >> 1 ^ 0x82F63B78 * ((state ^ bit) & 1)
    return struct.pack("<I", state ^ 0xFFFFFFFF)


def packet(name, sequence, last, part, wide=False):
    number = struct.pack("<H" if wide else "<B", sequence)
    head = bytes([0xF8 | last | wide << 1]) + name + number
    return head + part + crc32c(head + part)


class Split:
    """The packets of a file, and what a reader says of them."""

    def __init__(self, file, size, name=None):
        self.file, self.size = file, size
        self.wide = len(file) > 256 * (size - 8)
        self.length = size - 8 - self.wide
        first = min(self.length, len(file))
        self.name = name or crc32c(struct.pack("<H", first) + file)[:2]
        starts = range(0, len(file), self.length)
        self.parts = [file[start : start + self.length] for start in starts]

    def packet(self, sequence):
        last = sequence + 1 == len(self.parts)
        return packet(self.name, sequence, last, self.parts[sequence], self.wide)

    def all(self):
        return [self.packet(sequence) for sequence in range(len(self.parts))]

    def says(self, became, sequence, last=None):
        last = sequence + 1 == len(self.parts) if last is None else last
        return f"{became} {self.name.hex()} {sequence}" + " last" * last

    def joined(self, missing=None, total=True):
        """The report of the file up to packet `missing`; `total`: whether the last one arrived."""
        kept = self.file if missing is None else self.file[: missing * self.length]
        total = len(self.parts) if total else None
        report = {"total": total, "first_missing": missing, "joined": kept.hex()}
        return {self.name.hex(): report}


def pattern(length, step=29):
    return bytes(i * step + (i >> 8) + 7 & 255 for i in range(length))


def split_vectors(example):
    """What a writer makes of a file, in order."""
    for name, file, size in [
        ("split-example-51", example, 51),
        ("split-example-140", example, 140),
        ("split-one-byte", b"x", 9),
        ("split-whole", pattern(132), 140),
        ("split-whole-and-one", pattern(133), 140),
        ("split-multiple", pattern(384), 200),
        ("split-sbd-270", pattern(1024), 270),
        ("split-sbd-340", pattern(1024), 340),
        ("split-most-narrow", pattern(512), 10),
        ("split-fewest-wide", pattern(513), 10),
    ]:
        split = Split(file, size)
        says = [split.says("new", sequence) for sequence in range(len(split.parts))]
        source = {"file": file.hex(), "size": size}
        report = {"split": source, "outcomes": says, "files": split.joined()}
        yield name, split.all(), report


def arrivals(split, order):
    """Packets in an order of arrival, the second time as doubles."""
    says = [
        split.says("double" if sequence in order[:i] else "new", sequence)
        for i, sequence in enumerate(order)
    ]
    return [split.packet(sequence) for sequence in order], says


def join_vectors():
    """What arrives of a file in seven packets, the last of them shorter."""
    split = Split(pattern(250), 48)
    for name, order, missing, total in [
        ("join-reversed", [6, 5, 4, 3, 2, 1, 0], None, True),
        ("join-last-first", [6, 0, 1, 2, 3, 4, 5], None, True),
        ("join-doubles", [6, 6, 0, 0, 1, 2, 6, 3, 4, 5, 0, 5], None, True),
        ("join-first-alone", [0], 1, False),
        ("join-last-alone", [6], 0, True),
        ("join-without-first", [3, 1, 2, 6, 4, 5], 0, True),
        ("join-without-middle", [4, 6, 0, 2, 1, 5], 3, True),
        ("join-without-last", [5, 4, 3, 0, 1, 2], 6, False),
        ("join-first-repeated", [4, 6, 2, 0, 1, 0, 1], 3, True),
    ]:
        packets, says = arrivals(split, order)
        yield name, packets, {"outcomes": says, "files": split.joined(missing, total)}
    long = Split(pattern(520, 31), 10)
    packets, says = arrivals(long, [*range(260, 520), *range(0, 259)])
    report = {"outcomes": says, "files": long.joined(259)}
    yield "join-wide", packets, report


def refused_vectors():
    """Bytes that are no packets, between those that are."""
    split = Split(pattern(250), 48)
    good, says = arrivals(split, list(range(7)))
    for name, bad, became in [
        ("refused-kind", flipped(good[2], 0, 4), "not-a-packet"),
        ("refused-last", flipped(good[2], 0, 1), "check"),
        ("refused-wide", flipped(good[2], 0, 2), "check"),
        ("refused-id", flipped(good[2], 1), "check"),
        ("refused-sequence", flipped(good[2], 3), "check"),
        ("refused-part", flipped(good[2], 20, 128), "check"),
        ("refused-check", flipped(good[2], 47, 64), "check"),
        ("refused-cut", good[2][:-1], "check"),
        ("refused-longer", good[2] + b"\0", "check"),
        ("refused-short", good[2][:8], "too-short"),
        ("refused-wide-short", b"\xfa" * 9, "too-short"),
        ("refused-file", bytes.fromhex("f6dc0201029f1fb71714530724"), "not-a-packet"),
        ("refused-empty-part", packet(split.name, 2, False, b""), "too-short"),
    ]:
        packets = [*good[:2], bad, *good[3:]]
        outcomes = [*says[:2], became, *says[3:]]
        yield name, packets, {"outcomes": outcomes, "files": split.joined(2)}


def contradiction_vectors():
    """Packets of right checks that cannot be of the file that came before."""
    split = Split(pattern(250), 48)
    name, length = split.name, split.length
    for word, first, bad in [
        ("length-shorter", [0, 1], (2, False, pattern(length - 1))),
        ("length-longer", [0, 1], (2, False, pattern(length + 1))),
        ("length-last", [0, 1], (6, True, pattern(length + 1))),
        ("length-below-last", [6], (2, False, pattern(9))),
        ("order-at-last", [0, 6], (6, False, pattern(length))),
        ("order-behind-last", [6, 0], (7, False, pattern(length))),
        ("order-two-last", [6, 0], (5, True, pattern(3))),
        ("order-last-before", [0, 3], (2, True, pattern(3))),
        ("order-before-length", [6, 0], (7, False, pattern(length + 1))),
        ("content", [0, 1], (1, False, pattern(length, 31))),
        ("content-last", [6], (6, True, pattern(3, 31))),
    ]:
        good, says = arrivals(split, first)
        wrong = packet(name, *bad)
        outcomes = [*says, split.says(word.split("-")[0], bad[0], bad[1]), *again(split, first)]
        missing = next(i for i in range(7) if i not in first)
        report = {"outcomes": outcomes, "files": split.joined(missing, 6 in first)}
        yield f"contradiction-{word}", [*good, wrong, *good], report


def again(split, order):
    return [split.says("double", sequence) for sequence in order]


def files_vectors():
    """Packets of several files."""
    one, two = Split(pattern(250), 48), Split(pattern(200, 31), 48)
    other_size = Split(one.file, 52)
    packets, says = [], []
    for sequence in (4, 0, 2, 1):
        for split in (one, two, other_size):
            packets.append(split.packet(sequence))
            says.append(split.says("new", sequence))
    files = one.joined(3, False) | two.joined(3) | other_size.joined(3, False)
    report = {"outcomes": says, "files": dict(sorted(files.items()))}
    yield "files-interleaved", packets, report

    # Two files with one id, which no packet contradicts.
    mixed = Split(pattern(80), 48), Split(pattern(80, 31), 48, name=Split(pattern(80), 48).name)
    packets = [mixed[0].packet(0), mixed[1].packet(1)]
    says = [mixed[0].says("new", 0), mixed[0].says("new", 1)]
    files = {mixed[0].name.hex(): {"error": "mixed"}}
    yield "files-mixed", packets, {"outcomes": says, "files": files}


def packet_vectors(example):
    yield from split_vectors(example)
    yield from join_vectors()
    yield from refused_vectors()
    yield from contradiction_vectors()
    yield from files_vectors()
