#!/usr/bin/env python3
"""The measured quality that README.md, docs/quality.md and models/README.md show, as Markdown tables of what `flextok eval`
finds, with BlurHash and ThumbHash beside it, which are no image formats:

    cargo build --release && pip install -r docs/requirements.txt && python3 docs/quality.py
    python3 docs/quality.py --drawings        text and drawings instead of the photos of tests/photos

It needs cwebp, avifenc, cjpeg and their decoders. FLEXTOK names another binary. LPIPS is measured by `flextok` too, with
docs/metrics/lpips_alex.safetensors.
"""
import io
import pathlib
import sys
import tempfile

import numpy
from PIL import Image

import drawings
import program

BUDGETS = [64, 128, 256, 512, 1024, 2048, 4096]
SMALL_BUDGETS = [20, 24, 28, 32]
DRAWING_BUDGETS = [256, 1024, 4096]
RIVALS = {"webp": "WebP", "avif": "AVIF", "jpeg": "JPEG"}
# Name in the tables, key, decimals, and whether more is better.
METRICS = [("PSNR", "psnr", 2, True), ("SSIM", "ssim", 3, True), ("SSIMULACRA 2", "ssimulacra2", 1, True),
           ("LPIPS", "lpips", 3, False)]


def evaluated(paths, budgets, looks, against=()):
    """By picture and codec, the figures of each budget, None where nothing fits; and the versions of the rivals."""
    found, versions = {}, []
    for codec, look in looks.items():
        # The rivals once, beside the first look.
        rivals = against if look is None else ()
        results = program.evaluate(paths, budgets, look, rivals)
        versions += [other["version"] for other in results["codecs"][1:]]
        for path in paths:
            for name in ["flextok", *rivals]:
                found[path, RIVALS.get(name, codec)] = dict.fromkeys(budgets)
        for one in results["measurements"]:
            figures = one["figures"]
            found[pathlib.Path(one["picture"]), RIVALS.get(one["codec"], codec)][one["budget"]] = figures | {
                "ssim": figures["ssim_gaussian11"], "bytes": one["bytes"]}
    return found, ", ".join(versions)


def blurhash_of(photo, columns, rows):
    """A BlurHash of so many components, and its picture. It is decoded as large as it was analysed."""
    import blurhash

    small = photo.copy()
    small.thumbnail((100, 100))
    text = blurhash.encode(numpy.asarray(small).tolist(), columns, rows)
    picture = numpy.array(blurhash.decode(text, small.width, small.height), numpy.uint8)
    return text, Image.fromarray(picture).resize(photo.size, Image.BICUBIC)


def psnr(first, second):
    """dB, over all samples."""
    error = numpy.asarray(first, float) - numpy.asarray(second, float)
    return 10 * numpy.log10(255 ** 2 / (error ** 2).mean())


def best_blurhash(photo, budgets):
    """The BlurHash of the best PSNR in at most so many characters: a character for the grid, one for the scale, four for
    the mean and two for each other component."""
    grids = [(columns, rows) for columns in range(1, 10) for rows in range(1, 10)
             if 4 + 2 * columns * rows <= max(budgets) and columns <= 4 * rows and rows <= 4 * columns]
    hashes = [blurhash_of(photo, *grid) for grid in grids]
    return {budget: max((one for one in hashes if len(one[0]) <= budget), key=lambda one: psnr(photo, one[1]))
            for budget in budgets}


def thumbhash_of(photo):
    """A ThumbHash and its picture."""
    import thumbhash

    small = photo.copy()
    small.thumbnail((100, 100))
    file = thumbhash.rgba_to_thumb_hash(*small.size, small.convert("RGBA").tobytes())
    width, height, pixels = thumbhash.thumb_hash_to_rgba(file)
    picture = Image.frombytes("RGBA", (width, height), pixels).convert("RGB")
    return file, picture.resize(photo.size, Image.BICUBIC)


def placeholders(path, budgets):
    """By codec, the figures of placeholders of a photo. Two have sizes of their own: 28 characters, and at most 24 bytes."""
    photo = program.opened(path)
    hashes = {"BlurHash": best_blurhash(photo, budgets), "BlurHash 4×3": {28: blurhash_of(photo, 4, 3)},
              "ThumbHash": {24: thumbhash_of(photo)}}
    return {(path, codec): {budget: program.compare(path, picture) | {"bytes": len(file)}
                            for budget, (file, picture) in files.items()}
            for codec, files in hashes.items()}


def row(*cells):
    print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


def heading(*cells):
    row(*cells)
    print("|---" * len(cells) + "|")


def with_best(rows, decimals, more_is_better):
    """Values as text, None as "-", the best in bold; those that read the same as the best too."""
    texts = ["-" if value is None else f"{value:.{decimals}f}" for value in rows]
    there = [float(text) for text in texts if text != "-"]
    top = (max if more_is_better else min)(there, default=None)
    return [f"**{text}**" if text != "-" and float(text) == top else text for text in texts]


def mean_table(found, paths, codecs, budgets):
    """Means over the pictures. A codec that has no file that small for one of them has none."""
    heading("at most", "codec", "bytes", *(metric[0] for metric in METRICS))
    for budget in budgets:
        rows = {codec: [found[path, codec][budget] for path in paths]
                for codec in codecs if budget in found[paths[0], codec]}

        def means(key):
            return [None if None in values else sum(value[key] for value in values) / len(values)
                    for values in rows.values()]

        columns = [with_best(means(key), decimals, better) for _, key, decimals, better in METRICS]
        sizes = ["-" if size is None else f"{size:.0f}" for size in means("bytes")]
        for codec, *cells in zip(rows, sizes, *columns):
            row(budget, codec, *cells)


def picture_table(found, paths, codecs, budgets, keys):
    """Two of the metrics for each picture by itself."""
    chosen = [metric for metric in METRICS if metric[1] in keys]
    heading("picture", "codec", *budgets)
    for path in paths:
        columns = []
        for budget in budgets:
            values = [found[path, codec].get(budget) for codec in codecs]
            parts = [with_best([value and value[key] for value in values], decimals, better)
                     for _, key, decimals, better in chosen]
            columns.append([" / ".join(cells) if cells[0] != "-" else "-" for cells in zip(*parts)])
        for codec, *cells in zip(codecs, *columns):
            row(path.stem, codec, *cells)


def lossless(picture):
    """Bytes of the picture as PNG, with a palette where its colours fit in one, and as lossless WebP."""
    def size(one, **options):
        file = io.BytesIO()
        one.save(file, **options)
        return file.tell()

    sizes = [size(picture, format="PNG", optimize=True)]
    if picture.getcolors(256):
        paletted = picture.convert("P", palette=Image.ADAPTIVE, colors=256)
        if paletted.convert("RGB").tobytes() == picture.tobytes():
            sizes.append(size(paletted, format="PNG", optimize=True))
    return min(sizes), size(picture, format="WEBP", lossless=True, quality=100, method=6)


def print_photos(folder):
    # All codecs and metrics get the same pixels: decoders of JPEG differ by a step here and there.
    paths = [folder / f"{path.stem}.png" for path in program.PHOTOS]
    for path, source in zip(paths, program.PHOTOS):
        program.opened(source).save(path)
    found, versions = evaluated(paths, BUDGETS, program.LOOKS, RIVALS)
    codecs = [*program.LOOKS, *RIVALS.values()]
    print(f"Mean of {len(paths)} photos by bytes of the complete file; {versions}\n")
    mean_table(found, paths, codecs, BUDGETS)
    print("\nEach photo: PSNR / LPIPS\n")
    picture_table(found, paths, codecs, BUDGETS, ("psnr", "lpips"))

    codecs = ["flextok", "BlurHash", "BlurHash 4×3", "ThumbHash"]
    found, _ = evaluated(paths, SMALL_BUDGETS, {"flextok": None})
    for path in paths:
        found |= placeholders(path, SMALL_BUDGETS)
    print("\nPlaceholders, mean of the photos: BlurHash as a string, the best of its grids that fits and 4×3; ThumbHash as"
          " bytes\n")
    mean_table(found, paths, codecs, SMALL_BUDGETS)
    print("\nEach photo: PSNR / LPIPS\n")
    picture_table(found, paths, codecs, SMALL_BUDGETS, ("psnr", "lpips"))


def print_drawings(folder):
    paths = []
    print("Drawings of 600×400 pixels, without loss\n")
    heading("picture", "PNG, bytes", "lossless WebP, bytes")
    for name, draw in drawings.DRAWINGS.items():
        paths.append(folder / f"{name}.png")
        picture = draw()
        picture.save(paths[-1])
        row(name, *lossless(picture))
    found, versions = evaluated(paths, DRAWING_BUDGETS, program.LOOKS, ["webp", "avif"])
    print(f"\nPSNR / SSIM by bytes of the complete file; {versions}\n")
    picture_table(found, paths, [*program.LOOKS, "WebP", "AVIF"], DRAWING_BUDGETS, ("psnr", "ssim"))


def main():
    with tempfile.TemporaryDirectory() as folder:
        (print_drawings if sys.argv[1:] == ["--drawings"] else print_photos)(pathlib.Path(folder))


if __name__ == "__main__":
    main()
