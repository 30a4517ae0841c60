"""Pictures of a file while it arrives."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from flextok import _flextok, _options, _values
from flextok._errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

    from flextok._codec import Codec
    from flextok._options import Look
    from flextok._values import Data


class Picture:
    """A picture of a file that may still be arriving."""

    def __init__(self, picture: _flextok.Picture) -> None:
        self._picture = picture
        self._array: npt.NDArray[np.uint8] | None = None

    @property
    def array(self) -> npt.NDArray[np.uint8]:
        """The pixels in sRGB: uint8 [H, W, 3], the same array each time."""
        if self._array is None:
            self._array = self._picture.array()
        return self._array

    @property
    def image(self) -> "Image.Image":
        """The same as a picture of Pillow."""
        from PIL import Image

        return Image.fromarray(self.array)

    @property
    def units(self) -> int:
        """Units of payload that it shows: bytes of a coded one, or tokens."""
        return self._picture.units

    @property
    def look(self) -> str | None:
        """The look of a coded payload: `"plain"` of a draft, which the same bytes with the decoder's look follow if there is
        time. None of FlexTok models."""
        return self._picture.look


class ProgressiveDecoder:
    """Decodes a file while it arrives, on a thread of its own.

    Feed it bytes in pieces of any size; look at the latest picture whenever you like, or wait for the next one, also on another
    thread. Feeding never waits for a decode. The last picture is that of `Codec.decode` of all bytes.

    `refresh` says when a new picture is due: `"powers"` (the default) at 1, 2, 4, 8 … units of payload, which are bytes of a
    coded one, or tokens; a whole number after so many more units; a float when new units have arrived and so many seconds have
    passed; `"manual"` only by `request`, and at the end. `warm_start`, above 0 and at most 1, starts the pictures of a FlexTok
    model from the one before, which is quicker and not better. The other options are those of `Codec.decode`.

    >>> import flextok
    >>> codec = flextok.Codec()
    >>> data = codec.encode(np.zeros((40, 60, 3), np.uint8), bytes=64)
    >>> with flextok.ProgressiveDecoder(codec) as decoder:
    ...     for start in range(0, len(data), 10):
    ...         decoder.feed(data[start : start + 10])
    ...     decoder.finish().array.shape
    (40, 60, 3)
    """

    def __init__(
        self,
        codec: "Codec",
        *,
        refresh: "str | int | float" = "powers",
        warm_start: float | None = None,
        tokens: SupportsIndex | None = None,
        steps: SupportsIndex | None = None,
        guidance: float | None = None,
        apg: bool | None = None,
        seed: SupportsIndex | None = None,
        look: "Look | None" = None,
        keep_canvas: bool = False,
    ) -> None:
        options = _options.decode(tokens, steps, guidance, apg, seed, look, keep_canvas, None, None)
        self._complete: bool | None = None
        self._decoder = _flextok.Progressive(codec._core, options, _refresh(refresh), warm_start)

    def __enter__(self) -> "ProgressiveDecoder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def feed(self, data: "Data") -> None:
        """Takes the next bytes, any number of them, and returns at once.

        Raises `CorruptError` for bytes that contradict the format and, as soon as the header is there, the reason why the codec
        cannot decode the file; each later call raises it again. What came before the fault is still decoded.
        """
        self._decoder.feed(_values.data(data))

    def request(self) -> bool:
        """Requests a picture of what has arrived, and returns at once: whether there is anything to show."""
        return self._decoder.request()

    def picture(self) -> Picture | None:
        """The latest picture, if there is one, at once."""
        return _picture(self._decoder.picture())

    def wait(self, timeout: float | None = None) -> Picture | None:
        """Waits for a picture that neither this nor `finish` has returned yet: None after `timeout` seconds, or once no more
        will come, since the file has ended or the decoder was closed."""
        if timeout is not None and not timeout >= 0:
            raise UsageError(f"timeout {timeout} is not supported; allowed: 0 seconds and more")
        return _picture(self._decoder.wait(timeout))

    def finish(self) -> Picture:
        """Ends the file and waits for the last picture, that of `Codec.decode` of all bytes.

        Raises what `Codec.decode` raises; `picture` then has what came before it. Other threads can look at pictures meanwhile; if
        one closes the decoder, this raises `RuntimeError`.
        """
        self._complete, picture = self._decoder.finish()
        return Picture(picture)

    def close(self) -> None:
        """Ends the decoder and its thread; a running decode is cancelled."""
        self._decoder.close()

    @property
    def complete(self) -> bool | None:
        """Whether the whole file was there; None before `finish`."""
        return self._complete

    @property
    def units(self) -> int:
        """Units of payload that have arrived and can be shown: bytes of a coded one, or tokens."""
        return self._decoder.units

    @property
    def header(self) -> dict[str, Any] | None:
        """None before it has arrived; then `width`, `height`, `model`, `payload` (`"coded"` or `"ids"`), `units` of the whole
        file and `unit_bytes`."""
        header = self._decoder.header
        if header is None:
            return None
        width, height, model, is_ids, units, unit = header
        return {
            "width": width,
            "height": height,
            "model": model,
            "payload": "ids" if is_ids else "coded",
            "units": units,
            "unit_bytes": unit,
        }


def _picture(picture: _flextok.Picture | None) -> Picture | None:
    return None if picture is None else Picture(picture)


def _refresh(refresh: "str | int | float") -> tuple[str, float]:
    if refresh in ("powers", "manual"):
        return str(refresh), 0
    if isinstance(refresh, int) and not isinstance(refresh, bool) and refresh > 0:
        return "units", refresh
    if isinstance(refresh, float) and refresh >= 0:
        return "seconds", refresh
    raise UsageError(
        f"refresh {refresh!r} is not supported; allowed: \"powers\", \"manual\", a whole number of units, or a float of seconds"
    )
