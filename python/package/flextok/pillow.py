"""A plugin for Pillow: `Image.open` and `Image.save` for `.flxt` files.

>>> import flextok.pillow
>>> from PIL import Image
>>> Image.new("RGB", (60, 40), "red").save("red.flxt", bytes=64)
>>> with Image.open("red.flxt") as image:
...     image.size
(60, 40)

Opening a file parses it, checks included; its pixels are decoded when they are first used. `info` of the picture has `model`,
`state` (`"complete"` or `"truncated"`) and, where they are stored, `title`, `encoder`, `capture_time` and `color_profile`.
A damaged file raises `PIL.UnidentifiedImageError` in `Image.open`.

`save` takes the options of `flextok.Codec.encode`, such as `bytes=1024`, `title="…"`, `canvas="own"`, and `codec=`; without a
codec the embedded model encodes. Files of the embedded model are decoded by it; those of other models by the codecs given to
`use`.
"""

import functools
import io
import os
from typing import IO, Any

from PIL import Image, ImageFile

from flextok._codec import Codec
from flextok._errors import Error
from flextok._files import info as file_info

__all__ = ["FlextokImageFile", "use"]

_FORMAT = "FLXT"
_OPTIONS = (
    "bytes",
    "tokens",
    "crop",
    "canvas",
    "cut_at",
    "original_size",
    "background",
    "title",
    "posterior_seed",
)
# More than any file within the default limits has; of longer ones it is an error that they are too long.
_MOST_BYTES = 40 << 20

_codecs: dict[str, Codec] = {}


def use(codec: Codec) -> None:
    """Decodes files of this codec's model by it from now on."""
    _codecs[codec.model] = codec


@functools.cache
def _embedded() -> Codec:
    return Codec()


def _codec_of(model: str) -> Codec:
    codec = _codecs.get(model)
    if codec is not None:
        return codec
    return _embedded()


class FlextokImageFile(ImageFile.ImageFile):
    """A picture of a `.flxt` file."""

    format = _FORMAT
    format_description = "FlexTok tokens"

    _data: bytes | None = None

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read(_MOST_BYTES)
        try:
            about = file_info(data)
        except Error as error:
            # Pillow's word for a file that is not of this format, or damaged.
            raise SyntaxError(str(error)) from error
        self._size = about["width"], about["height"]
        self._mode = "RGB"
        self._data = data
        self.info["model"], self.info["state"] = about["model"], about["state"]
        texts = ("title", "encoder", "capture_time", "color_profile")
        self.info.update({name: about["metadata"][name] for name in texts if about["metadata"][name] is not None})

    def load(self) -> Any:
        if self._data is not None:
            model = self.info["model"]
            try:
                pixels = _codec_of(model).decode(self._data)
            except Error as error:
                hint = "" if model in _codecs else "; give its codec to flextok.pillow.use"
                is_other = _codec_of(model).model != model
                raise OSError(f"{error}{hint if is_other else ''}") from error
            # Like other formats that are decoded at once, it hands its pixels over as a raw file.
            if self.fp is not None and self._exclusive_fp:
                self.fp.close()
            self.fp = io.BytesIO(pixels.data)
            self._data = None
            self.tile = [ImageFile._Tile("raw", (0, 0, *self.size), 0, "RGB")]
        return super().load()


def _accept(prefix: bytes) -> bool:
    # As in desktop/flextok.magic.
    return len(prefix) > 2 and prefix[:2] == b"\xf6\xdc" and prefix[2] & 0x40 == 0


def _save(image: Image.Image, fp: IO[bytes], filename: "str | bytes | os.PathLike[str]") -> None:
    given = image.encoderinfo
    options = {name: given[name] for name in _OPTIONS if name in given}
    codec: Codec = given.get("codec") or _embedded()
    fp.write(codec.encode(image, **options))


Image.register_open(_FORMAT, FlextokImageFile, _accept)
Image.register_save(_FORMAT, _save)
Image.register_extension(_FORMAT, ".flxt")
Image.register_mime(_FORMAT, "image/vnd.flextok")
