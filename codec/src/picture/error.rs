//! Errors about pictures, grouped by what the caller can do about them.

use std::path::PathBuf;

use crate::error::LimitKind;

/// The groups of [`PictureError`] that callers usually treat alike (exit codes, HTTP states).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PictureErrorKind {
    /// The input is not an image, or a damaged one.
    Unreadable,
    /// The input may be fine, but exceeds a limit of the caller.
    Limit,
    /// The operating system refused: missing file, permissions, read errors.
    Io,
    /// The request cannot be fulfilled whatever the input is: an unknown output type, one that
    /// cannot hold the size, a bad shape.
    Usage,
    /// The picture could not be written in the requested format.
    Encode,
    /// The system does not have the memory.
    Resources,
}

/// Errors of this module. [`kind`](Self::kind) groups them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// Opening or reading the file failed.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The path names a directory.
    #[error("{} is a directory; expected an image file", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// There are no bytes at all.
    #[error("the input is empty; expected an image file")]
    Empty,
    /// Neither the content nor the extension identifies an image format.
    #[error("not an image of a known format; readable formats: {readable}")]
    UnknownFormat {
        /// The formats that can be read.
        readable: &'static str,
    },
    /// A known image format that this build does not read.
    #[error("{format} images are not supported; {advice}; readable formats: {readable}")]
    UnsupportedFormat {
        /// The format that was recognised.
        format: String,
        /// What to do with such a file, with a program that reads it.
        advice: &'static str,
        /// The formats that can be read.
        readable: &'static str,
    },
    /// The image data contradict their format.
    #[error("damaged or unsupported {format} image: {detail}")]
    Malformed {
        /// The format that the content or the extension indicates.
        format: &'static str,
        /// What the decoder found.
        detail: String,
    },
    /// The image data end too early.
    #[error("truncated {format} image: {detail}")]
    Truncated {
        /// The format that the content or the extension indicates.
        format: &'static str,
        /// Where the data end.
        detail: String,
    },
    /// The file has more bytes than allowed.
    #[error("the input exceeds the limit of {max} bytes")]
    TooManyBytes {
        /// The limit, in bytes.
        max: u64,
    },
    /// The image has more pixels than allowed.
    #[error("the image has {width}x{height} = {pixels} pixels; the limit is {max}")]
    TooManyPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// `width * height`.
        pixels: u64,
        /// The limit, in pixels.
        max: u64,
    },
    /// One side of the image is longer than allowed.
    #[error("the image has {width}x{height} pixels; the limit is {max} per side, so scale it down")]
    SideTooLong {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit, in pixels.
        max: u32,
    },
    /// Decoding or converting would take more memory than allowed.
    #[error("the image needs at least {needed} bytes of memory; the limit is {max}")]
    TooMuchMemory {
        /// Peak memory in bytes, or a known lower bound of it.
        needed: u64,
        /// The limit, in bytes.
        max: u64,
    },
    /// The system does not have the memory that a picture takes.
    #[error(
        "the picture needs {bytes} bytes of memory, more than the system has; free some, or scale it down"
    )]
    OutOfMemory {
        /// Memory requested, in bytes.
        bytes: u64,
    },
    /// A width or height of zero.
    #[error("a picture cannot have {width}x{height} pixels; both sides must be at least 1")]
    ZeroSide {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The number of samples of a canvas contradicts its size.
    #[error("a canvas of {width}x{height} has {expected} samples, not {got}")]
    CanvasSamples {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// `3 * width * height`.
        expected: u64,
        /// The samples that were given.
        got: usize,
    },
    /// The extension of an output file is not one that can be written.
    #[error("cannot write \"{extension}\" images; use one of {writable}")]
    UnknownExtension {
        /// The extension, without the dot; empty if there is none.
        extension: String,
        /// The extensions that can be written.
        writable: &'static str,
    },
    /// The output format cannot hold a picture of this size.
    #[error(
        "a {format} file cannot hold {width}x{height} pixels; its limit is {max} per side, so use png"
    )]
    TooLargeForFormat {
        /// The output format.
        format: &'static str,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The most the format holds per side.
        max: u32,
    },
    /// The image encoder failed.
    #[error("cannot encode the picture as {format}: {detail}")]
    Encode {
        /// The output format.
        format: &'static str,
        /// The encoder's message.
        detail: String,
    },
}

impl PictureError {
    /// The limit that was exceeded, if it is one that [`Limits`](crate::Limits) sets.
    #[must_use]
    pub(crate) fn limit(&self) -> Option<LimitKind> {
        match self {
            Self::TooManyBytes { .. } => Some(LimitKind::ImageBytes),
            Self::TooManyPixels { .. } => Some(LimitKind::Pixels),
            Self::SideTooLong { .. } => Some(LimitKind::Side),
            Self::TooMuchMemory { .. } => Some(LimitKind::ImageMemory),
            _ => None,
        }
    }

    /// The group that this error belongs to.
    #[must_use]
    pub fn kind(&self) -> PictureErrorKind {
        match self {
            Self::Io { .. } => PictureErrorKind::Io,
            Self::Directory { .. }
            | Self::Empty
            | Self::UnknownFormat { .. }
            | Self::UnsupportedFormat { .. }
            | Self::Malformed { .. }
            | Self::Truncated { .. } => PictureErrorKind::Unreadable,
            Self::TooManyBytes { .. }
            | Self::TooManyPixels { .. }
            | Self::SideTooLong { .. }
            | Self::TooMuchMemory { .. } => PictureErrorKind::Limit,
            Self::ZeroSide { .. }
            | Self::CanvasSamples { .. }
            | Self::UnknownExtension { .. }
            | Self::TooLargeForFormat { .. } => PictureErrorKind::Usage,
            Self::Encode { .. } => PictureErrorKind::Encode,
            Self::OutOfMemory { .. } => PictureErrorKind::Resources,
        }
    }
}
