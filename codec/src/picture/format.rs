//! The formats of image files that are read, told by their first bytes.

use std::path::Path;

use image::ImageFormat;

use super::PictureError;

/// The formats that [`load::open`](super::load::open) reads, for messages.
#[cfg(feature = "jxl")]
pub const READABLE: &str = "bmp, gif, ico, jpeg, jxl, png, pnm, qoi, tga, tiff, webp";
/// The formats that [`load::open`](super::load::open) reads, for messages.
#[cfg(not(feature = "jxl"))]
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
    /// JPEG XL. It is read where the feature `jxl` is on.
    Jxl,
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
            Self::Jxl => "jxl",
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
    if is_jxl(bytes) {
        return match cfg!(feature = "jxl") {
            true => Ok(F::Jxl),
            false => Err(unsupported("jxl", advice::JXL)),
        };
    }
    if let Some((name, advice)) = foreign(bytes) {
        return Err(unsupported(name, advice));
    }
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
            return Err(unsupported(name.unwrap_or("such"), advice::ANY));
        }
        Err(_) if by_name == Some(ImageFormat::Tga) => F::Tga,
        Err(_) => return Err(PictureError::UnknownFormat { readable: READABLE }),
    })
}

/// The refusal of a format that is known but not read.
pub(super) fn unsupported(name: &str, advice: &'static str) -> PictureError {
    PictureError::UnsupportedFormat {
        format: name.to_owned(),
        advice,
        readable: READABLE,
    }
}

/// What to do with files of formats that are not read.
pub(super) mod advice {
    pub(super) const ANY: &str =
        "convert it first, for example with `magick picture.xyz picture.png`";
    pub(super) const AVIF: &str =
        "convert it first, for example with `avifdec photo.avif photo.png`";
    pub(super) const HEIF: &str =
        "convert it first, for example with `heif-convert photo.heic photo.jpg`";
    pub(in crate::picture) const JXL: &str =
        "convert it first, for example with `djxl photo.jxl photo.png`";
    pub(super) const PDF: &str =
        "convert a page first, for example with `pdftoppm -png -r 300 document.pdf page`";
    pub(super) const RAW: &str =
        "develop it first, for example with `darktable-cli photo.raw photo.jpg`";
    pub(super) const SVG: &str =
        "draw it first, for example with `rsvg-convert -o drawing.png drawing.svg`";
    pub(super) const VIDEO: &str =
        "take a frame first, for example with `ffmpeg -i film.mp4 -frames:v 1 frame.png`";
}

/// A bare codestream, or the box that files with boxes begin with.
fn is_jxl(bytes: &[u8]) -> bool {
    const BOX: &[u8] = b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a";
    bytes.starts_with(&[0xff, 0x0a]) || bytes.starts_with(BOX)
}

/// The name of a format that is not read, and what to do.
fn foreign(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const SIGNATURES: &[(&[u8], &str, &str)] = &[
        (b"\0\0\0\x0cjP  \x0d\x0a\x87\x0a", "jpeg 2000", advice::ANY),
        (b"\xff\x4f\xff\x51", "jpeg 2000", advice::ANY),
        (b"II\xbc", "jpeg xr", advice::ANY),
        (b"8BPS", "psd", advice::ANY),
        (b"gimp xcf", "xcf", advice::ANY),
        (b"\x76\x2f\x31\x01", "openexr", advice::ANY),
        (b"#?RADIANCE", "hdr", advice::ANY),
        (b"#?RGBE", "hdr", advice::ANY),
        (b"DDS ", "dds", advice::ANY),
        (b"farbfeld", "farbfeld", advice::ANY),
        (b"FUJIFILMCCD-RAW", "camera raw", advice::RAW),
        (b"IIU\0", "camera raw", advice::RAW),
        (b"IIRO", "camera raw", advice::RAW),
        (b"IIRS", "camera raw", advice::RAW),
        (b"MMOR", "camera raw", advice::RAW),
        (b"FOVb", "camera raw", advice::RAW),
        (b"\0MRM", "camera raw", advice::RAW),
        (b"%PDF-", "pdf", advice::PDF),
        (b"%!PS", "postscript", advice::ANY),
    ];
    let known = SIGNATURES
        .iter()
        .find(|(signature, ..)| bytes.starts_with(signature));
    if let Some(&(_, name, advice)) = known {
        return Some((name, advice));
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(of_brands(bytes));
    }
    // What stands before the first element of a drawing is short.
    let start = bytes.get(..1024).unwrap_or(bytes).trim_ascii_start();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let xml = start.starts_with(b"<?xml") || start.starts_with(b"<!");
    let svg = start.starts_with(b"<svg") || xml && start.windows(4).any(|name| name == b"<svg");
    svg.then_some(("svg", advice::SVG))
}

/// ISO base media files (ISO/IEC 14496-12) by the brands that they begin with. A general first brand leaves it to the
/// others.
fn of_brands(bytes: &[u8]) -> (&'static str, &'static str) {
    let length = bytes
        .first_chunk()
        .map_or(0, |&length| u32::from_be_bytes(length));
    let end = usize::try_from(length).unwrap_or(usize::MAX).clamp(12, 256);
    let brands = bytes.get(8..end).or(bytes.get(8..)).unwrap_or_default();
    let (brands, _) = brands.as_chunks::<4>();
    // Behind the first brand comes its version.
    let first = brands.first().into_iter();
    let all = first.chain(brands.iter().skip(2));
    let known = all.clone().find_map(|brand| match brand {
        b"avif" | b"avis" => Some(("avif", advice::AVIF)),
        b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"hevm" | b"hevs" => {
            Some(("heic", advice::HEIF))
        }
        b"crx " => Some(("camera raw", advice::RAW)),
        _ => None,
    });
    let still = all
        .clone()
        .any(|brand| matches!(brand, b"mif1" | b"msf1" | b"miaf"));
    let film = all.clone().any(|brand| {
        let film = [
            b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"avc1", b"M4V ",
        ];
        film.contains(&brand)
    });
    match known {
        Some(known) => known,
        None if film && !still => ("video", advice::VIDEO),
        None if still => ("heic", advice::HEIF),
        None => ("heif", advice::HEIF),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of an unsupported format, with a program in the message.
    fn refused(bytes: &[u8]) -> String {
        let error = recognise(bytes, Some(Path::new("picture.tga"))).expect_err("not read");
        let text = error.to_string();
        assert!(text.contains('`') && text.contains(READABLE), "{text}");
        let PictureError::UnsupportedFormat { format, .. } = error else {
            panic!("{error}");
        };
        format
    }

    #[test]
    fn brands_tell_what_a_file_is() {
        let file = |brands: &[&[u8; 4]]| {
            let length = (12 + 4 * brands.len() as u32).to_be_bytes();
            let others = brands[1..].iter().flat_map(|brand| **brand);
            let others: Vec<u8> = others.collect();
            let brands = [&brands[0][..], b"\0\0\0\0", &others].concat();
            [&length[..], b"ftyp", &brands, b"more avif"].concat()
        };
        for brand in [
            b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1",
        ] {
            assert_eq!(refused(&file(&[brand])), "heic");
        }
        for brands in [
            &[b"avif"][..],
            &[b"avis", b"mif1"],
            &[b"mif1", b"miaf", b"avif"],
        ] {
            assert_eq!(refused(&file(brands)), "avif");
        }
        assert_eq!(refused(&file(&[b"mif1", b"heic"])), "heic");
        assert_eq!(refused(&file(&[b"crx ", b"isom"])), "camera raw");
        assert_eq!(refused(&file(&[b"isom", b"mp42"])), "video");
        assert_eq!(refused(&file(&[b"what"])), "heif");
        let whole = file(&[b"mif1", b"miaf", b"avif"]);
        for cut in 8..whole.len() {
            refused(&whole[..cut]);
        }
    }

    #[test]
    fn signatures_tell_the_others() {
        for (start, name) in [
            (&b"\0\0\0\x0cjP  \x0d\x0a\x87\x0a"[..], "jpeg 2000"),
            (b"\xff\x4f\xff\x51", "jpeg 2000"),
            (b"8BPS\0\x01", "psd"),
            (b"FUJIFILMCCD-RAW 0201", "camera raw"),
            (b"%PDF-1.7", "pdf"),
            (b"DDS |", "dds"),
            (b"farbfeld", "farbfeld"),
            (b"#?RADIANCE\n", "hdr"),
            (b"\x76\x2f\x31\x01", "openexr"),
            (b"<svg xmlns=''>", "svg"),
            (
                b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a drawing -->\n<svg>",
                "svg",
            ),
        ] {
            assert_eq!(refused(start), name);
        }
        let text = recognise(b"<?xml version='1.0'?><html>", None);
        assert!(matches!(text, Err(PictureError::UnknownFormat { .. })));
    }

    #[test]
    fn jpeg_xl_is_known_with_and_without_boxes() {
        for start in [&b"\xff\x0a\0"[..], b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a\0"] {
            if cfg!(feature = "jxl") {
                assert_eq!(recognise(start, None).unwrap(), PictureFormat::Jxl);
            } else {
                assert_eq!(refused(start), "jxl");
            }
        }
    }
}
