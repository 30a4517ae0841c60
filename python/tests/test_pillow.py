"""The plugin for Pillow."""

import io
from pathlib import Path
from typing import Any

import flextok
import flextok.pillow
import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError


def test_registered() -> None:
    assert Image.registered_extensions()[".flxt"] == "FLXT"
    assert Image.MIME["FLXT"] == "image/vnd.flextok"


def test_save_and_open(codec: flextok.Codec, photo: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.flxt"
    Image.fromarray(photo).save(path, "FLXT", bytes=300, title="A cup")
    data = path.read_bytes()
    assert data == codec.encode(photo, bytes=300, title="A cup")
    with Image.open(path) as picture:
        assert (picture.format, picture.size, picture.mode) == ("FLXT", (120, 90), "RGB")
        assert picture.info == {"model": "tables 1", "state": "complete", "title": "A cup"}
        assert picture.get_format_mimetype() == "image/vnd.flextok"
        assert (np.asarray(picture) == codec.decode(data)).all()
        assert (np.asarray(picture) == codec.decode(data)).all()
    stream = io.BytesIO()
    Image.fromarray(photo).save(stream, "FLXT")
    assert len(stream.getvalue()) <= 1024
    stream.seek(0)
    thumbnail = Image.open(stream)
    thumbnail.thumbnail((30, 30))
    assert thumbnail.size == (30, 23)


def test_truncated_files_open(codec: flextok.Codec, photo: Any) -> None:
    data = codec.encode(photo, bytes=300)
    picture = Image.open(io.BytesIO(data[:60]))
    assert picture.info["state"] == "truncated"
    assert (np.asarray(picture) == codec.decode(data[:60])).all()


def test_damaged_files(codec: flextok.Codec, photo: Any) -> None:
    data = codec.encode(photo, bytes=100)
    damaged = data[:50] + bytes([data[50] ^ 1]) + data[51:]
    for wrong in (damaged, data[:8], data[:2], b"\xf6\xdc" + bytes(50)):
        with pytest.raises(UnidentifiedImageError):
            Image.open(io.BytesIO(wrong))
    # The header is all there, and nothing behind it.
    header = flextok.info(data)["cuts"][0]["prefix_bytes"] - 1
    short = Image.open(io.BytesIO(data[:header]))
    with pytest.raises(OSError, match="not enough payload"):
        short.load()


def test_other_models(tiny: flextok.Codec, photo: Any) -> None:
    stream = io.BytesIO()
    Image.fromarray(photo).save(stream, "FLXT", codec=tiny, tokens=4)
    assert stream.getvalue() == tiny.encode(photo, tokens=4)
    picture = Image.open(stream)
    with pytest.raises(OSError, match="flextok.pillow.use"):
        picture.load()
    flextok.pillow.use(tiny)
    assert (np.asarray(Image.open(stream)) == tiny.decode(stream.getvalue())).all()


def test_options_that_are_refused(photo: Any, tmp_path: Path) -> None:
    with pytest.raises(flextok.UsageError):
        Image.fromarray(photo).save(tmp_path / "b.flxt", bytes=3)
    assert not (tmp_path / "b.flxt").exists()
