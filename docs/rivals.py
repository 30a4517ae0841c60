#!/usr/bin/env python3
"""What WebP, AVIF and JPEG make of a photo in a given number of bytes: a module for quality.py and pictures.py, and

    python3 docs/rivals.py --time PHOTO BYTES [REPS]
                                              bytes, and medians in ms of encode, decode and both, in the photo's own size
    python3 docs/rivals.py --versions         the libraries behind Pillow

A photo is shrunken by Lanczos, encoded, decoded, and enlarged by Lanczos again; best() takes, for each number of bytes,
the highest PSNR over all shrinkings and qualities whose complete file fits.
"""
import io
import math
import pathlib
import statistics
import sys
import time

from PIL import Image, features

from metrics.lpips import psnr
from program import opened

SCALES = [1, 0.85, 0.7, 0.6, 0.5, 0.42, 0.35, 0.3, 0.25, 0.2, 0.16, 0.13, 0.1, 0.08, 0.06, 0.045, 0.03, 0.02, 0.014, 0.01]
QUALITIES = [1, 2, 4, 6, 9, 12, 16, 20, 25, 30, 36, 43, 50, 58, 66, 75, 85, 92]
RIVALS = {
    "WebP": dict(format="WEBP", method=6),
    "AVIF": dict(format="AVIF", speed=6, subsampling="4:2:0", max_threads=1),
    "JPEG": dict(format="JPEG", optimize=True, progressive=True, subsampling="4:2:0"),
}


def versions():
    """The libraries behind Pillow."""
    import PIL

    return (f"libwebp {features.version('webp')}, libavif {features.version('avif')}, "
            f"libjpeg-turbo {features.version('libjpeg_turbo')}, through Pillow {PIL.__version__}")


def encoded(picture, quality, options):
    file = io.BytesIO()
    picture.save(file, quality=quality, **options)
    return file.getvalue()


def decoded(file, size):
    """The picture of a file, enlarged to a size."""
    return Image.open(io.BytesIO(file)).convert("RGB").resize(size, Image.LANCZOS)


def best(photo, budgets, options):
    """The file of the best PSNR in at most so many bytes, for each of the budgets; None where nothing fits."""
    found = dict.fromkeys(budgets)
    reached = dict.fromkeys(budgets, -math.inf)
    for scale in SCALES:
        small = photo.resize(tuple(max(1, round(side * scale)) for side in photo.size), Image.LANCZOS)
        files = {}
        for quality in QUALITIES:
            files[quality] = encoded(small, quality, options)
            if len(files[quality]) > max(budgets):
                break
        values = {}
        for budget in budgets:
            fitting = [quality for quality in files if len(files[quality]) <= budget]
            if not fitting:
                continue
            quality = max(fitting)
            if quality not in values:
                values[quality] = psnr(photo, decoded(files[quality], photo.size))
            if values[quality] > reached[budget]:
                reached[budget], found[budget] = values[quality], files[quality]
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
    quality = max((quality for quality in range(1, 101) if len(encoded(photo, quality, options)) <= budget), default=None)
    if quality is None:
        return None
    file = encoded(photo, quality, options)
    return (len(file), median_ms(reps, lambda: encoded(photo, quality, options)),
            median_ms(reps, lambda: Image.open(io.BytesIO(file)).convert("RGB")))


def print_times(path, budget, reps):
    photo = opened(path)
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
    elif sys.argv[1] == "--versions":
        print(versions())


if __name__ == "__main__":
    main()
