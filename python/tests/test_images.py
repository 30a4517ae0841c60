"""Pictures in every form that is taken, and what is refused."""

import io
from typing import Any

import flextok
import numpy as np
import pytest
from PIL import Image, ImageOps


@pytest.fixture(scope="module")
def expected(codec: flextok.Codec, photo: Any) -> bytes:
    return codec.encode(photo, bytes=300)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "float16", "float32", "float64"])
def test_types_of_samples(codec: flextok.Codec, photo: Any, expected: bytes, dtype: str) -> None:
    whole = np.dtype(dtype).kind == "u"
    top = np.iinfo(dtype).max if whole else 1
    array = (photo.astype(np.uint32) * (top // 255) if whole else photo / 255).astype(dtype)
    # Halves have 11 bits, enough to come back to 8.
    assert codec.encode(array, bytes=300) == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [0, 1, 2, 4])
def test_channels(codec: flextok.Codec, photo: Any, dtype: Any, channels: int) -> None:
    grey = photo[:, :, 1]
    scale = {np.uint8: 1, np.uint16: 257, np.float32: 1 / 255}[dtype]
    opaque = np.full_like(grey, 255)
    kinds = {
        0: grey,
        1: grey[:, :, None],
        2: np.dstack([grey, opaque]),
        4: np.dstack([grey, grey, grey, opaque]),
    }
    wanted = codec.encode(np.dstack([grey] * 3), bytes=300)
    assert codec.encode((kinds[channels] * np.float64(scale)).round(7).astype(dtype), bytes=300) == wanted


def test_strides(codec: flextok.Codec, photo: Any, expected: bytes) -> None:
    for array in (
        np.asfortranarray(photo),
        np.repeat(photo, 2, axis=1)[:, ::2],
        np.ascontiguousarray(photo[::-1])[::-1],
        np.ascontiguousarray(photo[:, :, ::-1])[:, :, ::-1],
        np.ascontiguousarray(photo.transpose(2, 0, 1)).transpose(1, 2, 0),
    ):
        assert codec.encode(array, bytes=300) == expected
    readonly = photo.copy()
    readonly.flags.writeable = False
    assert codec.encode(readonly, bytes=300) == expected
    flat = np.broadcast_to(np.uint8(7), (40, 40, 3))
    assert codec.encode(flat) == codec.encode(flat.copy())


def test_layouts(codec: flextok.Codec, photo: Any, expected: bytes) -> None:
    first = photo.transpose(2, 0, 1)
    assert codec.encode(first, bytes=300) == expected
    assert codec.encode(first, bytes=300, layout="chw") == expected
    assert codec.encode(photo, bytes=300, layout="hwc") == expected
    both = np.zeros((3, 20, 4), np.uint8)
    with pytest.raises(flextok.UsageError, match='layout="hwc" or layout="chw"'):
        codec.encode(both)
    assert codec.decode(codec.encode(both, layout="hwc")).shape == (3, 20, 3)
    assert codec.decode(codec.encode(both, layout="chw")).shape == (20, 4, 3)
    assert codec.decode(codec.encode(np.zeros((1, 1, 3), np.uint8))).shape == (1, 1, 3)


def test_arrays_of_others(codec: flextok.Codec, photo: Any, expected: bytes) -> None:
    class Interface:
        __array_interface__ = photo.__array_interface__
        keep = photo

    class Dlpack:
        def __dlpack__(self, **options: Any) -> Any:
            return photo.__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            return photo.__dlpack_device__()

    for image in (Interface(), Dlpack(), memoryview(photo)):
        assert codec.encode(image, bytes=300) == expected


def test_tensors(codec: flextok.Codec, tiny: flextok.Codec, photo: Any, expected: bytes) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(photo.copy())
    assert codec.encode(tensor, bytes=300) == expected
    assert codec.encode(tensor.permute(2, 0, 1), bytes=300) == expected
    assert codec.encode(tensor.permute(2, 0, 1).float() / 255, bytes=300) == expected
    stacked = torch.stack([tensor, tensor])
    assert (tiny.tokenize(stacked) == tiny.tokenize([photo, photo])).all()
    tokens = torch.from_numpy(tiny.tokenize(photo, tokens=3).astype(np.int64))
    assert tiny.detokenize(tokens)[0].ndim == 3
    with pytest.raises(TypeError, match="requires grad"):
        codec.encode((tensor.float() / 255).requires_grad_())
    with pytest.raises(TypeError, match="torch.Tensor is not an array in the memory of the CPU"):
        codec.encode(torch.zeros(4, 4, 3, device="meta"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "PA", "La", "RGBa"])
def test_modes_of_pillow(codec: flextok.Codec, photo: Any, mode: str) -> None:
    picture = Image.fromarray(photo)
    step = {"PA": "P", "La": "LA", "RGBa": "RGBA"}.get(mode)
    picture = (picture.convert(step) if step else picture).convert(mode)
    alpha = mode in ("LA", "RGBA", "PA", "La", "RGBa")
    plain = picture.convert("LA" if mode == "La" else "RGBA" if alpha else "RGB")
    assert codec.encode(picture, bytes=300) == codec.encode(np.asarray(plain), bytes=300)


def test_deep_and_transparent_pictures_of_pillow(codec: flextok.Codec, photo: Any) -> None:
    deep = photo[:, :, 0].astype(np.uint16) * 257
    wanted = codec.encode(photo[:, :, 0], bytes=300)
    assert codec.encode(Image.fromarray(deep), bytes=300) == wanted
    assert codec.encode(Image.fromarray(deep.astype(np.int32)), bytes=300) == wanted
    with pytest.raises(flextok.UsageError, match="0 to 65535"):
        codec.encode(Image.fromarray(deep.astype(np.int32) - 70000))
    with pytest.raises(flextok.UsageError, match="mode F"):
        codec.encode(Image.fromarray(deep.astype(np.float32)))
    hole = Image.fromarray(photo).quantize(16)
    hole.info["transparency"] = 3
    assert codec.encode(hole, bytes=300) == codec.encode(hole.convert("RGBA"), bytes=300)


def test_orientation_is_applied_to_what_comes_from_a_file(codec: flextok.Codec, photo: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", exif=exif)
    opened = Image.open(file)
    assert flextok.load(file.getvalue()).shape == (120, 90, 3)
    assert codec.decode(codec.encode(opened)).shape == (120, 90, 3)
    assert codec.encode(ImageOps.exif_transpose(opened), bytes=300) == codec.encode(opened, bytes=300)
    changed = opened.convert("RGB").rotate(0)
    assert codec.decode(codec.encode(changed)).shape == (90, 120, 3)


def test_values_and_shapes_that_are_refused(codec: flextok.Codec, photo: Any) -> None:
    for wrong in (photo.astype(np.float32), photo / 255 - 0.5, np.full((4, 4, 3), np.nan)):
        with pytest.raises(flextok.UsageError, match="from 0 to 1"):
            codec.encode(wrong)
    for dtype in (np.int64, np.int8, bool, complex, object, "U1", "M8[s]"):
        with pytest.raises(TypeError, match="not supported; allowed: uint8"):
            codec.encode(np.zeros((4, 4, 3), dtype))
    for shape in ((), (5,), (5, 4, 5), (5, 4, 0), (2, 4, 4, 3)):
        with pytest.raises(flextok.UsageError):
            codec.encode(np.zeros(shape, np.uint8))
    for empty in ((0, 5, 3), (5, 0, 3), (0, 0)):
        with pytest.raises(flextok.UsageError, match="1x1 pixels and more"):
            codec.encode(np.zeros(empty, np.uint8))
    for nothing in (None, 5, "photo.png", b"bytes", [photo], object()):
        with pytest.raises(TypeError, match="flextok.load"):
            codec.encode(nothing)
    with pytest.raises(TypeError, match="input 1 of the batch"):
        codec.encode_batch([photo, None])


def test_large_claims_take_no_memory(codec: flextok.Codec) -> None:
    huge = np.broadcast_to(np.uint8(7), (1_000_000, 1_000_000, 3))
    with pytest.raises(flextok.LimitError) as raised:
        codec.encode(huge)
    assert raised.value.limit == "pixels"


def test_fields_of_packed_records_are_read_where_they_are(codec: flextok.Codec) -> None:
    records = np.zeros((4, 4, 3), dtype=[("x", "u1"), ("v", "u2"), ("f", "f4")])
    records["x"], records["v"], records["f"] = 255, 1000, 0.5
    for field in ("x", "v", "f"):
        packed = codec.encode(records[field], bytes=100)
        assert packed == codec.encode(np.ascontiguousarray(records[field]), bytes=100), field
