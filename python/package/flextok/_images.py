"""Pictures of all kinds as arrays [H, W, C].

What is an array already, or shares its memory as tensors of PyTorch do, is not copied here; the extension copies it once.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from flextok._errors import UsageError

Array: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.float32]
Layout: TypeAlias = Literal["auto", "hwc", "chw"]

_Sample = TypeVar("_Sample", np.uint8, np.uint16, np.float32)
_LAYOUTS = ("auto", "hwc", "chw")


def pixels(image: Any, layout: Layout) -> Array:
    """A picture [H, W, C]."""
    if layout not in _LAYOUTS:
        raise UsageError(f"layout {layout!r} is not supported; allowed: {', '.join(_LAYOUTS)}")
    if _is_pil(image):
        return _of_pil(image)
    array = _samples(_array(image))
    if array.ndim not in (2, 3):
        raise UsageError(f"a picture has 2 or 3 axes, but the shape is {array.shape}")
    return _channels_last(array, layout)


def batch(images: Any, layout: Layout) -> Iterator[Array]:
    """The pictures of an array [N, H, W, C], a list or another iterable, or a single one."""
    if _is_pil(images):
        yield pixels(images, layout)
        return
    if not isinstance(images, (list, tuple)) and _is_array(images):
        images = _array(images)
        if images.ndim != 4:
            images = images[np.newaxis]
    elif isinstance(images, (str, bytes, bytearray, os.PathLike)) or not isinstance(images, Iterable):
        raise TypeError(f"expected pictures, not {_name(images)}; flextok.load reads image files")
    for index, image in enumerate(images):
        try:
            yield pixels(image, layout)
        except (TypeError, ValueError) as error:
            if isinstance(error, UsageError):
                error.index = index
            error.args = (f"input {index} of the batch, counted from 0: {error}",)
            raise


def _channels_last(array: Array, layout: Layout) -> Array:
    if array.ndim == 2:
        return array[:, :, np.newaxis]
    first, last = array.shape[0], array.shape[2]
    if layout == "auto":
        is_last, is_first = 1 <= last <= 4, first in (1, 3, 4)
        # One row of pixels, or four, is likelier than a stripe of that width with its channels first.
        if is_last and first == 3:
            raise UsageError(
                f"the shape {array.shape} may be [H, W, C] or [C, H, W]; say layout=\"hwc\" or layout=\"chw\""
            )
        layout = "chw" if is_first and not is_last else "hwc"
    return array.transpose(1, 2, 0) if layout == "chw" else array


def _samples(array: npt.NDArray[Any]) -> Array:
    """With a type of sample that the extension takes, in the machine's order of bytes."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "u" and size == 1:
        return array
    if kind == "u" and size == 2:
        return aligned(array.astype(np.uint16, copy=False))
    if kind == "f" and size in (2, 4, 8):
        return aligned(array.astype(np.float32, copy=False))
    raise TypeError(
        f"samples of {array.dtype} are not supported; allowed: uint8, uint16, and float16, float32 and float64 from 0 to 1"
    )


def aligned(array: npt.NDArray[_Sample]) -> npt.NDArray[_Sample]:
    """The array, or a copy where its elements do not lie at multiples of their size, as fields of packed records: the extension
    counts strides in elements."""
    size = array.dtype.itemsize
    whole = array.flags.aligned and not any(stride % size for stride in array.strides)
    return array if whole else np.ascontiguousarray(array)


def _is_array(image: Any) -> bool:
    return any(hasattr(image, name) for name in ("__array__", "__array_interface__", "__dlpack__")) or isinstance(
        image, memoryview
    )


def _array(image: Any) -> npt.NDArray[Any]:
    """An array of the same memory, where that can be had."""
    if isinstance(image, np.ndarray):
        return image
    if not _is_array(image):
        raise TypeError(
            f"expected a picture of Pillow, an array or a tensor, not {_name(image)}; flextok.load reads image files"
        )
    try:
        # Tensors of PyTorch and JAX on the CPU share their memory this way.
        if hasattr(image, "__dlpack__") and not hasattr(image, "__array__"):
            return np.from_dlpack(image)
        return np.asarray(image)
    except (TypeError, RuntimeError, BufferError) as error:
        raise TypeError(f"{_name(image)} is not an array in the memory of the CPU: {error}") from error


def _name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _is_pil(image: Any) -> bool:
    """Whether it is a picture of Pillow, which is not imported for that."""
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(image, pil.Image)


def _of_pil(image: Any) -> Array:
    if image.format is not None and image.getexif().get(0x0112, 1) != 1:
        from PIL import ImageOps

        # As it came from its file, and not changed since: upright, as flextok.load has it.
        image = ImageOps.exif_transpose(image)
    mode: str = image.mode
    if mode.startswith("I;16"):
        return _samples(np.asarray(image))[:, :, np.newaxis]
    if mode == "I":
        array = np.asarray(image)
        if array.size and not 0 <= array.min() <= array.max() <= 0xFFFF:
            raise UsageError("a picture of Pillow's mode I has values from 0 to 65535; convert it to another mode")
        return array.astype(np.uint16)[:, :, np.newaxis]
    if mode == "F":
        raise UsageError("Pillow's mode F has no range of values; convert the picture to another mode")
    if mode not in ("L", "LA", "RGB", "RGBA") or "transparency" in image.info:
        with_alpha = "RGBA" if image.has_transparency_data else "RGB"
        image = image.convert({"1": "L", "La": "LA"}.get(mode, with_alpha))
    array = np.asarray(image)
    return array[:, :, np.newaxis] if array.ndim == 2 else array
