"""Checks of options, and files as bytes."""

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

from flextok._errors import UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    Data: TypeAlias = ReadableBuffer
    """The bytes of a file: `bytes`, or anything with a buffer of them."""

Size: TypeAlias = tuple[int, int]
"""A width and a height in pixels."""


def whole(name: str, value: SupportsIndex | None, most: int, least: int = 0) -> int | None:
    """A whole number within bounds, or None."""
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} {value!r} is not a whole number") from None
    if isinstance(value, bool):
        raise TypeError(f"{name} {value!r} is not a whole number")
    if not least <= number <= most:
        raise UsageError(f"{name} {number} is not supported; allowed: {least} to {most}")
    return number


def size(name: str, value: Sequence[SupportsIndex] | None) -> Size | None:
    """A width and a height, or None."""
    if value is None:
        return None
    try:
        width, height = value
    except (TypeError, ValueError):
        raise TypeError(f"{name} {value!r} is not a pair (width, height)") from None
    sides = [whole(name, side, 0xFFFF_FFFF, 1) for side in (width, height)]
    assert sides[0] is not None and sides[1] is not None
    return sides[0], sides[1]


def data(value: "Data") -> bytes:
    """The bytes of a file."""
    if isinstance(value, bytes):
        return value
    try:
        return bytes(memoryview(value))
    except TypeError:
        raise TypeError(
            f"expected the bytes of a file, not {type(value).__name__}; read the file first"
        ) from None


def limits(value: Any) -> list[tuple[str, int]]:
    """Limits as the extension takes them."""
    from flextok._codec import Limits

    allowed = list(Limits.__annotations__)
    pairs = []
    for name, bound in (value or {}).items():
        if name not in allowed:
            raise UsageError(f"there is no limit {name!r}; allowed: {', '.join(allowed)}")
        number = whole(name, bound, 2**64 - 1)
        if number is not None:
            pairs.append((name, number))
    return pairs
