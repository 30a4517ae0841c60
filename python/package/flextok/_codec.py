"""A model, ready to encode and decode."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypedDict, overload

import numpy as np
import numpy.typing as npt

from flextok import _images, _options, _values
from flextok._errors import UsageError
from flextok._flextok import Core
from flextok._options import Canvas, Look, OnStep, Pixels

if TYPE_CHECKING:
    from PIL import Image

    from flextok._images import Layout
    from flextok._values import Data

class Limits(TypedDict, total=False):
    """Bounds on what strangers may send; those left out are the defaults."""

    pixels: int
    """Most pixels of a picture, encoded or restored (default 134 217 728)."""
    side: int
    """Longest side of a picture (default 1 048 576)."""
    image_bytes: int
    """Most bytes of an image file (default 512 MiB)."""
    image_memory: int
    """Most memory for loading an image file, and for the canvas of the embedded model (default 1 GiB)."""
    canvas_pixels: int
    """Most pixels of the canvas of a FlexTok model (default 2 097 152)."""
    tile_memory: int
    """Most memory for the work of the learned decoder (default 256 MiB)."""
    steps: int
    """Most sampling steps (default 1000)."""
    payload_bytes: int
    """Most bytes of payload of a token file (default 32 MiB)."""
    weights_bytes: int
    """Most bytes of a weights file that is read, not mapped (default 64 GiB)."""
    device_memory: int
    """Most memory of a GPU (default: what it has)."""


class Codec:
    """A model on an engine. It can be shared between threads: the interpreter is released while it works.

    `path` is a FlexTok checkpoint, a `.safetensors` file or a directory with a `model.safetensors`; without one the codec has
    the embedded model, whose payload is coded bytes, not tokens. `device` is `"cpu"`, `"auto"` (the first GPU that works, else
    the CPU), `"gpu"` or `"gpu:1"`; `precision` is `"auto"`, `"f32"`, `"f16"`, `"bf16"` or `"int8"`. `threads` bounds the threads of this codec; 0
    takes one for each core. The weights are mapped, and must not be changed meanwhile; `mmap=False` reads them instead.

    A codec is pickled as the arguments that it was made with. A process that is forked opens its own on the CPU when it uses
    that of its parent; on a GPU it has to be started by `spawn`.

    Pictures come in as pictures of Pillow, arrays of NumPy, tensors of PyTorch on the CPU, and whatever else has `__array__` or
    `__dlpack__`:

    - [H, W], or [H, W, C] of 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA) channels, with any strides;
    - [C, H, W] where the last axis cannot be channels and the first can (1, 3 or 4). Three rows of pixels that could be three
      channels are refused; `layout="hwc"` or `"chw"` says it;
    - uint8, uint16 (0 to 65535), or float16, float32 and float64 from 0 to 1. Other values are refused.

    Pixels are taken as sRGB. Of a picture that Pillow has opened, and that was not changed since, the EXIF orientation is
    applied; all others are taken as they are. `flextok.load` reads files upright, and converts colours.

    Raises `OSError` for a model that cannot be opened, `ModelError` for one that is refused, `DeviceError`.

    >>> codec = Codec()
    >>> data = codec.encode(np.zeros((40, 60, 3), np.uint8), bytes=64)
    >>> len(data) <= 64, codec.decode(data).shape
    (True, (40, 60, 3))
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        device: str = "cpu",
        precision: str = "auto",
        threads: SupportsIndex = 0,
        mmap: bool = True,
        limits: Limits | Mapping[str, int] | None = None,
    ) -> None:
        self._path = None if path is None else os.path.abspath(path)
        self._options: dict[str, Any] = {
            "device": device,
            "precision": precision,
            "threads": _values.whole("threads", threads, 1024) or 0,
            "mmap": mmap,
            "limits": None if limits is None else dict(limits),
        }
        self._core = Core(
            self._path, device, precision, self._options["threads"], mmap, _values.limits(limits)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (type(self), self._path, self._options)

    def __repr__(self) -> str:
        path = "" if self._path is None else f"{self._path!r}, "
        return f"Codec({path}device={self._options['device']!r}) of model {self.model}"

    @property
    def path(self) -> str | None:
        """The absolute path of the model; None of the embedded one."""
        return self._path

    @property
    def model(self) -> str:
        """What files of this model name it by: `"tables 1"`, or the eight hexadecimal digits of a fingerprint."""
        return self._core.about()["model"]

    @property
    def max_tokens(self) -> int | None:
        """Most tokens of a picture; None of a model whose payload is coded."""
        return self._core.about()["max_tokens"]

    @property
    def codebook_size(self) -> int | None:
        """Number of ids that a token can have; None of a model whose payload is coded."""
        return self._core.about()["codebook_size"]

    @property
    def canvas(self) -> tuple[int, int] | None:
        """Width and height that pictures are resized to by default; None of a model whose payload is coded."""
        return self._core.about()["canvas"]

    @property
    def learned(self) -> bool:
        """Whether a learned decoder follows the coded payload, so that there are looks other than `"plain"`."""
        return self._core.about()["learned"]

    @property
    def device(self) -> str:
        """What the codec computes on: `"cpu"`, `"vulkan"`, `"metal"` or `"dx12"`."""
        return self._core.about()["backend"]

    @property
    def device_name(self) -> str:
        """The name of the device, or the number of threads."""
        return self._core.about()["device_name"]

    @property
    def precision(self) -> str:
        """The type of weights and activations when encoding, `"f32"`, `"f16"` or `"bf16"`."""
        return self._core.about()["precision"]

    @property
    def decode_precision(self) -> str:
        """The type of weights and activations when decoding, `"f32"`, `"f16"`, `"bf16"` or `"int8"`."""
        return self._core.about()["decode_precision"]

    @property
    def fallback(self) -> str | None:
        """Why `device="auto"` fell back to the CPU, if it did."""
        return self._core.about()["fallback"]

    def encode(
        self,
        image: Any,
        *,
        bytes: SupportsIndex | None = None,
        tokens: SupportsIndex | None = None,
        crop: bool = False,
        canvas: Canvas | None = None,
        cut_at: SupportsIndex | None = None,
        original_size: Sequence[SupportsIndex] | None = None,
        background: Sequence[SupportsIndex] = (255, 255, 255),
        title: str | None = None,
        posterior_seed: SupportsIndex | None = None,
        layout: "Layout" = "auto",
    ) -> "bytes":
        """A complete `.flxt` file of a picture [H, W], [H, W, C] or [C, H, W] (see `Codec`).

        The file has at most `bytes` bytes (default 1024 for the embedded model), or `tokens` tokens of a FlexTok model (default
        all). `canvas` is `"own"` or a number of blocks of 32 pixels along the long side for the embedded model, (width, height)
        in pixels for FlexTok models; `cut_at` chooses it for a later cut to so many bytes; `crop` crops the centre, as
        published, instead of resizing the whole picture. Decoders restore `original_size`, by default the picture's own.
        `background` is the colour (red, green, blue) behind transparent pixels. `title` is stored. `posterior_seed` samples the
        posterior of a FlexTok model's VAE.

        Raises `UsageError` (a `ValueError`), `LimitError`, `TypeError`.
        """
        options = _options.encode(bytes, tokens, crop, canvas, cut_at, original_size, background, title, posterior_seed)
        return self._core.encode([_images.pixels(image, layout)], options, None)[0]

    def encode_batch(
        self,
        images: Any,
        *,
        bytes: SupportsIndex | None = None,
        tokens: SupportsIndex | None = None,
        crop: bool = False,
        canvas: Canvas | None = None,
        cut_at: SupportsIndex | None = None,
        background: Sequence[SupportsIndex] = (255, 255, 255),
        posterior_seed: SupportsIndex | None = None,
        layout: "Layout" = "auto",
    ) -> "list[bytes]":
        """The files of many pictures, each as `encode` makes it: an array [N, H, W, C] or [N, C, H, W], or an iterable of
        pictures of any sizes, which are taken a few at a time.

        Raises what `encode` raises; the text and `index` say which picture it is about.
        """
        options = _options.encode(bytes, tokens, crop, canvas, cut_at, None, background, None, posterior_seed)
        files: list[Any] = []
        for some in _passes(_images.batch(images, layout)):
            files += self._core.encode(some, options, len(files))
        return files

    def tokenize(
        self,
        images: Any,
        *,
        tokens: SupportsIndex | None = None,
        crop: bool = False,
        canvas: tuple[SupportsIndex, SupportsIndex] | None = None,
        background: Sequence[SupportsIndex] = (255, 255, 255),
        posterior_seed: SupportsIndex | None = None,
        layout: "Layout" = "auto",
    ) -> npt.NDArray[np.uint16]:
        """The tokens of pictures, coarse to fine: uint16 [N, K]. For FlexTok models.

        `images` is an array [N, H, W, C] or [N, C, H, W], an iterable of pictures of any sizes, which are taken a few at a time,
        or a single picture, which is a batch of one. K is `tokens`, by default all that the model has. The other options are
        those of `encode`.

        Raises what `encode` raises; the text and `index` say which picture it is about.
        """
        options = _options.encode(None, tokens, crop, canvas, None, None, background, None, posterior_seed)
        parts: list[npt.NDArray[np.uint16]] = []
        done = 0
        for some in _passes(_images.batch(images, layout)):
            parts.append(self._core.tokenize(some, options, done))
            done += len(some)
        if not parts:
            # What is wrong with the model or the options is said without pictures too.
            return self._core.tokenize([], options, 0).reshape(0, options["tokens"] or self.max_tokens or 0)
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    @overload
    def decode(
        self,
        data: "Data",
        *,
        tokens: SupportsIndex | None = None,
        steps: SupportsIndex | None = None,
        guidance: float | None = None,
        apg: bool | None = None,
        seed: SupportsIndex | None = None,
        look: Look | None = None,
        keep_canvas: bool = False,
        on_step: OnStep | None = None,
        output: Literal["numpy"] = "numpy",
    ) -> Pixels: ...
    @overload
    def decode(
        self,
        data: "Data",
        *,
        tokens: SupportsIndex | None = None,
        steps: SupportsIndex | None = None,
        guidance: float | None = None,
        apg: bool | None = None,
        seed: SupportsIndex | None = None,
        look: Look | None = None,
        keep_canvas: bool = False,
        on_step: OnStep | None = None,
        output: Literal["pil"],
    ) -> "Image.Image": ...
    def decode(
        self,
        data: "Data",
        *,
        tokens: SupportsIndex | None = None,
        steps: SupportsIndex | None = None,
        guidance: float | None = None,
        apg: bool | None = None,
        seed: SupportsIndex | None = None,
        look: Look | None = None,
        keep_canvas: bool = False,
        on_step: OnStep | None = None,
        output: Literal["numpy", "pil"] = "numpy",
    ) -> "Pixels | Image.Image":
        """The picture of a file, whole or cut: uint8 [H, W, 3] in sRGB, or with `output="pil"` a picture of Pillow.

        It has the size of the picture that was encoded, or with `keep_canvas` that of the canvas. `look` is for the embedded
        model: `"plain"`, `"faithful"`, `"sharp"`, or a number from 0 (faithful) to 1 (sharp), by default 0.5. For FlexTok models
        are `tokens`, the most to use; `steps`, `guidance` and `apg`, whose defaults are the model's; and `seed` (default 0).
        `on_step(step, total)` is called after each step, on another thread; the decode ends where it returns False or raises.

        Raises `CorruptError` for bytes that are damaged or no token file, or too few of them; `WrongModelError`,
        `UnsupportedError`, `UsageError`, `LimitError`, `CancelledError`, `DeviceError`. A file that was cut is no error.
        """
        _options.check_output(output)
        options = _options.decode(tokens, steps, guidance, apg, seed, look, keep_canvas, None, on_step)
        picture: Pixels | Image.Image = _options.returned(self._core.decode([_values.data(data)], options, True)[0], output)
        return picture

    @overload
    def decode_batch(
        self,
        files: "Iterable[Data]",
        *,
        tokens: SupportsIndex | None = None,
        steps: SupportsIndex | None = None,
        guidance: float | None = None,
        apg: bool | None = None,
        seed: SupportsIndex | None = None,
        look: Look | None = None,
        keep_canvas: bool = False,
        on_step: OnStep | None = None,
        output: Literal["numpy"] = "numpy",
    ) -> list[Pixels]: ...
    @overload
    def decode_batch(
        self,
        files: "Iterable[Data]",
        *,
        tokens: SupportsIndex | None = None,
        steps: SupportsIndex | None = None,
        guidance: float | None = None,
        apg: bool | None = None,
        seed: SupportsIndex | None = None,
        look: Look | None = None,
        keep_canvas: bool = False,
        on_step: OnStep | None = None,
        output: Literal["pil"],
    ) -> "list[Image.Image]": ...
    def decode_batch(
        self,
        files: "Iterable[Data]",
        *,
        tokens: SupportsIndex | None = None,
        steps: SupportsIndex | None = None,
        guidance: float | None = None,
        apg: bool | None = None,
        seed: SupportsIndex | None = None,
        look: Look | None = None,
        keep_canvas: bool = False,
        on_step: OnStep | None = None,
        output: Literal["numpy", "pil"] = "numpy",
    ) -> "list[Pixels] | list[Image.Image]":
        """The pictures of many files, each as `decode` makes it: a list of uint8 [H, W, 3], whose sizes may differ.

        Raises what `decode` raises; the text and `index` say which file it is about.
        """
        _options.check_output(output)
        options = _options.decode(tokens, steps, guidance, apg, seed, look, keep_canvas, None, on_step)
        contents = [_values.data(data) for data in files]
        return [_options.returned(one, output) for one in self._core.decode(contents, options, False)]

    @overload
    def detokenize(
        self,
        tokens: Any,
        *,
        size: Sequence[Any] | None = None,
        canvas: tuple[SupportsIndex, SupportsIndex] | None = None,
        steps: SupportsIndex | None = None,
        guidance: float | None = None,
        apg: bool | None = None,
        seed: SupportsIndex | None = None,
        on_step: OnStep | None = None,
        output: Literal["numpy"] = "numpy",
    ) -> list[Pixels]: ...
    @overload
    def detokenize(
        self,
        tokens: Any,
        *,
        size: Sequence[Any] | None = None,
        canvas: tuple[SupportsIndex, SupportsIndex] | None = None,
        steps: SupportsIndex | None = None,
        guidance: float | None = None,
        apg: bool | None = None,
        seed: SupportsIndex | None = None,
        on_step: OnStep | None = None,
        output: Literal["pil"],
    ) -> "list[Image.Image]": ...
    def detokenize(
        self,
        tokens: Any,
        *,
        size: Sequence[Any] | None = None,
        canvas: tuple[SupportsIndex, SupportsIndex] | None = None,
        steps: SupportsIndex | None = None,
        guidance: float | None = None,
        apg: bool | None = None,
        seed: SupportsIndex | None = None,
        on_step: OnStep | None = None,
        output: Literal["numpy", "pil"] = "numpy",
    ) -> "list[Pixels] | list[Image.Image]":
        """The pictures that tokens describe, a list of uint8 [H, W, 3]. For FlexTok models.

        `tokens` is an array of whole numbers [N, K], of any K from 1 to `max_tokens`; a list of rows, whose lengths may differ;
        or one row [K], which is a batch of one. The pictures have the size of the canvas, or `size`: one (width, height), or one
        for each row. `canvas` is (width, height) of tokens that `tokenize` made with such a canvas. The other options are those
        of `decode`.

        Raises what `decode` raises.
        """
        _options.check_output(output)
        rows = _options.rows(tokens)
        options = _options.decode(
            None, steps, guidance, apg, seed, None, False, _values.size("canvas", canvas), on_step
        )
        pictures = self._core.detokenize(rows, _options.sizes(size, len(rows)), options)
        return [_options.returned(one, output) for one in pictures]

    def pack(
        self,
        tokens: Any,
        size: Sequence[SupportsIndex],
        *,
        canvas: tuple[SupportsIndex, SupportsIndex] | None = None,
    ) -> "bytes":
        """A `.flxt` file of the tokens [K] of a picture, which decoders restore to `size`, (width, height). For FlexTok models.

        `flextok.tokens` is the way back.
        """
        rows = _options.rows(tokens)
        if len(rows) != 1:
            raise UsageError(f"a file is made of one row of tokens, not {len(rows)}")
        sides = _values.size("size", size)
        if sides is None:
            raise TypeError("size is None; a file needs a pair (width, height)")
        return self._core.pack(rows[0], sides, _values.size("canvas", canvas))


def _open(kind: type[Codec], path: str | None, options: dict[str, Any]) -> Codec:
    return kind(path, **options)


def _passes(pictures: Iterator[Any]) -> Iterator[list[Any]]:
    """As many pictures at a time as go through a network together."""
    while some := list(islice(pictures, Core.IMAGES_PER_PASS)):
        yield some
