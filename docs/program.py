"""The program flextok, for the scripts beside this file: FLEXTOK names another binary than target/release/flextok."""
import functools
import io
import json
import os
import pathlib
import subprocess

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLEXTOK = os.environ.get("FLEXTOK", ROOT / "target/release/flextok")
PHOTOS = [ROOT / "tests/photos" / name for name in ("chelsea.png", "coffee.png", "astronaut.png", "seeding.jpg")]


def run(*arguments, data=None):
    """What the program writes to standard output."""
    return subprocess.run([FLEXTOK, *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def opened(path):
    """A picture as RGB, without its colour profile and EXIF data, which Pillow would write into each file."""
    picture = Image.open(path).convert("RGB")
    picture.info.clear()
    return picture


def png(picture):
    """A picture as a PNG file, little compressed."""
    file = io.BytesIO()
    picture.save(file, format="PNG", compress_level=1)
    return file.getvalue()


@functools.cache
def looks():
    """What `decode --look` is to be given, by the name of the row; a program without it has one look."""
    named = ("plain", "faithful", "sharp") if b"--look" in run("decode", "--help") else ()
    return {"flextok": None} | {f"flextok, {look}": look for look in named}


def encode(picture, size):
    """The file of at most so many bytes."""
    return run("encode", "-q", "--threads", "1", "-b", str(size), "-", "-o", "-", data=png(picture))


def decode(file, look=None):
    """The picture of a file."""
    options = ["--look", look] if look else []
    return Image.open(io.BytesIO(run("decode", "-q", "--threads", "1", *options, "-", "-o", "-", data=file))).convert("RGB")


def compare(path, picture):
    """PSNR, SSIM and SSIMULACRA 2 of a picture against the one of a PNG file."""
    return json.loads(run("compare", "--json", "--threads", "1", path, "-", data=png(picture)))
