"""Writes examples/ and vectors/ with the independent writer; the same bytes every time.

The outcomes are written down in valid.py, invalid.py and packet_vectors.py by hand, from the rules,
before any reader is asked.
    python3 make_vectors.py              into this specification
    python3 make_vectors.py DIRECTORY    elsewhere, to compare
"""

import json
import pathlib
import struct
import sys

from invalid import invalid_files
from packet_vectors import packet_vectors
from valid import MODEL, PHOTO, valid_files
from writer import IDS, METADATA, coded_fields, file_bytes, header, ids_fields

PAYLOAD = bytes(i * 29 + 7 & 255 for i in range(70))
TEXTS = [(1, b"flextok 0.1.0"), (2, b"Harbour")]


def coded_example():
    return file_bytes(header(coded_fields(PHOTO, 70, canvas=2), METADATA), PAYLOAD, chunks=TEXTS)


def cut_example():
    return file_bytes(header(coded_fields(PHOTO, 20, canvas=2)), PAYLOAD[:20])


def ids_example():
    head = header(ids_fields(MODEL, PHOTO, 5, 64_000), IDS)
    return file_bytes(head, struct.pack("<5H", 17_261, 52, 40_960, 9_817, 63_999), unit=2)


EXAMPLES = {"coded": coded_example, "cut": cut_example, "ids": ids_example}


def report_text(report):
    """JSON with one field in each line."""
    fields = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in report.items())
    return "{\n" + ",\n".join(fields) + "\n}\n"


def main(arguments):
    here = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(arguments[0]) if arguments else here
    for directory in ("examples", *(f"vectors/{kind}" for kind in ("valid", "invalid", "packets"))):
        (root / directory).mkdir(parents=True, exist_ok=True)
    for name, example in EXAMPLES.items():
        (root / f"examples/{name}.flxt").write_bytes(example())
    for kind, files in (("valid", valid_files()), ("invalid", invalid_files())):
        for name, data, report in files:
            (root / "vectors" / kind / f"{name}.flxt").write_bytes(data)
            text = report_text(report)
            (root / "vectors" / kind / f"{name}.json").write_text(text, encoding="utf-8")
    for name, packets, report in packet_vectors(coded_example()):
        lines = "".join(packet.hex() + "\n" for packet in packets)
        (root / f"vectors/packets/{name}.txt").write_text(lines, encoding="utf-8")
        text = report_text(report)
        (root / f"vectors/packets/{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
