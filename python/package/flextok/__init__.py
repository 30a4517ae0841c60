"""The FlexTok image codec: photos in a few hundred bytes, and ordered tokens for generative models.

>>> import flextok
>>> codec = flextok.Codec()
>>> photo = flextok.load("photo.jpg")           # [H, W, C], upright, in sRGB
>>> data = codec.encode(photo, bytes=512)       # a .flxt file; any prefix of it decodes
>>> picture = codec.decode(data)                # [H, W, 3] uint8
>>> picture = codec.decode(data[:60], output="pil")

`Codec("model.safetensors")` opens a FlexTok network, which also has `tokenize` and `detokenize`. `import flextok.pillow` lets
Pillow open and save `.flxt` files.
"""

from flextok._codec import Codec, Limits
from flextok._errors import (
    CancelledError,
    CorruptError,
    DeviceError,
    Error,
    ImageError,
    IoError,
    LimitError,
    ModelError,
    NotFoundError,
    PictureWarning,
    ResourcesError,
    UnsupportedError,
    UsageError,
    WrongModelError,
)
from flextok._files import FileInfo, info, load, tokens, truncate
from flextok._flextok import __version__
from flextok._progressive import Picture, ProgressiveDecoder

__all__ = [
    "CancelledError",
    "Codec",
    "CorruptError",
    "DeviceError",
    "Error",
    "FileInfo",
    "ImageError",
    "IoError",
    "LimitError",
    "Limits",
    "ModelError",
    "NotFoundError",
    "Picture",
    "PictureWarning",
    "ProgressiveDecoder",
    "ResourcesError",
    "UnsupportedError",
    "UsageError",
    "WrongModelError",
    "__version__",
    "info",
    "load",
    "tokens",
    "truncate",
]
