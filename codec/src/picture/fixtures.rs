//! Where the tests find their pictures.

use std::path::{Path, PathBuf};

use image::RgbImage;

/// A small picture made for these tests.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/picture")
        .join(name)
}

/// The bytes of such a picture.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).expect("the fixture is part of the repository")
}

/// The pixels of such a picture.
pub(crate) fn rgb(name: &str) -> RgbImage {
    image::open(path(name))
        .expect("the fixture is a plain image")
        .to_rgb8()
}

/// One of the sample photos.
pub(crate) fn photo(name: &str) -> RgbImage {
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/photos");
    image::open(photos.join(name))
        .expect("the photo is part of the repository")
        .to_rgb8()
}
