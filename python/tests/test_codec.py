"""Encode, decode, tokenize, detokenize, and files without a model."""

import os
import subprocess
from pathlib import Path
from typing import Any

import flextok
import numpy as np
import pytest
from conftest import NANO, PHOTOS, ROOT, TINY
from PIL import Image


def test_a_file_has_the_bytes_and_decodes_from_any_prefix(codec: flextok.Codec, photo: Any) -> None:
    data = codec.encode(photo, bytes=200)
    assert 190 < len(data) <= 200
    whole = codec.decode(data)
    assert (whole.shape, whole.dtype) == ((90, 120, 3), np.uint8)
    assert whole.flags.c_contiguous and whole.flags.writeable
    coarse = codec.decode(data[:40])
    assert coarse.shape == whole.shape

    def error(picture: Any) -> float:
        return float(((picture.astype(float) - photo) ** 2).mean())

    assert error(whole) < error(coarse) < error(np.full_like(photo, 128))


def test_output_and_looks(codec: flextok.Codec, photo: Any) -> None:
    data = codec.encode(photo, bytes=300)
    picture = codec.decode(data, output="pil")
    assert isinstance(picture, Image.Image) and picture.size == (120, 90)
    assert (np.asarray(picture) == codec.decode(data)).all()
    assert (codec.decode(data, look=0.5) == codec.decode(data)).all()
    assert (codec.decode(data, look="plain") != codec.decode(data, look="sharp")).any()
    assert codec.decode(data, keep_canvas=True).shape[0] % 32 == 0


def test_options_of_encode(codec: flextok.Codec, photo: Any) -> None:
    assert codec.decode(codec.encode(photo, original_size=(50, 40))).shape == (40, 50, 3)
    titled = codec.encode(photo, title="A cup")
    assert flextok.info(titled)["metadata"]["title"] == "A cup"
    assert flextok.info(codec.encode(photo, canvas="own"))["canvas_is_own"]
    assert flextok.info(codec.encode(photo, canvas=2))["canvas"] == [64, 64]
    clear = np.zeros((40, 40, 4), np.uint8)
    red, white = codec.encode(clear, background=(255, 0, 0)), codec.encode(clear)
    assert np.abs(codec.decode(red).mean(axis=(0, 1)) - (255, 0, 0)).max() < 8
    assert codec.decode(white).mean() > 250


def test_batches_are_what_single_calls_are(codec: flextok.Codec, photo: Any) -> None:
    pictures = [photo[: 20 + 3 * i] for i in range(11)]
    files = codec.encode_batch(pictures, bytes=100)
    assert files == [codec.encode(one, bytes=100) for one in pictures]
    assert files == codec.encode_batch((one for one in pictures), bytes=100)
    decoded = codec.decode_batch(files)
    assert [one.shape for one in decoded] == [one.shape for one in pictures]
    assert (decoded[3] == codec.decode(files[3])).all()
    assert codec.encode_batch([]) == [] and codec.decode_batch([]) == []


def test_tokens(tiny: flextok.Codec, photo: Any) -> None:
    pictures = [photo[i:] for i in range(10)]
    tokens = tiny.tokenize(pictures, tokens=6)
    assert (tokens.shape, tokens.dtype) == ((10, 6), np.uint16)
    assert (tokens[4] == tiny.tokenize(photo[4:], tokens=6)[0]).all()
    assert (tokens[7] == flextok.tokens(tiny.encode(photo[7:], tokens=6))).all()
    assert (tiny.tokenize(np.stack([photo, photo])) == tiny.tokenize([photo, photo])).all()
    channels_first = np.stack([photo, photo]).transpose(0, 3, 1, 2)
    assert (tiny.tokenize(channels_first) == tiny.tokenize([photo, photo])).all()
    assert tiny.max_tokens is not None and tiny.tokenize([]).shape == (0, tiny.max_tokens)
    assert tiny.tokenize([], tokens=3).shape == (0, 3)


def test_detokenize(tiny: flextok.Codec, photo: Any) -> None:
    tokens = tiny.tokenize([photo, photo[::-1]], tokens=4)
    pictures = tiny.detokenize(tokens, steps=2)
    assert tiny.canvas is not None
    assert [one.shape for one in pictures] == [(*tiny.canvas[::-1], 3)] * 2
    for same in (tokens.astype(np.int64), tokens.tolist(), [*tokens]):
        assert (np.stack(tiny.detokenize(same, steps=2)) == np.stack(pictures)).all()
    assert (tiny.detokenize(tokens[1], steps=2)[0] == pictures[1]).all()
    ragged = tiny.detokenize([tokens[0], tokens[1][:2]], steps=2, output="pil")
    assert (np.asarray(ragged[0]) == pictures[0]).all() and len(ragged) == 2
    sized = tiny.detokenize(tokens, steps=2, size=[(30, 20), (40, 50)])
    assert [one.shape for one in sized] == [(20, 30, 3), (50, 40, 3)]
    data = tiny.pack(tokens[0], (120, 90))
    assert data == tiny.encode(photo, tokens=4)
    assert (tiny.decode(data, steps=2) == tiny.detokenize(tokens[0], steps=2, size=(120, 90))[0]).all()
    assert (tiny.detokenize(tokens[0], steps=2, seed=1)[0] != pictures[0]).any()


@pytest.mark.parametrize(
    "tokens", [[[70000]], [[-1]], [[0.5]], [["a"]], np.zeros((1, 1, 1, 1), int), [[1] * 300], [[]], [[65535]]]
)
def test_what_is_no_token_is_refused(tiny: flextok.Codec, tokens: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        tiny.detokenize(tokens)


def test_properties(codec: flextok.Codec, tiny: flextok.Codec) -> None:
    assert (codec.model, codec.max_tokens, codec.canvas, codec.learned) == ("tables 1", None, None, True)
    assert (codec.device, codec.precision, codec.path, codec.fallback) == ("cpu", "f32", None, None)
    assert (tiny.precision, tiny.decode_precision, codec.decode_precision) == ("f32", "bf16", "f32")
    assert flextok.Codec(TINY, precision="int8").decode_precision == "int8"
    assert tiny.model == "cb0ce66e" and tiny.path == str(TINY)
    assert (tiny.max_tokens, tiny.codebook_size, tiny.learned) == (256, 64000, False)
    assert repr(tiny) == f"Codec({str(TINY)!r}, device='cpu') of model cb0ce66e"
    assert flextok.Codec(threads=1).device_name == "1 threads"


def test_info_and_truncate(codec: flextok.Codec, tiny: flextok.Codec, photo: Any) -> None:
    data = codec.encode(photo, bytes=500, title="t")
    about = flextok.info(data)
    assert (about["width"], about["height"], about["state"], about["bytes"]) == (120, 90, "complete", len(data))
    assert flextok.info(data[:99])["state"] == "truncated"
    cut = flextok.truncate(data, bytes=100)
    assert len(cut) <= 100 and flextok.info(cut)["state"] == "complete"
    assert flextok.info(flextok.truncate(data, bytes=100, keep_metadata=True))["metadata"]["title"] == "t"
    ids = tiny.encode(photo, tokens=9)
    assert len(flextok.tokens(flextok.truncate(ids, tokens=5))) == 5
    for wrong in ({}, {"bytes": 1, "tokens": 1}, {"tokens": 3}, {"bytes": 2}):
        with pytest.raises(flextok.UsageError):
            flextok.truncate(data, **wrong)
    with pytest.raises(flextok.UsageError, match="no token ids"):
        flextok.tokens(data)


def test_files_as_any_buffer(codec: flextok.Codec, photo: Any) -> None:
    data = codec.encode(photo, bytes=100)
    expected = codec.decode(data)
    for same in (bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        assert (codec.decode(same) == expected).all()
        assert flextok.info(same) == flextok.info(data)


def test_load_reads_upright_and_tells_of_what_is_left_out(tmp_path: Path, photo: Any) -> None:
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(turned, exif=exif)
    assert flextok.load(turned).shape == (120, 90, 3)
    assert (flextok.load(turned.read_bytes()) == flextok.load(str(turned))).all()
    moving = tmp_path / "moving.gif"
    Image.fromarray(photo).save(moving, save_all=True, append_images=[Image.fromarray(photo[::-1])])
    with pytest.warns(flextok.PictureWarning, match="moving.gif: animated"):
        flextok.load(moving)
    Image.fromarray(photo[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    deep = flextok.load(tmp_path / "deep.png")
    assert (deep.shape, deep.dtype) == ((90, 120, 1), np.uint16)


def test_networks_of_all_kinds_open() -> None:
    assert flextok.Codec(NANO, mmap=False).max_tokens == 256


def test_the_version_is_the_workspace_s() -> None:
    assert f'version = "{flextok.__version__}"' in (ROOT / "Cargo.toml").read_text().splitlines()


@pytest.mark.skipif("FLEXTOK" not in os.environ, reason="FLEXTOK names no program")
def test_files_are_those_of_the_program(codec: flextok.Codec, tiny: flextok.Codec, tmp_path: Path) -> None:
    program, photo = os.environ["FLEXTOK"], PHOTOS / "chelsea.png"
    picture = flextok.load(photo)
    for name, given, made in (
        ("a", ["--bytes", "300"], codec.encode(picture, bytes=300)),
        ("b", ["--model", TINY, "-k", "7"], tiny.encode(picture, tokens=7)),
    ):
        out = tmp_path / f"{name}.flxt"
        subprocess.run([program, "encode", photo, "-o", out, *given], check=True)
        assert out.read_bytes() == made
        printed = subprocess.run([program, "info", "--json", out], check=True, capture_output=True, text=True)
        about = flextok.info(made)
        assert about == {key: value for key, value in __import__("json").loads(printed.stdout).items() if key != "file"}
    subprocess.run([program, "decode", tmp_path / "a.flxt", "-o", tmp_path / "a.png"], check=True)
    assert (flextok.load(tmp_path / "a.png") == codec.decode((tmp_path / "a.flxt").read_bytes())).all()


def test_tokens_in_fields_of_packed_records(tiny: flextok.Codec) -> None:
    records = np.zeros(4, dtype=[("id", "u2"), ("w", "u1")])
    records["id"], records["w"] = [10, 20, 30, 40], 255
    assert flextok.tokens(tiny.pack(records["id"], (9, 9))).tolist() == [10, 20, 30, 40]
