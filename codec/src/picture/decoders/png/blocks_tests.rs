//! Tests of what PNG files say beside their pixels.

use super::*;
use crate::picture::decoders::png::{chunk, file};

fn title(chunks: &[Vec<u8>]) -> Option<String> {
    blocks(&file(chunks)).title
}

fn zlib(text: &[u8]) -> Vec<u8> {
    fdeflate::compress_to_vec(text)
}

#[test]
fn titles_of_all_chunk_types() {
    let author = chunk(b"tEXt", b"Author\0Nobody");
    let latin = [author.clone(), chunk(b"tEXt", b"Title\0Caf\xe9\n ")];
    assert_eq!(title(&latin).as_deref(), Some("Café"));
    let packed = [b"Title\0\0", &zlib(b"Caf\xe9")[..]].concat();
    assert_eq!(title(&[chunk(b"zTXt", &packed)]).as_deref(), Some("Café"));
    let utf8 = chunk(b"iTXt", "Title\0\0\0de\0Titel\0Straße".as_bytes());
    assert_eq!(title(&[utf8]).as_deref(), Some("Straße"));
    let packed = [b"Title\0\x01\0de\0Titel\0", &zlib("Straße".as_bytes())[..]].concat();
    assert_eq!(title(&[chunk(b"iTXt", &packed)]).as_deref(), Some("Straße"));
    let damaged = chunk(b"iTXt", b"Title\0\x01\0\0\0zzz");
    assert_eq!(title(&[author, damaged]), None);
    assert_eq!(title(&[chunk(b"tEXt", b"Title\0 \t")]), None);
    let mut wrong = chunk(b"tEXt", b"Title\0abc");
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(title(&[wrong]), None);
}

#[test]
fn long_titles_are_cut_and_bombs_are_not_unpacked() {
    let plain = [b"Title\0".as_slice(), &[b'a'; 999]].concat();
    let bomb = [b"Title\0\0", &zlib(&vec![b'a'; 8 << 20])[..]].concat();
    let letters = "ß".repeat(50_000);
    let utf8 = [b"Title\0\x01\0\0\0", &zlib(letters.as_bytes())[..]].concat();
    for (kind, body) in [(b"tEXt", plain), (b"zTXt", bomb), (b"iTXt", utf8)] {
        let title = title(&[chunk(kind, &body)]).unwrap();
        assert_eq!(title.chars().count(), metadata::MAX_CHARS);
    }
    let packet = [
        b"XML:com.adobe.xmp\0\x01\0\0\0",
        &zlib(&vec![b' '; 2 << 20])[..],
    ]
    .concat();
    assert!(blocks(&file(&[chunk(b"iTXt", &packet)])).xmp.is_none());
}

#[test]
fn cut_files_have_no_title() {
    let whole = file(&[chunk(b"tEXt", b"Author\0x"), chunk(b"tEXt", b"Title\0abc")]);
    for cut in 0..whole.len() {
        assert_eq!(blocks(&whole[..cut]).title, None, "{cut}");
    }
    let mut long = whole.clone();
    long[8..12].fill(0xff);
    assert_eq!(blocks(&long).title, None);
}

#[test]
fn blocks_behind_the_pixels_count_but_descriptions_of_colors_do_not() {
    let pixels = chunk(b"IDAT", b"x");
    let exif = chunk(b"eXIf", b"MM\0*");
    let xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>");
    let colors = [
        chunk(b"gAMA", &[0, 1, 0, 0]),
        chunk(b"cICP", &[12, 13, 0, 1]),
    ];
    let found = blocks(&file(&[pixels, exif, xmp, colors.concat()]));
    assert_eq!(found.exif.as_deref(), Some(&b"MM\0*"[..]));
    assert_eq!(found.xmp.as_deref(), Some(&b"<x/>"[..]));
    assert!(found.calibration.is_none() && found.coding_points.is_none());
}

#[test]
fn legacy_texts_hold_exif_and_xmp() {
    let exif = b"Raw profile type exif\0\nexif\n      10\n4578696600004d4d\n002a\n";
    let found = blocks(&file(&[chunk(b"tEXt", exif)]));
    assert_eq!(found.exif.as_deref(), Some(&b"Exif\0\0MM\0*"[..]));
    let digits: String = [XMP_SEGMENT, b"<x/>"]
        .concat()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let text = format!("\nAPP1\n {}\n{digits}\n", XMP_SEGMENT.len() + 4);
    let packed = [b"Raw profile type APP1\0\0", &zlib(text.as_bytes())[..]].concat();
    let found = blocks(&file(&[chunk(b"zTXt", &packed)]));
    assert_eq!(found.xmp.as_deref(), Some(&b"<x/>"[..]));
    assert!(found.exif.is_none());
    let short = b"Raw profile type exif\0\nexif\n      11\n4578696600004d4d\n002a\n";
    assert!(blocks(&file(&[chunk(b"tEXt", short)])).exif.is_none());
    // The chunk made for it goes first.
    let found = blocks(&file(&[chunk(b"tEXt", exif), chunk(b"eXIf", b"II*\0")]));
    assert_eq!(found.exif.as_deref(), Some(&b"II*\0"[..]));
}

#[test]
fn calibrations_count_unless_the_file_says_srgb() {
    let points: Vec<u8> = [31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000]
        .into_iter()
        .flat_map(u32::to_be_bytes)
        .collect();
    let points = chunk(b"cHRM", &points);
    let gamma = chunk(b"gAMA", &45455_u32.to_be_bytes());
    let found = blocks(&file(&[gamma.clone(), points.clone()]))
        .calibration
        .unwrap();
    assert_eq!(found.gamma, Some(0.45455));
    let expected = [[0.3127, 0.329], [0.64, 0.33], [0.21, 0.71], [0.15, 0.06]];
    assert_eq!(found.chromaticities, Some(expected));
    let found = blocks(&file(std::slice::from_ref(&points)))
        .calibration
        .unwrap();
    assert_eq!(found.gamma, None);
    let srgb = chunk(b"sRGB", &[0]);
    assert!(blocks(&file(&[gamma, points, srgb])).calibration.is_none());
    let none = [chunk(b"gAMA", &[0; 4]), chunk(b"cHRM", &[0; 31])];
    assert!(blocks(&file(&none)).calibration.is_none());
}

#[test]
fn damaged_profiles_are_profiles_that_cannot_be_read() {
    let body = |profile: &[u8]| [b"name\0\0", profile].concat();
    let good = chunk(b"iCCP", &body(&zlib(b"profile")));
    assert_eq!(
        blocks(&file(std::slice::from_ref(&good))).icc.unwrap(),
        b"profile"
    );
    let mut wrong = good;
    *wrong.last_mut().unwrap() ^= 1;
    for damaged in [
        wrong,
        chunk(b"iCCP", &body(b"zzz")),
        chunk(b"iCCP", b"name"),
    ] {
        assert_eq!(blocks(&file(&[damaged])).icc, Some(Vec::new()));
    }
}
