"""An independent reader of packets, made from section 19 of the specification alone. Standard
library only.

Packets are lines of hexadecimal digits in the order in which they arrived:
    python3 packets.py FILE               report what they hold as JSON
    python3 packets.py --check DIRECTORY  read every NAME.txt in it, compare with its NAME.json
    python3 packets.py --outcomes         report texts from standard input, each after its length
                                          as a u32, in a line of JSON each
"""

import json
import pathlib
import struct
import sys

MARK, LAST, WIDE = 0xF8, 1, 2


def crc_table():
    values = list(range(256))
    for _ in range(8):
        values = [value >> 1 ^ 0x82F63B78 * (value & 1) for value in values]
    return values


TABLE = crc_table()


def crc32c(data):
    state = 0xFFFFFFFF
    for byte in data:
        state = state >> 8 ^ TABLE[(state ^ byte) & 255]
    return struct.pack("<I", state ^ 0xFFFFFFFF)


def file_id(file, length):
    return crc32c(struct.pack("<H", length) + file)[:2]


class Refused(Exception):
    """Bytes that are no packet, or a packet that contradicts earlier ones."""


def parse(data):
    """Id, number, whether it is the last, and the bytes of the file."""
    if not data:
        raise Refused("too-short")
    if data[0] & ~(LAST | WIDE) != MARK:
        raise Refused("not-a-packet")
    start = 5 if data[0] & WIDE else 4
    if len(data) < start + 5:
        raise Refused("too-short")
    if len(data) > 65_535:
        raise Refused("too-long")
    if crc32c(data[:-4]) != data[-4:]:
        raise Refused("check")
    sequence = int.from_bytes(data[3:start], "little")
    return data[1:3], sequence, bool(data[0] & LAST), data[start:-4]


class File:
    """What arrived of one file: the bytes of each packet by its number."""

    def __init__(self):
        self.parts, self.length, self.last = {}, None, None

    def add(self, sequence, last, part):
        self.check(sequence, last, part)
        if sequence in self.parts:
            if self.parts[sequence] != part:
                raise Refused("content")
            return "double"
        self.parts[sequence] = part
        if last:
            self.last = sequence
        if not last or sequence == 0:
            self.length = len(part)
        return "new"

    def check(self, sequence, last, part):
        if self.last is not None:
            if (sequence != self.last) if last else (sequence >= self.last):
                raise Refused("order")
        elif last and any(sequence <= other for other in self.parts):
            raise Refused("order")
        if self.length is not None:
            if len(part) > self.length or (not last and len(part) < self.length):
                raise Refused("length")
        elif self.last is not None and not last and len(part) < len(self.parts[self.last]):
            raise Refused("length")

    def report(self, name):
        missing = next(i for i in range(len(self.parts) + 1) if i not in self.parts)
        total = None if self.last is None else self.last + 1
        joined = b"".join(self.parts[i] for i in range(missing))
        complete = missing == total
        if complete and file_id(joined, self.length) != name:
            return {"error": "mixed"}
        missing = None if complete else missing
        return {"total": total, "first_missing": missing, "joined": joined.hex()}


def report_of(text):
    """What became of each packet, and what they make of each file."""
    outcomes, files = [], {}
    for line in text.split():
        try:
            name, sequence, last, part = parse(bytes.fromhex(line))
        except Refused as refused:
            outcomes.append(str(refused))
            continue
        file = files.setdefault(name, File())
        try:
            became = file.add(sequence, last, part)
        except Refused as refused:
            became = str(refused)
        outcomes.append(f"{became} {name.hex()} {sequence}" + " last" * last)
    reports = {name.hex(): file.report(name) for name, file in sorted(files.items())}
    return {"outcomes": outcomes, "files": reports}


def main(arguments):
    if arguments == ["--outcomes"]:
        while prefix := sys.stdin.buffer.read(4):
            text = sys.stdin.buffer.read(*struct.unpack("<I", prefix)).decode()
            print(json.dumps(report_of(text)))
        return 0
    if len(arguments) == 2 and arguments[0] == "--check":
        files = sorted(pathlib.Path(arguments[1]).glob("*.txt"))
        wrong = 0
        for file in files:
            expected = json.loads(file.with_suffix(".json").read_text("utf-8"))
            found = report_of(file.read_text("utf-8"))
            if found != {name: expected[name] for name in found}:
                print(f"{file}: expected {expected!r}, found {found!r}")
                wrong += 1
        print(f"{len(files) - wrong} of {len(files)} vectors of packets agree")
        return 1 if wrong or not files else 0
    if len(arguments) != 1:
        sys.exit(__doc__)
    print(json.dumps(report_of(pathlib.Path(arguments[0]).read_text("utf-8")), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
