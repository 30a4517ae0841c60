"""What the documentation says is so."""

import doctest
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import flextok
import flextok.pillow
import flextok.tables
import pytest
from conftest import PHOTOS, ROOT

USE = '''
import flextok, flextok.pillow, flextok.tables
import numpy as np
from PIL import Image

codec = flextok.Codec("model.safetensors", device="auto", limits={"pixels": 5})
data: bytes = codec.encode(np.zeros((4, 4, 3), np.uint8), bytes=100, canvas="own")
array: np.ndarray = codec.decode(data, look="sharp")
image: Image.Image = codec.decode(data, output="pil")
images: list[Image.Image] = codec.detokenize([[1, 2]], size=(3, 4), output="pil")
tokens: np.ndarray = codec.tokenize([image, array], tokens=3)
with flextok.ProgressiveDecoder(codec, refresh=0.5) as decoder:
    decoder.feed(memoryview(data))
    picture = decoder.finish()
'''


def public() -> list[tuple[str, Any]]:
    found = [(name, getattr(flextok, name)) for name in flextok.__all__ if name[0] != "_"]
    for module in (flextok.pillow, flextok.tables):
        found += [(name, getattr(module, name)) for name in module.__all__]
    for kind in (flextok.Codec, flextok.ProgressiveDecoder, flextok.Picture):
        members = [(name, member) for name, member in vars(kind).items() if name[0] != "_"]
        found += [(f"{kind.__name__}.{name}", member) for name, member in members]
    return found


def test_everything_public_is_documented() -> None:
    assert len(public()) > 40
    aliases = {"FileInfo"}
    undocumented = [name for name, thing in public() if name not in aliases and not inspect.getdoc(thing)]
    assert undocumented == []
    # Those that take or give arrays say of which shape.
    for method in ("encode", "encode_batch", "tokenize", "decode", "decode_batch", "detokenize", "pack"):
        assert "[" in (inspect.getdoc(getattr(flextok.Codec, method)) or ""), method


def test_examples_of_docstrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PHOTOS / "seeding.jpg", "photo.jpg")
    tried = 0
    for module in (flextok, flextok._codec, flextok._progressive, flextok.pillow):
        # The examples of the package show no output of theirs.
        results = doctest.testmod(module)
        assert results.failed == 0
        tried += results.attempted
    assert tried >= 10


def test_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    use = tmp_path / "use.py"
    use.write_text(USE)
    config = ["--config-file", "", "--strict", "--cache-dir", str(tmp_path / "cache")]
    checked = subprocess.run([sys.executable, "-m", "mypy", *config, use], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    use.write_text(USE + '\ncodec.decode(data, look="pretty")\n')
    checked = subprocess.run([sys.executable, "-m", "mypy", *config, use], capture_output=True, text=True)
    assert checked.returncode == 1 and "No overload variant" in checked.stdout


def test_the_extension_s_stub() -> None:
    pytest.importorskip("mypy")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "flextok._flextok"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_recipes_are_the_examples() -> None:
    for page, example in (("ray.md", "ray_tokens.py"), ("spark.md", "spark_tokens.py")):
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)
        assert (ROOT / "python/examples" / example).read_text() in blocks


def test_the_readme_s_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PHOTOS / "seeding.jpg", "photo.jpg")
    shutil.copy(ROOT / "tests/data/nano.safetensors", "model.safetensors")
    ran = 0
    for page in (ROOT / "README.md", ROOT / "python/README.md"):
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
            exec(compile(block, str(page), "exec"), {})
            ran += 1
    assert ran >= 2
