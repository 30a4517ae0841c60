#!/usr/bin/env python3
"""Draws docs/preview.png, the first picture of README.md: one photo in few bytes by flextok, WebP and AVIF.

    cargo build --release && pip install -r docs/requirements.txt && python3 docs/pictures.py [PHOTO [OUT]]

It needs cwebp, avifenc and their decoders. FLEXTOK names another binary. Each tile is the whole photo, from a file of at
most the column's bytes: what `flextok eval --against webp,avif` exports.
"""
import pathlib
import sys
import tempfile

from PIL import Image, ImageDraw, ImageFont

import program

PHOTO = program.ROOT / "tests/photos/coffee.png"
OUT = program.ROOT / "docs/preview.png"
BUDGETS = [32, 64, 128, 256, 512, 1024]
CODECS = {"flextok": "flextok", "webp": "WebP", "avif": "AVIF"}
# Twice what GitHub shows a README in.
WIDTH = 1660
GAP = 10
MARGIN = 12
COLUMN = (WIDTH - 2 * MARGIN - 6 * GAP) // 7
HEADING = 46
CAPTION = 38
INK, FAINT, EMPTY = "#1f2328", "#59636e", "#eff1f3"


def tiles(path):
    """For each codec and number of bytes the file's bytes and its picture, where there is one."""
    with tempfile.TemporaryDirectory() as folder:
        rivals = [codec for codec in CODECS if codec != "flextok"]
        results = program.evaluate([path], BUDGETS, against=rivals, export=folder)
        found = {codec: dict.fromkeys(BUDGETS) for codec in CODECS}
        for one in results["measurements"]:
            decode = pathlib.Path(folder, f"{one['codec']}-{one['budget']}", f"{path.stem}.png")
            found[one["codec"]][one["budget"]] = one["bytes"], program.opened(decode)
    return found


def sheet(path):
    photo = program.opened(path)
    height = round(photo.height * COLUMN / photo.width)
    step = HEADING + height + CAPTION + GAP
    picture = Image.new("RGB", (WIDTH, len(CODECS) * step), "white")
    draw = ImageDraw.Draw(picture)
    name_font, font = ImageFont.load_default(34), ImageFont.load_default(25)

    def place(column, row, tile, caption):
        x, y = MARGIN + column * (COLUMN + GAP), row * step + HEADING
        if tile is None:
            draw.rectangle((x, y, x + COLUMN - 1, y + height - 1), EMPTY)
            draw.multiline_text((x + COLUMN / 2, y + height / 2), caption, FAINT, font, anchor="mm", align="center")
        else:
            picture.paste(tile.resize((COLUMN, height), Image.LANCZOS), (x, y))
            draw.text((x + COLUMN / 2, y + height + 6), caption, INK, font, anchor="mt")

    for row, (codec, found) in enumerate(tiles(path).items()):
        draw.text((MARGIN, row * step + HEADING - 10), CODECS[codec], INK, name_font, anchor="ls")
        for column, budget in enumerate(BUDGETS):
            size, tile = found[budget] or (None, None)
            place(column, row, tile, f"{size} bytes" if size else "no file\nthis small")
        place(len(BUDGETS), row, photo, "original")
    return picture


def main():
    arguments = sys.argv[1:]
    path = pathlib.Path(arguments[0]) if arguments else PHOTO
    out = arguments[1] if len(arguments) > 1 else OUT
    sheet(path).save(out, optimize=True)


if __name__ == "__main__":
    main()
