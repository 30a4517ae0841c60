//! Tests of orientations, wherever a file has them.

use image::metadata::Orientation;
use image::{DynamicImage, Rgb, RgbImage};

use super::*;
use crate::picture::decoders::gif::xmp_block;
use crate::picture::decoders::png::chunk;
use crate::picture::fixtures::bytes;
use crate::picture::{flatten, save};

/// A TIFF structure with this one field: the number is in the first two bytes of its value.
fn exif(tag: u16, kind: u16, value: u16) -> Vec<u8> {
    let start = b"MM\0*\0\0\0\x08\0\x01".as_slice();
    let value = match kind {
        // One byte stands first.
        1 | 6 => [value as u8, 0, 0, 0],
        3 | 8 => [(value >> 8) as u8, value as u8, 0, 0],
        _ => u32::from(value).to_be_bytes(),
    };
    let field = [
        &tag.to_be_bytes()[..],
        &kind.to_be_bytes(),
        &[0, 0, 0, 1],
        &value,
    ]
    .concat();
    [start, &field, &[0; 4]].concat()
}

fn oriented(value: u16) -> Vec<u8> {
    exif(0x112, 3, value)
}

fn packet(value: u16) -> Vec<u8> {
    format!(
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
         <rdf:Description xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='{value}'/></rdf:RDF></x:xmpmeta>"
    )
    .into_bytes()
}

/// A picture none of whose orientations looks like another.
fn picture() -> RgbImage {
    RgbImage::from_fn(120, 80, |x, y| {
        Rgb([2 * x as u8, 3 * y as u8, (x * y / 40) as u8])
    })
}

/// A file of the picture with these blocks.
type Make = fn(Option<&[u8]>, Option<&[u8]>) -> Vec<u8>;

fn encoded(format: save::SaveFormat) -> Vec<u8> {
    save::encode(&picture(), format).unwrap()
}

fn jpeg(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Vec<u8> {
    let plain = encoded(save::SaveFormat::Jpeg);
    let segment = |name: &[u8], body: &[u8]| {
        let length = (2 + name.len() + body.len()) as u16;
        [&[0xff, 0xe1], &length.to_be_bytes()[..], name, body].concat()
    };
    let exif = exif
        .map(|exif| segment(b"Exif\0\0", exif))
        .unwrap_or_default();
    let xmp = xmp.map(|xmp| segment(b"http://ns.adobe.com/xap/1.0/\0", xmp));
    [&plain[..2], &exif, &xmp.unwrap_or_default(), &plain[2..]].concat()
}

fn png_chunks(exif: Option<&[u8]>, xmp: Option<&[u8]>, packed: bool) -> Vec<u8> {
    let exif = exif.map(|exif| chunk(b"eXIf", exif)).unwrap_or_default();
    let xmp = xmp.map(|xmp| {
        let (flag, text) = match packed {
            true => (1, fdeflate::compress_to_vec(xmp)),
            false => (0, xmp.to_vec()),
        };
        chunk(
            b"iTXt",
            &[b"XML:com.adobe.xmp\0", &[flag, 0, 0, 0][..], &text].concat(),
        )
    });
    [exif, xmp.unwrap_or_default()].concat()
}

/// The header has 33 bytes with the signature, the end 12.
fn png(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Vec<u8> {
    let plain = encoded(save::SaveFormat::Png);
    [&plain[..33], &png_chunks(exif, xmp, false), &plain[33..]].concat()
}

fn png_behind(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Vec<u8> {
    let plain = encoded(save::SaveFormat::Png);
    let (front, end) = plain.split_at(plain.len() - 12);
    [front, &png_chunks(exif, xmp, true), end].concat()
}

fn webp(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Vec<u8> {
    let plain = encoded(save::SaveFormat::WebP);
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let pad = &[0][..body.len() % 2];
        [name, &(body.len() as u32).to_le_bytes()[..], body, pad].concat()
    };
    let flags = u8::from(exif.is_some()) << 3 | u8::from(xmp.is_some()) << 2;
    let head = chunk(b"VP8X", &[flags, 0, 0, 0, 119, 0, 0, 79, 0, 0]);
    let exif = exif.map(|exif| chunk(b"EXIF", exif)).unwrap_or_default();
    let xmp = xmp.map(|xmp| chunk(b"XMP ", xmp)).unwrap_or_default();
    let body = [b"WEBP", &head[..], &plain[12..], &exif, &xmp].concat();
    chunk(b"RIFF", &body)
}

/// The orientation is a field of the file itself.
fn tiff(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Vec<u8> {
    let pixels = picture().into_raw();
    let mut fields: Vec<(u16, u16, u32, u32)> = vec![
        (256, 3, 1, 120),
        (257, 3, 1, 80),
        (258, 3, 3, 8),
        (262, 3, 1, 2),
        (273, 4, 1, 14),
        (277, 3, 1, 3),
        (279, 4, 1, pixels.len() as u32),
    ];
    if let Some(exif) = exif {
        fields.push((274, 3, 1, u32::from(exif[19])));
    }
    let xmp = xmp.unwrap_or_default();
    if !xmp.is_empty() {
        fields.push((700, 1, xmp.len() as u32, 14 + pixels.len() as u32));
    }
    fields.sort_unstable();
    let mut file = b"II*\0\0\0\0\0".to_vec();
    file.extend([8, 0, 8, 0, 8, 0]);
    file.extend(&pixels);
    file.extend(xmp);
    file.resize(file.len().next_multiple_of(2), 0);
    let directory = file.len() as u32;
    file[4..8].copy_from_slice(&directory.to_le_bytes());
    file.extend((fields.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in fields {
        let value = if tag == 258 { 8 } else { value };
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

fn gif(_: Option<&[u8]>, xmp: Option<&[u8]>) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut plain);
    encoder
        .encode(picture().as_raw(), 120, 80, image::ExtendedColorType::Rgb8)
        .unwrap();
    drop(encoder);
    let end = plain.len() - 1;
    let block = xmp.map(xmp_block).unwrap_or_default();
    [&plain[..end], &block, &plain[end..]].concat()
}

const CONTAINERS: [(&str, Make); 6] = [
    ("jpeg", jpeg),
    ("png", png),
    ("png, behind the pixels", png_behind),
    ("webp", webp),
    ("tiff", tiff),
    ("gif", gif),
];

fn load(file: &[u8]) -> RgbImage {
    let options = LoadOptions::default();
    flatten(&decode_bytes(file, &options).unwrap().image, [255; 3])
}

/// Demands that a file shows the picture of another in this orientation.
fn expect(name: &str, file: &[u8], plain: &[u8], value: u8) {
    let mut expected = DynamicImage::ImageRgb8(load(plain));
    expected.apply_orientation(Orientation::from_exif(value).unwrap());
    assert!(
        load(file) == expected.to_rgb8(),
        "{name}: not oriented as {value}"
    );
}

#[test]
fn all_eight_are_applied_in_every_container() {
    for (name, make) in CONTAINERS {
        let plain = make(None, None);
        for value in 1..=8 {
            let (exif, xmp) = (oriented(value), packet(value));
            expect(name, &make(None, Some(&xmp)), &plain, value as u8);
            if name != "gif" {
                expect(name, &make(Some(&exif), None), &plain, value as u8);
            }
        }
    }
}

#[test]
fn cameras_go_before_editors_where_they_say_something() {
    for (name, make) in CONTAINERS.into_iter().filter(|(name, _)| *name != "gif") {
        let plain = make(None, None);
        for (exif, xmp, value) in [(6, 3, 6), (0, 3, 3), (9, 3, 3), (0, 0, 1), (8, 9, 8)] {
            let file = make(Some(&oriented(exif)), Some(&packet(xmp)));
            expect(name, &file, &plain, value);
        }
    }
    let plain = png(None, None);
    // A block without an orientation, and one that is not EXIF.
    for block in [exif(0x10f, 3, 6), b"something".to_vec()] {
        expect("png", &png(Some(&block), Some(&packet(5))), &plain, 5);
    }
}

#[test]
fn all_whole_numbers_and_damaged_neighbours() {
    let plain = png(None, None);
    for kind in [1, 3, 4, 6, 8, 9] {
        expect("png", &png(Some(&exif(0x112, kind, 6)), None), &plain, 6);
    }
    // The next field is of bytes that are not there, and so is the next directory.
    let good = oriented(7);
    let bad = [0x87, 0x69, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0, 0];
    let block = [b"MM\0*\0\0\0\x08\0\x02", &good[10..22], &bad, &[0, 1, 0, 0]].concat();
    expect("png", &png(Some(&block), None), &plain, 7);
}

#[test]
fn legacy_texts_count() {
    let block = [b"Exif\0\0".as_slice(), &oriented(6)].concat();
    let digits: String = block.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("\nexif\n{:8}\n{digits}\n", block.len());
    let packed = fdeflate::compress_to_vec(text.as_bytes());
    let chunk = chunk(
        b"zTXt",
        &[b"Raw profile type exif\0\0", &packed[..]].concat(),
    );
    let plain = png(None, None);
    let file = [&plain[..33], &chunk, &plain[33..]].concat();
    expect("png", &file, &plain, 6);
    assert_eq!(load(&bytes("webp-exif-prefix.webp")).dimensions(), (16, 24));
}
