#!/usr/bin/env python3
"""What WebP, AVIF and JPEG make of a photo in a given number of bytes, as rows of a Markdown table.

    python3 docs/rivals.py PHOTO BYTES...     PSNR in dB against the photo in its own size
    python3 docs/rivals.py --time PHOTO BYTES [REPS]
                                              bytes, and medians in ms of encode, decode and both, in the photo's own size
    python3 docs/rivals.py --versions         the libraries behind Pillow

A photo is shrunken by Lanczos, encoded, decoded, and enlarged by Lanczos again; a row has, for each number of bytes, the
best over all shrinkings and qualities whose complete file fits, or "-" if none does. docs/measure.sh runs this.
"""
import io
import math
import pathlib
import statistics
import sys
import time

import numpy
from PIL import Image, features

SCALES = [1, 0.85, 0.7, 0.6, 0.5, 0.42, 0.35, 0.3, 0.25, 0.2, 0.16, 0.13, 0.1, 0.08, 0.06, 0.045, 0.03, 0.02, 0.014, 0.01]
QUALITIES = [1, 2, 4, 6, 9, 12, 16, 20, 25, 30, 36, 43, 50, 58, 66, 75, 85, 92]
RIVALS = {
    "WebP": dict(format="WEBP", method=6),
    "AVIF": dict(format="AVIF", speed=6, subsampling="4:2:0", max_threads=1),
    "JPEG": dict(format="JPEG", optimize=True, progressive=True, subsampling="4:2:0"),
}


def psnr(photo, other):
    """PSNR over all samples of two RGB pictures of one size."""
    error = numpy.asarray(photo, numpy.float64) - numpy.asarray(other, numpy.float64)
    return 10 * math.log10(255**2 / max((error**2).mean(), 1e-9))


def best(photo, budgets, options):
    """The best PSNR in at most so many bytes, for each of the budgets; None where nothing fits."""
    found = dict.fromkeys(budgets)
    for scale in SCALES:
        size = tuple(max(1, round(side * scale)) for side in photo.size)
        small = photo.resize(size, Image.LANCZOS)
        files = {}
        for quality in QUALITIES:
            file = io.BytesIO()
            small.save(file, quality=quality, **options)
            files[quality] = file.getvalue()
            if len(files[quality]) > max(budgets):
                break
        for budget in budgets:
            fitting = [quality for quality in files if len(files[quality]) <= budget]
            if fitting:
                decoded = Image.open(io.BytesIO(files[max(fitting)])).convert("RGB").resize(photo.size, Image.LANCZOS)
                found[budget] = max(psnr(photo, decoded), found[budget] or 0)
    return found


def median_ms(reps, work):
    """Median time of `reps` runs in milliseconds."""
    times = []
    for _ in range(reps):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def timed(photo, budget, reps, options):
    """Bytes at the best quality of 1 to 100 whose file fits, and the medians of its encode and decode."""

    def encode(quality):
        file = io.BytesIO()
        photo.save(file, quality=quality, **options)
        return file.getvalue()

    quality = max((quality for quality in range(1, 101) if len(encode(quality)) <= budget), default=None)
    if quality is None:
        return None
    file = encode(quality)
    return (len(file), median_ms(reps, lambda: encode(quality)),
            median_ms(reps, lambda: Image.open(io.BytesIO(file)).convert("RGB")))


def print_times(path, budget, reps):
    photo = Image.open(path).convert("RGB")
    photo.info.clear()
    for name, options in RIVALS.items():
        # As many threads as flextok; the other two have one.
        threads = {"max_threads": 2} if name == "AVIF" else {}
        found = timed(photo, budget, reps, options | threads)
        cells = "- | - | - | -" if found is None else (
            f"{found[0]} | {found[1]:.1f} | {found[2]:.1f} | {found[1] + found[2]:.1f}")
        print(f"| {pathlib.Path(path).name} | {name} | {cells} |", flush=True)


def main():
    if sys.argv[1] == "--time":
        print_times(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 15)
        return
    if sys.argv[1] == "--versions":
        import PIL

        print(f"libwebp {features.version('webp')}, libavif {features.version('avif')},",
              f"libjpeg-turbo {features.version('libjpeg_turbo')}, through Pillow {PIL.__version__}")
        return
    photo = Image.open(sys.argv[1]).convert("RGB")
    # Pillow would write the photo's colour profile and EXIF data into each file.
    photo.info.clear()
    budgets = [int(size) for size in sys.argv[2:]]
    for name, options in RIVALS.items():
        found = best(photo, budgets, options)
        cells = ["-" if found[size] is None else f"{found[size]:.2f}" for size in budgets]
        print(f"| {pathlib.Path(sys.argv[1]).name} | {name} |", " | ".join(cells), "|", flush=True)


main()
