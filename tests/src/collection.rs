//! Collections of small pictures, made of the sample photos.

use std::io::Cursor;
use std::path::Path;

use flextok::image::{self, DynamicImage, ImageFormat};

use crate::{photo, write};

/// A part of a sample photo, another one for each number, of up to 92×68 pixels.
///
/// # Panics
/// If the photo cannot be read.
#[must_use]
pub fn part(number: u32) -> DynamicImage {
    let photo = image::open(photo("coffee.png")).expect("a photo");
    let (width, height) = (60 + number % 33, 50 + number % 19);
    let x = number * 37 % (600 - width);
    let y = number * 61 % (400 - height);
    photo.crop_imm(x, y, width, height)
}

/// The file of [`part`], a PNG or a JPEG by its extension.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn part_file(number: u32, extension: &str) -> Vec<u8> {
    let format = ImageFormat::from_extension(extension).expect("a known extension");
    let mut file = Cursor::new(Vec::new());
    let part = part(number);
    part.write_to(&mut file, format).expect("memory");
    file.into_inner()
}

/// A tar archive of these files.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(1_700_000_000);
        let added = builder.append_data(&mut header, name, *bytes);
        added.expect("memory");
    }
    builder.into_inner().expect("memory")
}

/// The names and contents of an archive's files, in its order.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn untar(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let members = archive.entries().expect("an archive").map(|member| {
        let mut member = member.expect("a member");
        let name = member.path().expect("a name").display().to_string();
        let mut data = Vec::new();
        std::io::copy(&mut member, &mut data).expect("memory");
        (name, data)
    });
    members.collect()
}

/// Puts a folder `photos` with pictures in several folders, one that is broken, a shard with sidecars, a broken picture and
/// a double key, and what is no picture, into `directory`.
///
/// # Panics
/// If that fails.
pub fn photos(directory: &Path) {
    for folder in ["photos", "photos/sub", "photos/sub/deep"] {
        std::fs::create_dir(directory.join(folder)).expect("writable");
    }
    for (number, name) in ["a.png", "b.jpg", "sub/a.png", "sub/deep/é.png", "sub.jpg"]
        .iter()
        .enumerate()
    {
        let extension = name.rsplit('.').next().unwrap_or_default();
        let file = part_file(number as u32, extension);
        write(directory, &format!("photos/{name}"), file);
    }
    let [one, two] = [10, 11].map(|number| part_file(number, "png"));
    let shard = tar(&[
        ("one.cls", b"1"),
        ("one.png", &one),
        ("one.txt", b"first"),
        ("bad.cls", b"2"),
        ("bad.jpg", b"no picture"),
        ("d/two.png", &two),
        ("d/two.json", b"{}"),
        ("d/two.seg.png", &one),
        ("d/two.tokens.json", b"old"),
        ("one.png", &two),
        ("alone.txt", b"without a picture"),
    ]);
    write(directory, "photos/shard.tar", shard);
    write(directory, "photos/sub/broken.png", "no picture");
    write(directory, "photos/.hidden.png", "no picture");
    write(directory, "photos/notes.txt", "no picture");
}
