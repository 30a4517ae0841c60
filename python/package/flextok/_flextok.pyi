"""The extension module; private to the package."""

from os import PathLike
from typing import Any, ClassVar, TypedDict, final

import numpy as np
import numpy.typing as npt

__all__ = ["Core", "Picture", "Progressive", "__version__", "cut", "inspect", "load", "tokens"]

__version__: str

class _Encode(TypedDict):
    bytes: int | None
    tokens: int | None
    crop: bool
    canvas: str | int | tuple[int, int] | None
    cut_at: int | None
    original_size: tuple[int, int] | None
    background: tuple[int, int, int]
    title: str | None
    posterior_seed: int | None

class _Decode(TypedDict):
    tokens: int | None
    steps: int | None
    guidance: float | None
    apg: bool | None
    seed: int | None
    look: str | None
    keep_canvas: bool
    canvas: tuple[int, int] | None
    on_step: Any

class _About(TypedDict):
    model: str
    max_tokens: int | None
    codebook_size: int | None
    canvas: tuple[int, int] | None
    learned: bool
    backend: str
    device_name: str
    precision: str
    decode_precision: str
    fallback: str | None
    threads: int

@final
class Core:
    IMAGES_PER_PASS: ClassVar[int]
    def __new__(
        cls,
        path: str | PathLike[str] | None,
        device: str,
        precision: str,
        threads: int,
        mmap: bool,
        bounds: list[tuple[str, int]],
    ) -> Core: ...
    def encode(self, arrays: list[npt.NDArray[Any]], options: _Encode, offset: int | None) -> list[bytes]: ...
    def tokenize(
        self, arrays: list[npt.NDArray[Any]], options: _Encode, offset: int | None
    ) -> npt.NDArray[np.uint16]: ...
    def decode(self, files: list[bytes], options: _Decode, single: bool) -> list[npt.NDArray[np.uint8]]: ...
    def detokenize(
        self, rows: list[npt.NDArray[np.uint16]], sizes: list[tuple[int, int]] | None, options: _Decode
    ) -> list[npt.NDArray[np.uint8]]: ...
    def pack(self, row: npt.NDArray[np.uint16], size: tuple[int, int], canvas: tuple[int, int] | None) -> bytes: ...
    def about(self) -> _About: ...

@final
class Picture:
    def array(self) -> npt.NDArray[np.uint8]: ...
    @property
    def units(self) -> int: ...
    @property
    def look(self) -> str | None: ...

@final
class Progressive:
    def __new__(
        cls, core: Core, options: _Decode, refresh: tuple[str, float], warm_start: float | None
    ) -> Progressive: ...
    def feed(self, bytes: bytes) -> None: ...
    def request(self) -> bool: ...
    def picture(self) -> Picture | None: ...
    def wait(self, seconds: float | None) -> Picture | None: ...
    def finish(self) -> tuple[bool, Picture]: ...
    def close(self) -> None: ...
    @property
    def units(self) -> int: ...
    @property
    def header(self) -> tuple[int, int, str, bool, int, int] | None: ...

def inspect(file: bytes) -> str: ...
def cut(file: bytes, tokens: int | None, bytes: int | None, keep_metadata: bool) -> bytes: ...
def tokens(file: bytes) -> list[list[int]]: ...
def load(
    path: str | PathLike[str] | None, bytes: bytes | None, color_management: bool, bounds: list[tuple[str, int]]
) -> tuple[npt.NDArray[Any], list[str]]: ...
