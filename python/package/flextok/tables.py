"""Tokens of many pictures as the rows of a table, for Ray, Spark and other programs that work on tables.

The columns are those of `flextok tokenize … -o x.parquet`: `id` (text), `tokens` (uint16 [K]), `width` and `height` (of the
upright picture, which decoders restore), and `error`. A picture that fails has an `error` and none of the others but `id`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from flextok import _flextok
from flextok._errors import Error, UsageError
from flextok._files import load

if TYPE_CHECKING:
    import pyarrow as pa

    from flextok._codec import Codec
    from flextok._values import Data

__all__ = ["rows", "schema"]


def rows(
    codec: "Codec",
    ids: Iterable[str],
    files: "Iterable[Data]",
    *,
    tokens: SupportsIndex | None = None,
    crop: bool = False,
    canvas: tuple[SupportsIndex, SupportsIndex] | None = None,
) -> dict[str, list[Any]]:
    """The rows of pictures, given by an id and the bytes of an image file each, as lists by the name of the column.

    The files are loaded one after the other, and go through the network a few at a time. The options are those of
    `Codec.tokenize`. A picture that fails is a row with an error; what is wrong with the model or the options is raised.
    """
    table: dict[str, list[Any]] = {name: [] for name in ("id", "tokens", "width", "height", "error")}
    waiting: list[tuple[int, Any]] = []

    def tokenize() -> None:
        while waiting:
            try:
                made = codec.tokenize([picture for _, picture in waiting], tokens=tokens, crop=crop, canvas=canvas)
            except Error as error:
                if error.index is None:
                    raise
                if isinstance(error, UsageError):
                    # Options that are wrong for every picture are wrong for this one too.
                    codec.tokenize([np.zeros((1, 1, 3), np.uint8)], tokens=tokens, crop=crop, canvas=canvas)
                row, _ = waiting.pop(error.index)
                table["error"][row] = str(error).removeprefix(f"input {error.index} of the batch, counted from 0: ")
            else:
                for (row, picture), one in zip(waiting, made, strict=True):
                    table["tokens"][row] = one
                    table["height"][row], table["width"][row] = picture.shape[:2]
                waiting.clear()

    for row, (name, file) in enumerate(zip(ids, files, strict=True)):
        table["id"].append(name)
        for column in ("tokens", "width", "height", "error"):
            table[column].append(None)
        try:
            waiting.append((row, load(file)))
        except Error as error:
            table["error"][row] = str(error)
        if len(waiting) == _flextok.Core.IMAGES_PER_PASS:
            tokenize()
    tokenize()
    return table


def schema(
    codec: "Codec",
    *,
    tokens: SupportsIndex | None = None,
    canvas: tuple[SupportsIndex, SupportsIndex] | None = None,
) -> "pa.Schema":
    """The schema of these rows in Arrow and Parquet; its metadata name the model, K and the canvas, as those of `flextok
    tokenize` do."""
    import pyarrow as pa

    width, height = canvas or codec.canvas or (0, 0)
    columns = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("tokens", pa.list_(pa.uint16())),
        pa.field("width", pa.uint32()),
        pa.field("height", pa.uint32()),
        pa.field("error", pa.string()),
    ]
    about = {
        "flextok.model": codec.model,
        "flextok.tokens": str(codec.max_tokens if tokens is None else int(tokens)),
        "flextok.canvas": f"{width}x{height}",
    }
    return pa.schema(columns, metadata=about)
