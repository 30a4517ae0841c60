"""Options of a codec, checked, as the extension takes them; tokens and sizes likewise."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from flextok import _values
from flextok._errors import UsageError
from flextok._images import aligned

if TYPE_CHECKING:
    from flextok._flextok import _Decode, _Encode

Canvas: TypeAlias = Literal["own"] | SupportsIndex | tuple[SupportsIndex, SupportsIndex]
Look: TypeAlias = Literal["plain", "faithful", "sharp"] | float
OnStep: TypeAlias = Callable[[int, int], object]
Pixels: TypeAlias = npt.NDArray[np.uint8]

_WORD = 0xFFFF_FFFF
_LONG = 2**64 - 1


def encode(
    bytes: SupportsIndex | None,
    tokens: SupportsIndex | None,
    crop: bool,
    canvas: Canvas | None,
    cut_at: SupportsIndex | None,
    original_size: Sequence[SupportsIndex] | None,
    background: Sequence[SupportsIndex],
    title: str | None,
    posterior_seed: SupportsIndex | None,
) -> "_Encode":
    parts = [_values.whole("background", part, 255) or 0 for part in background]
    if len(parts) != 3:
        raise UsageError(f"background has {len(parts)} numbers; allowed: 3, red, green and blue")
    red, green, blue = parts
    return {
        "bytes": _values.whole("bytes", bytes, _LONG),
        "tokens": _values.whole("tokens", tokens, _WORD),
        "crop": bool(crop),
        "canvas": canvas,  # type: ignore[typeddict-item]
        "cut_at": _values.whole("cut_at", cut_at, _LONG),
        "original_size": _values.size("original_size", original_size),
        "background": (red, green, blue),
        "title": title,
        "posterior_seed": _values.whole("posterior_seed", posterior_seed, _LONG),
    }


def decode(
    tokens: SupportsIndex | None,
    steps: SupportsIndex | None,
    guidance: float | None,
    apg: bool | None,
    seed: SupportsIndex | None,
    look: Look | None,
    keep_canvas: bool,
    canvas: tuple[int, int] | None,
    on_step: OnStep | None,
) -> "_Decode":
    if on_step is not None and not callable(on_step):
        raise TypeError(f"on_step {on_step!r} cannot be called")
    return {
        "tokens": _values.whole("tokens", tokens, _WORD),
        "steps": _values.whole("steps", steps, _WORD),
        "guidance": None if guidance is None else float(guidance),
        "apg": None if apg is None else bool(apg),
        "seed": _values.whole("seed", seed, _LONG),
        "look": None if look is None else str(look),
        "keep_canvas": bool(keep_canvas),
        "canvas": canvas,
        "on_step": on_step,
    }


def check_output(output: str) -> None:
    if output not in ("numpy", "pil"):
        raise UsageError(f"output {output!r} is not supported; allowed: numpy, pil")
    if output == "pil":
        # Before the work, not after it.
        import PIL.Image  # noqa: F401


def returned(pixels: Pixels, output: str) -> Any:
    if output == "numpy":
        return pixels
    from PIL import Image

    return Image.fromarray(pixels)


def rows(tokens: Any) -> list[npt.NDArray[np.uint16]]:
    """Rows of tokens; what is no token is refused."""
    is_ragged = isinstance(tokens, (list, tuple)) and any(np.ndim(row) for row in tokens)
    parts = [np.asarray(row) for row in tokens] if is_ragged else [*np.atleast_2d(np.asarray(tokens))]
    return [_row(row) for row in parts]


def _row(row: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    if row.ndim != 1:
        raise UsageError(f"tokens are an array [N, K] or rows [K], but a row has the shape {row.shape}")
    if row.dtype.kind not in "iu":
        if row.size:
            raise TypeError(f"tokens are whole numbers, not {row.dtype}")
        row = row.astype(np.uint16)
    if row.size and not 0 <= row.min() <= row.max() <= 0xFFFF:
        wrong = row.min() if row.min() < 0 else row.max()
        raise UsageError(f"token id {wrong} is not supported; allowed: 0 to 65535")
    return aligned(row.astype(np.uint16, copy=False))


def sizes(size: Sequence[Any] | None, rows: int) -> list[tuple[int, int]] | None:
    if size is None:
        return None
    if len(size) == 2 and not any(np.ndim(side) for side in size):
        sizes = [_values.size("size", size)] * rows
    else:
        sizes = [_values.size("size", one) for one in size]
    if len(sizes) != rows:
        raise UsageError(f"there are {rows} rows of tokens, but {len(sizes)} sizes")
    return [one for one in sizes if one is not None]
