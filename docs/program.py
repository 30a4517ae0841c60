"""The program flextok, for the scripts beside this file: FLEXTOK names another binary than target/release/flextok."""
import io
import json
import os
import pathlib
import subprocess

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLEXTOK = os.environ.get("FLEXTOK", ROOT / "target/release/flextok")
LPIPS = ROOT / "docs/metrics/lpips_alex.safetensors"
# What `decode --look` is given, by the name of the row.
LOOKS = {"flextok": None} | {f"flextok, {look}": look for look in ("plain", "faithful", "sharp")}
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


def evaluate(pictures, budgets, look=None, against=(), export=None):
    """The results of `flextok eval`."""
    options = ["--bytes", ",".join(map(str, budgets)), "--lpips", LPIPS]
    options += ["--look", look] if look else []
    options += ["--against", ",".join(against)] if against else []
    options += ["--export", export] if export else []
    return json.loads(run("eval", "-q", "--json", *options, *pictures))


def compare(path, picture):
    """PSNR, SSIM, SSIMULACRA 2 and LPIPS of a picture against the one of a PNG file."""
    return json.loads(run("compare", "--json", "--lpips", LPIPS, path, "-", data=png(picture)))
