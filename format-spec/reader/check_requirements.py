"""Checks that each requirement of ../README.md and ../network.md has an identifier and a vector or
a test that checks it, and that the text shows the fingerprints of the script. Standard library only.

    python3 check_requirements.py
"""

import pathlib
import re
import sys

import fingerprint

SPEC = pathlib.Path(__file__).resolve().parent.parent
ROOT = SPEC.parent
IDENTIFIER = re.compile(r"\[(R-[A-Z]+-[0-9]{2})\]")


def body_and_table():
    """The text that requires, and the rows of section 17: identifier and checks."""
    text = (SPEC / "README.md").read_text("utf-8")
    start, end = text.index("\n## 17. "), text.index("\n## 18. ")
    table = re.findall(r"^\| (R-[A-Z]+-[0-9]{2})[^|]*\| (.*) \|$", text[start:end], re.M)
    network = (SPEC / "network.md").read_text("utf-8")
    rows = [(name, re.findall(r"`([^`]+)`", checks)) for name, checks in table]
    return text[:start] + text[end:] + network, rows


def unnamed_requirements(body):
    """Each MUST has an identifier behind it, before the next MUST and the line's end."""
    for line in body.splitlines():
        if "RFC 2119" in line:
            continue
        for part in re.split(r"\bMUST\b", line)[1:]:
            if not IDENTIFIER.search(part):
                yield f"no identifier: MUST{part[:60]}"


def mismatches(body, rows):
    stated, listed = IDENTIFIER.findall(body), [name for name, _ in rows]
    for where, names in (("text", stated), ("table", listed)):
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{name} stands more than once in the {where}"
    yield from (f"{name} has no row in section 17" for name in sorted(set(stated) - set(listed)))
    yield from (f"{name} is in no text" for name in sorted(set(listed) - set(stated)))
    yield from (f"{name} is checked by nothing" for name, checks in rows if not checks)


def exists(check):
    """Whether the repository has a vector or a test of this name."""
    file, _, name = check.partition("::")
    if name:
        path = ROOT / file
        if not path.is_file():
            return False
        rust = rf"#\[test\]\n(\s*#\[.*\n)*\s*fn {name}\("
        test = rf"^def {name}\(" if path.suffix == ".py" else rust
        return re.search(test, path.read_text("utf-8"), re.M) is not None
    kind, _, name = check.partition("/")
    extension = {"valid": ".flxt", "invalid": ".flxt", "packets": ".txt"}.get(kind)
    return bool(extension and list((SPEC / "vectors" / kind).glob(name + extension)))


def fingerprints_are_those_of_the_text(body):
    """Section 7 shows what fingerprint.py computes."""
    for digits in fingerprint.vectors():
        if f"| `{digits}` |" not in body:
            yield f"section 7 does not show the fingerprint {digits}"


def main():
    body, rows = body_and_table()
    wrong = [*unnamed_requirements(body), *mismatches(body, rows)]
    for name, checks in rows:
        wrong += (f"{name}: there is no {check}" for check in checks if not exists(check))
    wrong += fingerprints_are_those_of_the_text(body)
    for line in wrong:
        print(line)
    print(f"{len(rows)} requirements, {sum(len(checks) for _, checks in rows)} checks named")
    return 1 if wrong or len(rows) < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
