//! Properties of reading image files, and the blocks of metadata in them, over arbitrary bytes.

use std::sync::LazyLock;

use flextok::picture::{self, LoadOptions, load};
use flextok::{Size, Threads};

static THREADS: LazyLock<Threads> = LazyLock::new(|| Threads::new(1).expect("a thread"));

/// Small enough that an input takes milliseconds, whatever it claims to be.
const LIMITS: LoadOptions = LoadOptions {
    max_bytes: 1 << 18,
    max_pixels: 1 << 14,
    max_side: 1 << 12,
    max_memory: 1 << 20,
    color_management: true,
};

/// A picture is within the limits and has pixels, and gets through everything up to the canvas.
pub fn file(data: &[u8]) {
    let loaded = match load::decode_bytes(data, &LIMITS) {
        Ok(loaded) => loaded,
        Err(error) => return crate::one_line(&error),
    };
    let (width, height) = (loaded.image.width(), loaded.image.height());
    assert!(width > 0 && height > 0);
    assert!(width <= LIMITS.max_side && height <= LIMITS.max_side);
    assert!(u64::from(width) * u64::from(height) <= LIMITS.max_pixels);
    let threads = &*THREADS;
    let rgb =
        picture::try_into_rgb(loaded.image, [255, 0, 128], u64::MAX).expect("a small picture");
    assert_eq!(rgb.dimensions(), (width, height));
    let cropped = picture::published_crop(&rgb, Size::new(24, 16), threads).expect("memory");
    assert_eq!(cropped.picture.dimensions(), (24, 16));
    let source = cropped.source;
    assert!(source.x + source.width <= width && source.y + source.height <= height);
    let canvas = picture::resize(&rgb, Size::new(24, 16), threads).expect("memory");
    assert_eq!(
        picture::Canvas::from_rgb(&canvas)
            .and_then(|canvas| canvas.to_rgb())
            .expect("memory"),
        canvas,
        "floats hold 8 bits"
    );
    let restored = picture::restore(&canvas, Size::new(width, height), threads).expect("memory");
    assert_eq!(restored.dimensions(), (width, height));
}

/// A profile, an XMP packet or EXIF, as the first byte says, in a picture of eight by eight pixels: that picture, turned and
/// coloured as may be.
pub fn metadata(data: &[u8]) {
    const COLOR: &[u8] = include_bytes!("../corpus/picture_file/color_8x8.jpg");
    const GREY: &[u8] = include_bytes!("../corpus/picture_file/grey_8x8.jpg");
    const INKS: &[u8] = include_bytes!("../corpus/picture_file/inks_8x8.jpg");
    let Some((kind, block)) = data.split_first() else {
        return;
    };
    let (jpeg, marker, name): (_, _, &[u8]) = match kind % 5 {
        0 => (COLOR, 0xe2, b"ICC_PROFILE\0\x01\x01"),
        1 => (GREY, 0xe2, b"ICC_PROFILE\0\x01\x01"),
        2 => (INKS, 0xe2, b"ICC_PROFILE\0\x01\x01"),
        3 => (COLOR, 0xe1, b"http://ns.adobe.com/xap/1.0/\0"),
        _ => (COLOR, 0xe1, b"Exif\0\0"),
    };
    let Ok(length) = u16::try_from(2 + name.len() + block.len()) else {
        return;
    };
    let (start, rest) = jpeg.split_at(2);
    let head = [start, &[0xff, marker], &length.to_be_bytes(), name].concat();
    match load::decode_bytes(&[&head, block, rest].concat(), &LIMITS) {
        Ok(loaded) => assert_eq!((loaded.image.width(), loaded.image.height()), (8, 8)),
        // High dynamic range is refused.
        Err(error) => crate::one_line(&error),
    }
}
