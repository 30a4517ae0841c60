//! Pictures to the bytes of image files, the format chosen by the file name.

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::pnm::{PnmEncoder, PnmSubtype, SampleEncoding};
use image::codecs::{
    bmp::BmpEncoder, jpeg::JpegEncoder, qoi::QoiEncoder, tga::TgaEncoder, tiff::TiffEncoder,
    webp::WebPEncoder,
};
use image::{ExtendedColorType, ImageEncoder, RgbImage};

use super::one_line;
use super::{PictureError, memory};
use crate::Size;

/// Quality of JPEG files, of 100.
const JPEG_QUALITY: u8 = 90;

/// The extensions that can be written, for messages.
pub const WRITABLE: &str = "png, jpg, jpeg, webp, bmp, tif, tiff, ppm, pnm, qoi, tga";

/// Where the chunk of a PNG begins that names the program: behind the signature and the header.
const SIGNED_AT: usize = 8 + 25;

/// The text chunk `Software: flextok` (PNG, third edition, section 11.3.3.2).
const SIGNATURE: [u8; 28] = *b"\0\0\0\x10tEXtSoftware\0flextok\xb6\xfa\x70\x9a";

/// [`is_signed`] needs so many bytes of a file.
pub const SIGNED_WITHIN: u64 = (SIGNED_AT + SIGNATURE.len()) as u64;

/// Whether a file that begins like this is a PNG that [`encode`] wrote.
#[must_use]
pub fn is_signed(start: &[u8]) -> bool {
    let chunk = start.get(SIGNED_AT..);
    start.starts_with(b"\x89PNG") && chunk.is_some_and(|chunk| chunk.starts_with(&SIGNATURE))
}

/// A format pictures can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SaveFormat {
    /// PNG.
    Png,
    /// JPEG of quality 90.
    Jpeg,
    /// Lossless WebP.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// TIFF.
    Tiff,
    /// Binary portable pixmap, `P6`.
    Pnm,
    /// Quite OK image.
    Qoi,
    /// Targa.
    Tga,
}

impl SaveFormat {
    /// All formats.
    pub const ALL: [Self; 8] = [
        Self::Png,
        Self::Jpeg,
        Self::WebP,
        Self::Bmp,
        Self::Tiff,
        Self::Pnm,
        Self::Qoi,
        Self::Tga,
    ];

    /// The format that a file name selects by its extension, upper or lower case.
    ///
    /// # Errors
    /// [`PictureError::UnknownExtension`] with the extensions there are.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        let extension = path.as_ref().extension().unwrap_or_default();
        Self::from_extension(&extension.to_string_lossy())
    }

    /// The format of an extension without its dot, upper or lower case.
    ///
    /// # Errors
    /// [`PictureError::UnknownExtension`] with the extensions there are.
    pub fn from_extension(extension: &str) -> Result<Self, PictureError> {
        match extension.to_ascii_lowercase().as_str() {
            "png" => Ok(Self::Png),
            "jpg" | "jpeg" => Ok(Self::Jpeg),
            "webp" => Ok(Self::WebP),
            "bmp" => Ok(Self::Bmp),
            "tif" | "tiff" => Ok(Self::Tiff),
            "ppm" | "pnm" => Ok(Self::Pnm),
            "qoi" => Ok(Self::Qoi),
            "tga" => Ok(Self::Tga),
            _ => Err(PictureError::UnknownExtension {
                extension: extension.to_owned(),
                writable: WRITABLE,
            }),
        }
    }

    /// Its usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::WebP => "webp",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Pnm => "pnm",
            Self::Qoi => "qoi",
            Self::Tga => "tga",
        }
    }

    /// The most pixels per side the format has numbers for.
    #[must_use]
    pub fn max_side(self) -> u32 {
        match self {
            Self::WebP => 1 << 14,
            Self::Jpeg | Self::Tga => 65_535,
            Self::Png | Self::Bmp | Self::Tiff | Self::Pnm | Self::Qoi => i32::MAX as u32,
        }
    }

    /// Checks that the format can hold a picture of this size, which costs nothing before the picture is made.
    ///
    /// # Errors
    /// [`PictureError::ZeroSide`], [`PictureError::TooLargeForFormat`].
    pub fn check_size(self, size: Size) -> Result<(), PictureError> {
        let Size { width, height } = size;
        if size.area() == 0 {
            return Err(PictureError::ZeroSide { width, height });
        }
        if width.max(height) > self.max_side() {
            return Err(PictureError::TooLargeForFormat {
                format: self.name(),
                width,
                height,
                max: self.max_side(),
            });
        }
        Ok(())
    }
}

/// The bytes of an image file with `picture` in it. A PNG has the text `Software: flextok`, which [`is_signed`] finds.
///
/// # Errors
/// [`PictureError::TooLargeForFormat`] if the format cannot express the size,
/// [`PictureError::Encode`] if the encoder fails, [`PictureError::OutOfMemory`] if the system does not have the memory
/// that the encoder may need.
pub fn encode(picture: &RgbImage, format: SaveFormat) -> Result<Vec<u8>, PictureError> {
    let size = picture.dimensions().into();
    format.check_size(size)?;
    memory::probe(encoding_memory(format, size))?;
    let mut bytes = Vec::new();
    let mut seekable = std::io::Cursor::new(&mut bytes);
    match format {
        SaveFormat::Png => {
            // A tenth larger than the default level and thirty times as fast.
            let (level, filter) = (CompressionType::Fast, FilterType::Adaptive);
            write(
                picture,
                PngEncoder::new_with_quality(&mut seekable, level, filter),
            )
        }
        SaveFormat::Jpeg => write(
            picture,
            JpegEncoder::new_with_quality(&mut seekable, JPEG_QUALITY),
        ),
        SaveFormat::WebP => write(picture, WebPEncoder::new_lossless(&mut seekable)),
        SaveFormat::Bmp => write(picture, BmpEncoder::new(&mut seekable)),
        SaveFormat::Tiff => write(picture, TiffEncoder::new(&mut seekable)),
        SaveFormat::Pnm => {
            let pixmap = PnmSubtype::Pixmap(SampleEncoding::Binary);
            write(picture, PnmEncoder::new(&mut seekable).with_subtype(pixmap))
        }
        SaveFormat::Qoi => write(picture, QoiEncoder::new(&mut seekable)),
        SaveFormat::Tga => write(picture, TgaEncoder::new(&mut seekable)),
    }
    .map_err(|error| PictureError::Encode {
        format: format.name(),
        detail: one_line(&error.to_string()),
    })?;
    if format == SaveFormat::Png {
        bytes.splice(SIGNED_AT..SIGNED_AT, SIGNATURE);
    }
    Ok(bytes)
}

fn write(picture: &RgbImage, encoder: impl ImageEncoder) -> image::ImageResult<()> {
    let (width, height) = picture.dimensions();
    encoder.write_image(picture.as_raw(), width, height, ExtendedColorType::Rgb8)
}

/// Memory of an encoder without the 8-bit RGB picture but with the file it makes, even for incompressible pictures.
fn encoding_memory(format: SaveFormat, size: Size) -> u64 {
    // A vector that grows has up to twice the bytes that it needs.
    let per_pixel = match format {
        // compressed data of 3 bytes and the file
        SaveFormat::Png => 12,
        // at worst some 3 bytes, as noise
        SaveFormat::Jpeg => 8,
        // four channels, codes of up to 15 bits for each, and the file
        SaveFormat::WebP => 24,
        // 4 bytes and the file
        SaveFormat::Qoi | SaveFormat::Tga => 12,
        SaveFormat::Bmp | SaveFormat::Tiff | SaveFormat::Pnm => 6,
    };
    // Rows are padded, and have a filter or a strip entry each.
    let rows = u64::from(size.height) * 64 + u64::from(size.width) * 16;
    size.area().saturating_mul(per_pixel).saturating_add(rows)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::picture::{LoadOptions, PictureErrorKind, flatten, load};

    fn gradient(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 5) as u8, (y * 7) as u8, (x + y) as u8])
        })
    }

    #[test]
    fn every_format_comes_back() {
        for picture in [gradient(37, 21), gradient(1, 1)] {
            for format in SaveFormat::ALL {
                let bytes = encode(&picture, format).expect("a small picture");
                let path = std::env::temp_dir().join(format!(
                    "flextok-save-{}-{}.{}",
                    std::process::id(),
                    picture.width(),
                    format.name()
                ));
                std::fs::write(&path, &bytes).expect("the temporary directory is writable");
                let loaded = load::open(&path, &LoadOptions::default());
                let _ = std::fs::remove_file(&path);
                let back = flatten(&loaded.expect("what was just written").image, [0; 3]);
                assert_eq!(back.dimensions(), picture.dimensions());
                let worst = back
                    .iter()
                    .zip(picture.iter())
                    .map(|(a, b)| a.abs_diff(*b))
                    .max();
                let allowed = if format == SaveFormat::Jpeg { 24 } else { 0 };
                assert!(worst <= Some(allowed), "{format:?} {worst:?}");
            }
        }
    }

    #[test]
    fn png_files_name_the_program() {
        let bytes = encode(&gradient(3, 2), SaveFormat::Png).expect("a small picture");
        assert!(is_signed(&bytes) && is_signed(&bytes[..SIGNED_WITHIN as usize]));
        let body = &SIGNATURE[4..SIGNATURE.len() - 4];
        assert_eq!(SIGNATURE[..4], (body.len() as u32 - 4).to_be_bytes());
        assert_eq!(
            SIGNATURE[body.len() + 4..],
            crc32fast::hash(body).to_be_bytes()
        );
        assert!(!is_signed(&bytes[..SIGNED_WITHIN as usize - 1]) && !is_signed(b""));
        let other = encode(&gradient(3, 2), SaveFormat::Bmp).expect("a small picture");
        assert!(!is_signed(&other));
    }

    #[test]
    fn every_listed_extension_is_known_and_no_other() {
        for extension in WRITABLE.split(", ") {
            let upper = extension.to_uppercase();
            assert!(SaveFormat::from_extension(extension).is_ok(), "{extension}");
            assert!(
                SaveFormat::from_path(format!("a.b.{upper}")).is_ok(),
                "{upper}"
            );
        }
        for (path, extension) in [("a", ""), ("a.gif", "gif"), (".png", ""), ("a.png/", "png")] {
            match SaveFormat::from_path(path) {
                Err(PictureError::UnknownExtension { extension: got, .. }) => {
                    assert_eq!(got, extension);
                }
                other => assert_eq!((path, other.ok()), ("a.png/", Some(SaveFormat::Png))),
            }
        }
        let error = SaveFormat::from_extension("gif").expect_err("not written");
        assert!(error.to_string().contains(WRITABLE), "{error}");
    }

    #[test]
    fn sizes_beyond_a_format_are_refused() {
        let long = RgbImage::new(16_385, 1);
        let error = encode(&long, SaveFormat::WebP).expect_err("webp has 14 bits");
        assert!(matches!(
            error,
            PictureError::TooLargeForFormat { max: 16_384, .. }
        ));
        assert_eq!(error.kind(), PictureErrorKind::Usage);
        assert!(encode(&RgbImage::new(16_384, 1), SaveFormat::WebP).is_ok());
        for format in [SaveFormat::Jpeg, SaveFormat::Tga] {
            assert!(encode(&RgbImage::new(65_536, 1), format).is_err());
            assert!(encode(&RgbImage::new(65_535, 1), format).is_ok());
        }
        let empty = encode(&RgbImage::new(0, 3), SaveFormat::Png);
        assert!(matches!(empty, Err(PictureError::ZeroSide { .. })));
    }
}
