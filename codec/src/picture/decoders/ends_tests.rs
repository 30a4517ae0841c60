//! Tests that files which end early are called that, wherever they end.

use image::codecs::{bmp::BmpEncoder, gif::GifEncoder, pnm, tga::TgaEncoder};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};

use crate::picture::load::{LoadedPicture, decode_bytes, open};
use crate::picture::{LoadNote, LoadOptions, PictureError, fixtures, save};

fn picture() -> RgbImage {
    RgbImage::from_fn(7, 5, |x, y| {
        Rgb([30 * x as u8, 50 * y as u8, (x * y) as u8])
    })
}

/// Demands of every part of a file that it is called truncated, or the picture with a note.
fn cut_everywhere(
    name: &str,
    file: &[u8],
    load: impl Fn(&[u8]) -> Result<LoadedPicture, PictureError>,
) {
    let whole = load(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!whole.notes.contains(&LoadNote::EndMissing), "{name}");
    for cut in 0..file.len() {
        match load(&file[..cut]) {
            Err(PictureError::Truncated { .. }) => {}
            Err(PictureError::Empty) if cut == 0 => {}
            Err(PictureError::UnknownFormat { .. }) if cut < 12 => {}
            Ok(part) if part.notes.contains(&LoadNote::EndMissing) => {
                // Of a plain number the last digit may be missing.
                let same = part.image == whole.image || name.contains("plain");
                assert!(same, "{name} cut to {cut} is another picture");
            }
            Ok(_) => panic!("{name} cut to {cut} was read"),
            Err(error) => panic!("{name} cut to {cut}: {error}"),
        }
    }
}

fn decode(file: &[u8]) -> Result<LoadedPicture, PictureError> {
    decode_bytes(file, &LoadOptions::default())
}

#[test]
fn what_this_program_writes() {
    use save::SaveFormat as F;
    for format in [F::Png, F::WebP, F::Qoi, F::Bmp, F::Pnm] {
        let file = save::encode(&picture(), format).unwrap();
        cut_everywhere(format.name(), &file, decode);
    }
}

#[test]
fn other_kinds_of_bmp() {
    let levels: Vec<u8> = (0..35).collect();
    let mut grey = Vec::new();
    let mut encoder = BmpEncoder::new(&mut grey);
    encoder
        .encode(&levels, 7, 5, ExtendedColorType::L8)
        .unwrap();
    cut_everywhere("bmp of levels", &grey, decode);
    for name in ["rle8.bmp", "rle4.bmp", "bitfields16.bmp"] {
        cut_everywhere(name, &fixtures::bytes(name), decode);
    }
}

#[test]
fn gifs_also_between_frames() {
    for name in ["animated.gif", "interlaced.gif"] {
        cut_everywhere(name, &fixtures::bytes(name), decode);
    }
    let mut one = Vec::new();
    let mut encoder = GifEncoder::new(&mut one);
    encoder
        .encode(picture().as_raw(), 7, 5, ExtendedColorType::Rgb8)
        .unwrap();
    drop(encoder);
    cut_everywhere("gif of one frame", &one, decode);
    // The blocks are whole, but their data end early.
    let start = one.len() - 3;
    for gone in 1..8 {
        let mut short = [&one[..start - gone], &one[start + 1..]].concat();
        let length_at = length_of_data(&short, gone);
        short[length_at] -= gone as u8 + 1;
        let found = decode(&short);
        assert!(
            matches!(found, Err(PictureError::Truncated { .. })),
            "{gone}: {found:?}"
        );
    }
}

/// Where the length of the only block of data stands, in a file that lacks `gone` and one byte of it.
fn length_of_data(gif: &[u8], gone: usize) -> usize {
    let end = gif.len() - 2;
    (0..end)
        .find(|&at| at + 1 + usize::from(gif[at]) == end + gone + 1 && gif[at] > 8)
        .unwrap()
}

#[test]
fn all_kinds_of_pnm() {
    let (width, height) = (7, 5);
    let levels: Vec<u8> = (0..35).map(|level| level * 7).collect();
    let header =
        |magic: &str, most: &str| format!("{magic}\n# of this test\n{width} {height}\n{most}");
    let plain: String = levels.iter().map(|level| format!("{level} ")).collect();
    let bits: String = levels
        .iter()
        .map(|level| if level % 2 == 0 { "0" } else { "1 " })
        .collect();
    for (name, file) in [
        ("plain bits", header("P1", "") + &bits),
        ("plain levels", header("P2", "255\n") + &plain),
        (
            "plain colors",
            header("P3", "255\n") + &plain + &plain + &plain,
        ),
    ] {
        cut_everywhere(name, file.as_bytes(), decode);
    }
    let deep: Vec<u8> = levels
        .iter()
        .flat_map(|&level| [level, 255 - level])
        .collect();
    for (magic, most, samples) in [
        ("P4", "", &levels[..5]),
        ("P5", "255\n", &levels),
        ("P5", "65535\n", &deep),
        ("P6", "255\n", &levels.repeat(3)),
    ] {
        let file = [header(magic, most).as_bytes(), samples].concat();
        cut_everywhere(magic, &file, decode);
    }
    let mut pam = Vec::new();
    let encoder = pnm::PnmEncoder::new(&mut pam).with_subtype(pnm::PnmSubtype::ArbitraryMap);
    encoder
        .write_image(&levels, 7, 5, ExtendedColorType::L8)
        .unwrap();
    cut_everywhere("pam", &pam, decode);
}

#[test]
fn tga_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture.tga");
    let load = |file: &[u8]| {
        std::fs::write(&path, file).unwrap();
        open(&path, &LoadOptions::default())
    };
    let mut packed = Vec::new();
    let encoder = TgaEncoder::new(&mut packed);
    encoder
        .write_image(picture().as_raw(), 7, 5, ExtendedColorType::Rgb8)
        .unwrap();
    let mut plain = Vec::new();
    let encoder = TgaEncoder::new(&mut plain).disable_rle();
    encoder
        .write_image(picture().as_raw(), 7, 5, ExtendedColorType::Rgb8)
        .unwrap();
    let palette = [
        &[2, 1, 1, 0, 0, 2, 0, 24, 0, 0, 0, 0, 3, 0, 2, 0, 8, 0][..],
        b"id",
        &[9; 6],
        &[0, 1, 0, 1, 0, 1],
    ]
    .concat();
    for (name, file) in [
        ("packed", packed),
        ("plain tga", plain),
        ("palette", palette),
    ] {
        cut_everywhere(name, &file, load);
    }
}

#[test]
fn pngs_and_webps_of_all_kinds() {
    for name in [
        "animated.png",
        "animated.webp",
        "bilevel.png",
        "grey_alpha.png",
        "interlaced.png",
        "orientation3.webp",
        "palette.png",
        "profile.png",
        "rgba16.png",
    ] {
        cut_everywhere(name, &fixtures::bytes(name), decode);
    }
}
