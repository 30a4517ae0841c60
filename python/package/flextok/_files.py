"""Token files without a model, and image files."""

import json
import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from flextok import _flextok
from flextok._errors import PictureWarning
from flextok._values import data as as_data
from flextok._values import limits as as_limits
from flextok._values import whole

if TYPE_CHECKING:
    from flextok._codec import Limits
    from flextok._values import Data

FileInfo: TypeAlias = dict[str, Any]
"""What `flextok info --json` prints, but for `file`: `width`, `height`, `model`, `payload`, `state`, `bytes`, `cuts` …"""


def info(data: "Data") -> FileInfo:
    """What a `.flxt` file, whole or cut, says about itself. No model is needed.

    The keys are those of `flextok info --json` without `file`, among them `width` and `height` in pixels, `model`, `payload`
    (`"coded"` or `"ids"`), `state` (`"complete"` or `"truncated"`), `metadata` and `cuts`.

    Raises `CorruptError` for bytes that are damaged or no token file.
    """
    about: FileInfo = json.loads(_flextok.inspect(as_data(data)))
    return about


def truncate(
    data: "Data",
    *,
    bytes: SupportsIndex | None = None,
    tokens: SupportsIndex | None = None,
    keep_metadata: bool = False,
) -> bytes:
    """A complete file, with its own checksums, of what fits in `bytes`, or of the first `tokens` of each canvas.

    A prefix `data[:n]` decodes as well, but nothing proves its last bytes.
    """
    most = 2**64 - 1
    return _flextok.cut(as_data(data), whole("tokens", tokens, 0xFFFF_FFFF), whole("bytes", bytes, most), keep_metadata)


def tokens(data: "Data") -> npt.NDArray[np.uint16]:
    """The token ids in a file of a FlexTok model: uint16 [K], or [canvases, K] of several canvases."""
    rows = np.array(_flextok.tokens(as_data(data)), dtype=np.uint16)
    return rows[0] if len(rows) == 1 else rows


def load(
    source: "str | os.PathLike[str] | Data",
    *,
    color_management: bool = True,
    limits: "Limits | Mapping[str, int] | None" = None,
) -> npt.NDArray[Any]:
    """The picture of an image file, given by its path or its bytes: an array [H, W, C] of uint8, uint16 or float32, C from 1
    to 4, upright and converted to sRGB, for `Codec.encode`.

    It reads what `flextok encode` reads: BMP, GIF, ICO, JPEG, JPEG XL, PNG, PNM, QOI, TGA, TIFF, WebP. What the array does not
    show, such as further frames, is a `PictureWarning`.

    Raises `ImageError` for a file that cannot be read, `LimitError`, and `OSError`.
    """
    path: str | None = None
    content: bytes | None = None
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
    else:
        content = as_data(source)
    array, notes = _flextok.load(path, content, color_management, as_limits(limits))
    for note in notes:
        warnings.warn(note if path is None else f"{path}: {note}", PictureWarning, stacklevel=2)
    return array
