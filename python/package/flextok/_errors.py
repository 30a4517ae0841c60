"""Exceptions: one class for each thing that a caller can do about an error."""


class Error(Exception):
    """Any error of the codec; its text says what is wrong and what is allowed."""

    limit: str | None = None
    """The key of `Limits` to raise, where a limit was exceeded and the input is trusted."""

    index: int | None = None
    """The number, from 0, of the input of a batch that the error is about."""


class UsageError(Error, ValueError):
    """The request is impossible: change it."""


class CorruptError(Error, ValueError):
    """The token file is not one, or is damaged: get it again. A file that was cut is neither."""


class UnsupportedError(Error):
    """The token file needs a newer version of flextok."""


class ModelError(Error):
    """The model is unusable: give another."""


class WrongModelError(ModelError):
    """The token file was made by another model: open that."""


class LimitError(Error, ValueError):
    """A limit was exceeded: raise `limit` if the input is trusted."""


class ImageError(Error, ValueError):
    """The image file cannot be read: give another."""


class IoError(Error, OSError):
    """The operating system refused."""

    # OSError would show the number that it does not get here.
    def __str__(self) -> str:
        return Exception.__str__(self)


class NotFoundError(IoError, FileNotFoundError):
    """There is no such file."""


class CancelledError(Error):
    """`on_step` returned False."""


class ResourcesError(Error, MemoryError):
    """The system has no more memory or threads."""


class DeviceError(Error, RuntimeError):
    """A GPU is missing, cannot hold the model, or fails: use another device or the CPU."""


class PictureWarning(UserWarning):
    """Something about an image file that its pixels do not show, such as further frames that were left out."""
