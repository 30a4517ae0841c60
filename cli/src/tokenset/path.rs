//! The file that an id names beneath a directory. Ids come from strangers: what could lead out of the directory, or names
//! no file on some system, is refused.

use std::path::{Path, PathBuf};

use super::RowError;

/// Extensions that are replaced: those of pictures, and that of token files.
const REPLACED: [&str; 27] = [
    "avif", "bmp", "dds", "exr", "ff", "flxt", "gif", "hdr", "heic", "heif", "ico", "jfif", "jp2",
    "jpe", "jpeg", "jpg", "jxl", "pbm", "pgm", "png", "pnm", "ppm", "qoi", "tga", "tif", "tiff",
    "webp",
];

/// The relative path of the file for `id` with this extension: the id's directories and name, whose extension is replaced
/// if it is that of a picture or of a token file.
pub(crate) fn of_id(id: &str, extension: &str) -> Result<PathBuf, RowError> {
    let refused = |why| Err(RowError::Path(why));
    if id.is_empty() {
        return refused("it is empty");
    }
    if id.starts_with('/') {
        return refused("it is absolute; ids are relative to the output directory");
    }
    if id.ends_with('/') {
        return refused("it ends with a separator");
    }
    if id.contains('\0') {
        return refused("it holds a NUL character");
    }
    if id.contains('\\') {
        return refused("it holds a backslash, which separates directories on some systems");
    }
    if matches!(id.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
        return refused("it starts with a drive letter");
    }
    if cfg!(windows) && id.contains(':') {
        return refused("it holds a colon");
    }
    for part in id.split('/') {
        match part {
            "" => return refused("a part of it is empty"),
            "." | ".." => return refused("a part of it is . or .."),
            _ => {}
        }
    }
    let mut path = PathBuf::from(id);
    let name = id.rsplit('/').next().unwrap_or(id);
    let own = Path::new(name).extension().and_then(|own| own.to_str());
    let is_picture = own.is_some_and(|own| REPLACED.contains(&own.to_ascii_lowercase().as_str()));
    let stem = match (is_picture, own) {
        (true, Some(own)) => &name[..name.len() - own.len() - 1],
        _ => name,
    };
    path.set_file_name(format!("{stem}.{extension}"));
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_files() {
        for (id, path) in [
            ("a", "a.png"),
            ("a/b.jpg", "a/b.png"),
            ("a.b/c.d", "a.b/c.d.png"),
            ("é ö/x.JPEG", "é ö/x.png"),
            ("x.flxt", "x.png"),
            (".png", ".png.png"),
            ("...", "....png"),
            ("a/..b", "a/..b.png"),
            ("shard-000/000000001", "shard-000/000000001.png"),
        ] {
            assert_eq!(of_id(id, "png").expect(id), PathBuf::from(path));
        }
    }

    #[test]
    fn nothing_leads_out_of_the_directory() {
        for id in [
            "",
            "/",
            "/a",
            "//a",
            "..",
            "../a",
            "a/../../b",
            "a/..",
            "./a",
            "a/./b",
            ".",
            "a//b",
            "a/",
            "a\0b",
            "C:",
            "c:/a",
            "C:\\a",
            "a\\..\\b",
            "\\\\server\\a",
        ] {
            assert!(matches!(of_id(id, "png"), Err(RowError::Path(_))), "{id:?}");
        }
    }
}
