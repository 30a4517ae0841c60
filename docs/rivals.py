#!/usr/bin/env python3
"""How long WebP, AVIF and JPEG take for a photo in a given number of bytes, in process: for measure.sh

    python3 docs/rivals.py --time PHOTO BYTES [REPS]
                                              bytes, and medians in ms of encode, decode and both, in the photo's own size
    python3 docs/rivals.py --versions         the libraries behind Pillow

Their quality is measured by `flextok eval --against`.
"""
import io
import pathlib
import statistics
import sys
import time

from PIL import Image, features

from program import opened

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
