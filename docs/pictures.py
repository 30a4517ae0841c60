#!/usr/bin/env python3
"""Draws docs/preview.png, the first picture of README.md: one photo in few bytes by flextok, WebP and AVIF.

    cargo build --release && pip install -r docs/requirements.txt && python3 docs/pictures.py [PHOTO [OUT]]

It takes ten seconds. FLEXTOK names another binary. Each tile is the whole photo, from a file of at most the column's
bytes: flextok's of that size at its default look, the others' of the best PSNR over shrinkings and qualities (rivals.py).
"""
import sys

from PIL import Image, ImageDraw, ImageFont

import program
import rivals

PHOTO = program.ROOT / "tests/photos/coffee.png"
OUT = program.ROOT / "docs/preview.png"
BUDGETS = [32, 64, 128, 256, 512, 1024]
CODECS = ["flextok", "WebP", "AVIF"]
# Twice what GitHub shows a README in.
WIDTH = 1660
GAP = 10
MARGIN = 12
COLUMN = (WIDTH - 2 * MARGIN - 6 * GAP) // 7
HEADING = 46
CAPTION = 38
INK, FAINT, EMPTY = "#1f2328", "#59636e", "#eff1f3"


def tiles(photo):
    """For each codec and number of bytes the file's bytes and its picture, or None."""
    for codec in CODECS:
        if codec == "flextok":
            files = {budget: program.encode(photo, budget) for budget in BUDGETS}
            yield codec, {budget: (len(file), program.decode(file)) for budget, file in files.items()}
        else:
            files = rivals.best(photo, BUDGETS, rivals.RIVALS[codec])
            yield codec, {budget: file and (len(file), rivals.decoded(file, photo.size)) for budget, file in files.items()}


def sheet(photo):
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

    for row, (codec, found) in enumerate(tiles(photo)):
        draw.text((MARGIN, row * step + HEADING - 10), codec, INK, name_font, anchor="ls")
        for column, budget in enumerate(BUDGETS):
            size, tile = found[budget] or (None, None)
            place(column, row, tile, f"{size} bytes" if size else "no file\nthis small")
        place(len(BUDGETS), row, photo, "original")
    return picture


def main():
    arguments = sys.argv[1:]
    photo = program.opened(arguments[0] if arguments else PHOTO)
    out = arguments[1] if len(arguments) > 1 else OUT
    sheet(photo).save(out, optimize=True)


if __name__ == "__main__":
    main()
