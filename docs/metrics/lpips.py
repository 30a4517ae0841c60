#!/usr/bin/env python3
"""LPIPS 0.1 with AlexNet by numpy alone (README.md beside this file says where the weights are from).

    python3 docs/metrics/lpips.py A B         distance of two pictures of one size
    python3 docs/metrics/lpips.py --check     compares with values.json (LPIPS and PSNR); exit code 1 if one differs

One distance of 600x400 pictures takes a quarter of a second on one core.
"""
import functools
import json
import math
import pathlib
import sys

import numpy

HERE = pathlib.Path(__file__).resolve().parent
# Index in the checkpoint, stride, padding, and whether a pooling goes before.
LAYERS = [(0, 4, 2, False), (3, 1, 2, True), (6, 1, 1, True), (8, 1, 1, False), (10, 1, 1, False)]
DTYPES = {"F16": "<f2", "F32": "<f4"}


@functools.cache
def weights():
    """The tensors of the checkpoint as f32, and its metadata."""
    file = (HERE / "lpips_alex.safetensors").read_bytes()
    start = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:start])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensor = numpy.frombuffer(file[start + begin:start + end], DTYPES[entry["dtype"]])
        tensors[name] = tensor.astype(numpy.float32).reshape(entry["shape"])
    return tensors, metadata


def convolve(planes, kernel, bias, stride, padding):
    """Convolution of planes [C, H, W] by a kernel [O, C, K, K], as one matrix product."""
    out, channels, side, _ = kernel.shape
    planes = numpy.pad(planes, ((0, 0), (padding, padding), (padding, padding)))
    height, width = ((length - side) // stride + 1 for length in planes.shape[1:])
    columns = numpy.empty((channels, side, side, height, width), numpy.float32)
    for y in range(side):
        for x in range(side):
            columns[:, y, x] = planes[:, y:y + stride * height:stride, x:x + stride * width:stride]
    product = kernel.reshape(out, -1) @ columns.reshape(-1, height * width)
    return (product + bias[:, None]).reshape(out, height, width)


def pool(planes):
    """Largest of 3x3, every second position."""
    height, width = ((length - 3) // 2 + 1 for length in planes.shape[1:])
    parts = [planes[:, y:y + 2 * height:2, x:x + 2 * width:2] for y in range(3) for x in range(3)]
    return functools.reduce(numpy.maximum, parts)


def features(picture):
    """What distance() compares, of a picture of uint8 RGB [H, W, 3]: five stages of unit vectors over channels."""
    tensors, metadata = weights()
    shift, scale = (numpy.array(metadata[key].split(","), numpy.float32) for key in ("shift", "scale"))
    planes = ((numpy.asarray(picture, numpy.float32) / 127.5 - 1 - shift) / scale).transpose(2, 0, 1)
    stages = []
    for index, stride, padding, pooled in LAYERS:
        if pooled:
            planes = pool(planes)
        kernel, bias = tensors[f"features.{index}.weight"], tensors[f"features.{index}.bias"]
        planes = numpy.maximum(convolve(planes, kernel, bias, stride, padding), 0)
        stages.append(planes / numpy.sqrt((planes**2).sum(0) + 1e-10))
    return stages


def distance(first, second):
    """LPIPS of two pictures by their features."""
    tensors, _ = weights()
    return float(sum((((one - other)**2).mean((1, 2)) * tensors[f"lin{index}"].ravel()).sum()
                     for index, (one, other) in enumerate(zip(first, second))))


def lpips(first, second):
    """LPIPS of two pictures of uint8 RGB [H, W, 3]: 0 for equal ones, about 0.8 for unrelated ones."""
    return distance(features(first), features(second))


def psnr(first, second):
    """PSNR over all samples of two RGB pictures of one size."""
    error = numpy.asarray(first, numpy.float32) - numpy.asarray(second, numpy.float32)
    return 10 * math.log10(255**2 / max((error**2).mean(dtype=numpy.float64), 1e-9))


def check(folder=HERE):
    """Whether all values of values.json are met; prints them."""
    from PIL import Image

    fine = True
    for entry in json.loads((folder / "values.json").read_text()):
        first, second = (numpy.asarray(Image.open(folder / entry[key]).convert("RGB")) for key in ("reference", "picture"))
        for name, found, tolerance in [("lpips_alex", lpips(first, second), 1e-3), ("psnr", psnr(first, second), 1e-3)]:
            good = abs(found - entry[name]) <= tolerance
            fine &= good
            print(f"{entry['picture']} {name}: {found:.6f}, expected {entry[name]:.6f}{'' if good else ': WRONG'}")
    return fine


def main():
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if check() else 1)
    from PIL import Image

    print(f"{lpips(*(numpy.asarray(Image.open(path).convert('RGB')) for path in sys.argv[1:3])):.4f}")


if __name__ == "__main__":
    main()
