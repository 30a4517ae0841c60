"""Three drawings, the same in each run, for the figures of text and flat colours (docs/quality.py --drawings)."""
import math

from PIL import Image, ImageDraw, ImageFont

SIZE = (600, 400)
TEXT = """The committee met on the third of March. Of the nine
members seven were there; two had sent their excuses.
The minutes of the last meeting were read and signed.

1. The roof of the hall leaks in four places. Mr Quill has
asked for offers: 2,340 from Ashby, 1,985 from Holt. It
was agreed to take the second, with work from 12 May.

2. The library wants longer hours in winter. A vote was
put off until its costs are known (about 60 a week).

3. Thanks were given to J. Fox, who mended the gate and
would not be paid. The meeting closed at 9.45 p.m."""


def text():
    """A page of black text on white."""
    picture = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(picture).multiline_text((32, 28), TEXT, "black", ImageFont.load_default(20), spacing=8)
    return picture


def chart():
    """A line chart with a grid, labels and a legend."""
    picture = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(15)
    draw.text((300, 12), "Visitors a month, in thousands", "black", ImageFont.load_default(20), anchor="mt")
    for step in range(6):
        y = 350 - 58 * step
        draw.line([(60, y), (575, y)], "black" if step == 0 else "#cccccc")
        draw.text((52, y), str(20 * step), "black", font, anchor="rm")
    draw.line([(60, 60), (60, 350)], "black")
    for month, name in enumerate(("Jan", "Mar", "May", "Jul", "Sep", "Nov")):
        draw.text((70 + 94 * month, 358), name, "black", font, anchor="mt")
    for index, (name, colour) in enumerate((("museum", "#1f5fbf"), ("garden", "#2e8b3d"), ("tower", "#c0392b"))):
        points = [(70 + 47 * month, 350 - 2.9 * (45 + (12 + 9 * index) * math.sin(0.55 * month + 1.9 * index) + 2.2 * month))
                  for month in range(11)]
        draw.line(points, colour, 3, joint="curve")
        for x, y in points:
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), colour)
        draw.line([(80, 75 + 20 * index), (105, 75 + 20 * index)], colour, 3)
        draw.text((112, 75 + 20 * index), name, "black", font, anchor="lm")
    return picture


def logo():
    """A drawing of a few flat colours with sharp edges, and a word."""
    # Drawn four times as large, for smooth edges.
    picture = Image.new("RGB", (4 * SIZE[0], 4 * SIZE[1]), "#f4efe6")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((760, 120, 1640, 1000), "#12355b")
    draw.pieslice((760, 120, 1640, 1000), 20, 160, "#d1495b")
    draw.polygon([(1200, 220), (1500, 760), (900, 760)], "#edae49")
    draw.ellipse((1080, 480, 1320, 720), "#f4efe6")
    draw.text((1200, 1280), "NORTHWIND", "#12355b", ImageFont.load_default(280), anchor="mm")
    return picture.resize(SIZE, Image.BOX)


DRAWINGS = {"text": text, "chart": chart, "logo": logo}
