//! The formats of image files that are read, told by their first bytes.

use std::path::Path;

use image::ImageFormat;

use super::PictureError;
use super::decoders::is_cursor;

/// The formats that [`load::open`](super::load::open) reads, for messages.
pub const READABLE: &str = "bmp, gif, ico, jpeg, png, pnm, qoi, tga, tiff, webp";

/// The format of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PictureFormat {
    /// Windows bitmap.
    Bmp,
    /// GIF.
    Gif,
    /// Windows icon or cursor.
    Ico,
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG.
    Png,
    /// PBM, PGM, PPM or PAM.
    Pnm,
    /// Quite OK Image.
    Qoi,
    /// Truevision TGA.
    Tga,
    /// TIFF.
    Tiff,
    /// WebP.
    WebP,
}

impl PictureFormat {
    /// Its usual name, for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bmp => "bmp",
            Self::Gif => "gif",
            Self::Ico => "ico",
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Pnm => "pnm",
            Self::Qoi => "qoi",
            Self::Tga => "tga",
            Self::Tiff => "tiff",
            Self::WebP => "webp",
        }
    }
}

/// The format by content; the name decides only where the content has no signature (TGA).
pub(super) fn recognise(bytes: &[u8], path: Option<&Path>) -> Result<PictureFormat, PictureError> {
    use PictureFormat as F;
    let unsupported = |format: &str| PictureError::UnsupportedFormat {
        format: format.to_owned(),
        readable: READABLE,
    };
    let by_name = path.and_then(|path| ImageFormat::from_path(path).ok());
    Ok(match image::guess_format(bytes) {
        Ok(ImageFormat::Bmp) => F::Bmp,
        Ok(ImageFormat::Gif) => F::Gif,
        Ok(ImageFormat::Ico) => F::Ico,
        Ok(ImageFormat::Jpeg) => F::Jpeg,
        Ok(ImageFormat::Png) => F::Png,
        Ok(ImageFormat::Pnm) => F::Pnm,
        Ok(ImageFormat::Qoi) => F::Qoi,
        Ok(ImageFormat::Tiff) => F::Tiff,
        Ok(ImageFormat::WebP) => F::WebP,
        Ok(other) => {
            let name = other.extensions_str().first().copied();
            return Err(unsupported(name.unwrap_or("such")));
        }
        Err(_) if bytes.get(4..8) == Some(b"ftyp") => return Err(unsupported("heif")),
        // BigTIFF
        Err(_) if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") => F::Tiff,
        Err(_) if by_name == Some(ImageFormat::Tga) => F::Tga,
        Err(_) if is_cursor(bytes) => F::Ico,
        Err(_) => return Err(PictureError::UnknownFormat { readable: READABLE }),
    })
}
