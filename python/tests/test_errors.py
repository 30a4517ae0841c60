"""Bad input is an exception that says what is wrong, never a crash."""

from typing import Any

import flextok
import numpy as np
import pytest
from conftest import ROOT, TINY


def test_classes() -> None:
    for error, python in (
        (flextok.UsageError, ValueError),
        (flextok.CorruptError, ValueError),
        (flextok.LimitError, ValueError),
        (flextok.ImageError, ValueError),
        (flextok.IoError, OSError),
        (flextok.NotFoundError, FileNotFoundError),
        (flextok.ResourcesError, MemoryError),
        (flextok.DeviceError, RuntimeError),
        (flextok.WrongModelError, flextok.ModelError),
    ):
        assert issubclass(error, flextok.Error) and issubclass(error, python)


def test_each_failure_has_its_class(codec: flextok.Codec, tiny: flextok.Codec, photo: Any, tmp_path: Any) -> None:
    data = codec.encode(photo, bytes=100)
    (tmp_path / "text").write_text("no model, no picture")
    cases = [
        (flextok.CorruptError, lambda: codec.decode(b"no file")),
        (flextok.CorruptError, lambda: codec.decode(b"")),
        (flextok.CorruptError, lambda: codec.decode(data[: flextok.info(data)["cuts"][0]["prefix_bytes"] - 1])),
        (flextok.WrongModelError, lambda: tiny.decode(data)),
        (flextok.UsageError, lambda: codec.tokenize(photo)),
        (flextok.UsageError, lambda: codec.encode(photo, bytes=5)),
        (flextok.UsageError, lambda: codec.encode(photo, tokens=5)),
        (flextok.UsageError, lambda: tiny.encode(photo, tokens=5, bytes=99)),
        (flextok.UsageError, lambda: tiny.tokenize(photo, tokens=300)),
        (flextok.UsageError, lambda: codec.encode(photo, canvas="big")),
        (flextok.UsageError, lambda: codec.encode(photo, canvas=256)),
        (flextok.UsageError, lambda: codec.decode(data, look=2)),
        (flextok.UsageError, lambda: codec.decode(data, steps=3)),
        (flextok.UsageError, lambda: codec.decode(data, output="jpeg")),
        (flextok.UsageError, lambda: flextok.Codec(device="quantum")),
        (flextok.UsageError, lambda: flextok.Codec(precision="f8")),
        (flextok.UsageError, lambda: flextok.Codec(threads=100_000)),
        (flextok.UsageError, lambda: flextok.Codec(limits={"pixel": 3})),
        (flextok.NotFoundError, lambda: flextok.Codec(tmp_path / "none")),
        (flextok.NotFoundError, lambda: flextok.load(tmp_path / "none")),
        (flextok.ModelError, lambda: flextok.Codec(tmp_path / "text")),
        (flextok.ImageError, lambda: flextok.load(tmp_path / "text")),
        (flextok.LimitError, lambda: flextok.Codec(limits={"pixels": 99}).encode(photo)),
        (flextok.LimitError, lambda: flextok.load(ROOT / "tests/photos/coffee.png", limits={"pixels": 99})),
        (flextok.LimitError, lambda: flextok.Codec(TINY, limits={"steps": 4}).detokenize([1], steps=5)),
        (flextok.LimitError, lambda: flextok.Codec(TINY, limits={"side": 400}).detokenize([1], size=(500, 9))),
        (TypeError, lambda: codec.decode("a.flxt")),
        (TypeError, lambda: codec.encode(photo, bytes=1.5)),
        (TypeError, lambda: codec.encode(photo, bytes=True)),
        (TypeError, lambda: codec.encode(photo, original_size=3)),
        (TypeError, lambda: codec.decode(data, on_step=3)),
    ]
    for kind, call in cases:
        with pytest.raises(kind) as raised:
            call()
        text = str(raised.value)
        assert text and "\n" not in text and "panicked" not in text


def test_limits_name_their_key(photo: Any) -> None:
    with pytest.raises(flextok.LimitError) as raised:
        flextok.Codec(limits={"pixels": 99}).encode(photo)
    assert raised.value.limit == "pixels" and "10800 exceeds the limit of 99" in str(raised.value)
    with pytest.raises(FileNotFoundError) as missing:
        flextok.load("missing.png")
    assert missing.value.errno == 2 and str(missing.value).startswith("cannot read missing.png: ")


def test_batches_name_the_input(codec: flextok.Codec, photo: Any) -> None:
    files = codec.encode_batch([photo] * 12, bytes=60)
    files[10] = b"no file"
    with pytest.raises(flextok.CorruptError, match="input 10 of the batch") as raised:
        codec.decode_batch(files)
    assert raised.value.index == 10
    pictures = [photo] * 9 + [photo[:0]] + [photo]
    with pytest.raises(flextok.UsageError, match="input 9 of the batch") as empty:
        codec.encode_batch(pictures)
    assert empty.value.index == 9


def test_cut_and_changed_files_never_crash(codec: flextok.Codec, tiny: flextok.Codec, photo: Any) -> None:
    fast = {"look": "plain"}, {"steps": 1}
    for model, options, data in (
        (codec, fast[0], codec.encode(photo[:32, :32], bytes=40)),
        (tiny, fast[1], tiny.encode(photo[:32, :32], tokens=1)),
    ):
        flextok.info(data)
        for end in range(len(data)):
            try:
                model.decode(data[:end], **options)
            except flextok.CorruptError:
                # What is there of a header or of the first unit of payload is too little.
                assert end < 30
        for bit in range(8 * len(data)):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            for call in (lambda: model.decode(damaged), lambda: flextok.info(damaged)):
                with pytest.raises(flextok.Error):
                    call()


def test_invalid_vectors_are_refused(codec: flextok.Codec) -> None:
    vectors = sorted((ROOT / "format-spec/vectors/invalid").glob("*.flxt"))
    assert len(vectors) > 20
    for vector in vectors:
        with pytest.raises(flextok.Error):
            codec.decode(vector.read_bytes())
        with pytest.raises(flextok.Error), flextok.ProgressiveDecoder(codec) as decoder:
            decoder.feed(vector.read_bytes())
            decoder.finish()


def test_random_pictures_never_crash() -> None:
    random = np.random.default_rng(0)
    for size in (1, 10, 1000):
        for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF89a", b"\xff\x0a"):
            with pytest.raises(flextok.Error):
                flextok.load(start + random.bytes(size))
