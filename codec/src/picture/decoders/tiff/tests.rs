//! TIFF files made here, and some by other writers.

use image::DynamicImage;

use super::*;
use crate::picture::{PictureErrorKind, fixtures, flatten, load};

/// A file in the making: its bytes, and where the place of the next directory stands.
struct Writer {
    big_endian: bool,
    bytes: Vec<u8>,
    next: usize,
}

const SHORT: u16 = 3;
const LONG: u16 = 4;

/// The fields of a directory, and its strips or tiles.
#[derive(Clone, Default)]
struct Page {
    fields: Vec<(u16, u16, Vec<u32>)>,
    parts: Vec<Vec<u8>>,
}

impl Page {
    /// A picture of so many samples, in one strip.
    fn new((width, height): (u32, u32), bits: u32, photometric: u32, samples: usize) -> Self {
        Self::default()
            .with(256, LONG, &[width])
            .with(257, LONG, &[height])
            .with(258, SHORT, &vec![bits; samples])
            .with(262, SHORT, &[photometric])
            .with(277, SHORT, &[samples as u32])
            .with(278, LONG, &[height])
    }

    fn with(mut self, tag: u16, kind: u16, values: &[u32]) -> Self {
        self.fields.retain(|(other, ..)| *other != tag);
        self.fields.push((tag, kind, values.to_vec()));
        self
    }

    fn part(mut self, bytes: &[u8]) -> Self {
        self.parts.push(bytes.to_vec());
        self
    }

    /// A file of this page alone.
    fn file(&self, big_endian: bool) -> Vec<u8> {
        let mut writer = Writer::new(big_endian);
        writer.page(self, &[]);
        writer.bytes
    }

    fn decode(&self) -> Result<DynamicImage, PictureError> {
        let decoded = [false, true]
            .map(|big_endian| load::decode_bytes(&self.file(big_endian), &LoadOptions::default()));
        let [little, big] = decoded;
        // Samples of more than a byte are not turned here, so that only one of the two may be compared.
        assert_eq!(little.is_ok(), big.is_ok());
        big.map(|loaded| loaded.image)
    }

    fn bytes(&self) -> Vec<u8> {
        self.decode().expect("a picture").as_bytes().to_vec()
    }

    fn error(&self) -> String {
        let error = self.decode().expect_err("not a picture");
        assert_eq!(error.kind(), PictureErrorKind::Unreadable, "{error}");
        error.to_string()
    }
}

impl Writer {
    fn new(big_endian: bool) -> Self {
        let start: &[u8] = if big_endian { b"MM\0*" } else { b"II*\0" };
        let bytes = [start, &[0; 4]].concat();
        Self {
            big_endian,
            bytes,
            next: 4,
        }
    }

    fn number(&self, number: u32, bytes: usize) -> Vec<u8> {
        if self.big_endian {
            number.to_be_bytes()[4 - bytes..].to_vec()
        } else {
            number.to_le_bytes()[..bytes].to_vec()
        }
    }

    /// Adds a page to the chain, with others below it.
    fn page(&mut self, page: &Page, below: &[Page]) {
        let places: Vec<u32> = below.iter().map(|page| self.directory(page).0).collect();
        let mut page = page.clone();
        if !places.is_empty() {
            page = page.with(330, LONG, &places);
        }
        let (at, next) = self.directory(&page);
        let at = self.number(at, 4);
        self.bytes[self.next..self.next + 4].copy_from_slice(&at);
        self.next = next;
    }

    /// Where a directory is, and where it says what follows it.
    fn directory(&mut self, page: &Page) -> (u32, usize) {
        let mut fields = page.fields.clone();
        let mut offsets = Vec::new();
        for part in &page.parts {
            offsets.push(self.bytes.len() as u32);
            self.bytes.extend(part);
        }
        let lengths = page.parts.iter().map(|part| part.len() as u32).collect();
        let are_tiles = fields.iter().any(|(tag, ..)| *tag == 322);
        let [offset_tag, length_tag] = if are_tiles { [324, 325] } else { [273, 279] };
        for (tag, values) in [(offset_tag, offsets), (length_tag, lengths)] {
            if !fields.iter().any(|(other, ..)| *other == tag) {
                fields.push((tag, LONG, values));
            }
        }
        let mut entries = Vec::new();
        for (tag, kind, values) in &fields {
            let width = match *kind {
                SHORT => 2,
                LONG => 4,
                _ => 1,
            };
            let mut bytes: Vec<u8> = Vec::new();
            for value in values {
                bytes.extend(self.number(*value, width));
            }
            entries.extend(self.number((*tag).into(), 2));
            entries.extend(self.number((*kind).into(), 2));
            entries.extend(self.number(values.len() as u32, 4));
            if bytes.len() > 4 {
                let at = self.bytes.len() as u32;
                self.bytes.extend(bytes);
                bytes = self.number(at, 4);
            }
            bytes.resize(4, 0);
            entries.extend(bytes);
        }
        let at = self.bytes.len();
        let count = self.number(fields.len() as u32, 2);
        self.bytes.extend(count);
        self.bytes.extend(entries);
        let next = self.bytes.len();
        self.bytes.extend([0; 4]);
        (at as u32, next)
    }
}

fn load(name: &str) -> load::LoadedPicture {
    load::open(fixtures::path(name), &LoadOptions::default()).expect(name)
}

#[test]
fn pictures_by_other_writers() {
    let planes = load("tiff-planar-tiled.tif").image;
    assert_eq!(planes.to_rgb8(), fixtures::rgb("tiff-planar-tiled.png"));
    let deep = flatten(&load("tiff-u32.tif").image, [0; 3]);
    assert_eq!(deep, fixtures::rgb("tiff-u32.png"));
    let divided = flatten(&load("tiff-premultiplied.tif").image, [255; 3]);
    let right = fixtures::rgb("tiff-premultiplied-on-white.png");
    let far = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 1;
    assert!(!divided.iter().zip(right.iter()).any(far));
    let tiles = load("tiff-jpeg-tiles.tif").image.to_rgb8();
    let right = fixtures::rgb("tiff-jpeg-tiles.png");
    let far: u64 = tiles
        .iter()
        .zip(right.iter())
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    assert!(far <= tiles.len() as u64 * 2, "{far}");
}

#[test]
fn differences_in_planes_and_of_floats() {
    let planes = load("tiff-lzw-planes.tif").image;
    let planes = planes.as_rgb16().expect("deep colours");
    for (x, y, pixel) in planes.enumerate_pixels() {
        let right = [0, 1, 2].map(|c| (x * 1000 + y * 77 + c * 5000) as u16);
        assert_eq!(pixel.0, right, "{x} {y}");
    }
    let floats = load("tiff-float-predictor.tif").image;
    let floats = floats.as_rgb32f().expect("floats");
    assert_eq!(floats.dimensions(), (12, 5));
    for (x, y, pixel) in floats.enumerate_pixels() {
        let right = [0.0, 0.1, 0.2].map(|c| f64::from(x) * 0.05 + f64::from(y) * 0.01 + c);
        let near = |(a, b): (f32, f64)| (f64::from(a) - b).abs() < 1e-6;
        assert!(pixel.0.into_iter().zip(right).all(near), "{x} {y}");
    }
}

#[test]
fn facsimile_pages() {
    for name in ["t4", "t4-2d", "t6", "huffman"] {
        let page = load(&format!("tiff-{name}.tif")).image;
        let page = page.as_luma8().expect("grey");
        assert_eq!(page.dimensions(), (40, 20));
        for (x, y, pixel) in page.enumerate_pixels() {
            let right = if (x * y) % 7 < 3 { 0 } else { 255 };
            assert_eq!(pixel.0, [right], "{name} {x} {y}");
        }
    }
}

#[test]
fn the_full_picture_is_read_with_its_facts() {
    let full = load("tiff-thumbnail-first.tif");
    assert_eq!((full.image.width(), full.image.height()), (24, 16));
    assert_eq!(full.notes, []);
    let date = load("tiff-date.tif").capture_time;
    assert_eq!(date.as_deref(), Some("2024-02-29T12:34:56"));
    let profile = load("tiff-profile.tif").color_profile;
    assert_eq!(profile.as_deref(), Some("Artifex Software A98 ICC Profile"));
}

#[test]
fn depths_and_meanings_of_greys() {
    let grey = |bits, photometric, bytes: &[u8]| {
        let width = 8 * bytes.len() as u32 / bits;
        Page::new((width, 1), bits, photometric, 1)
            .part(bytes)
            .bytes()
    };
    assert_eq!(grey(1, 1, &[0b1010_0000])[..4], [255, 0, 255, 0]);
    assert_eq!(grey(1, 0, &[0b1010_0000])[..4], [0, 255, 0, 255]);
    assert_eq!(grey(2, 1, &[0b0001_1011]), [0, 85, 170, 255]);
    assert_eq!(grey(4, 0, &[0x1f]), [238, 0]);
    assert_eq!(grey(8, 0, &[1, 255]), [254, 0]);
    let deep = |bytes: &[u8]| in_u16(bytes);
    assert_eq!(deep(&grey(16, 1, &[0x12, 0x34])), [0x1234]);
    assert_eq!(deep(&grey(12, 1, &[0xff, 0xf8, 0x00])), [65_535, 32_776]);
    assert_eq!(deep(&grey(32, 0, &[0x80, 0, 0, 0])), [32_767]);
}

fn in_u16(bytes: &[u8]) -> Vec<u16> {
    let pairs = bytes.as_chunks::<2>().0;
    pairs.iter().map(|pair| u16::from_ne_bytes(*pair)).collect()
}

#[test]
fn extra_samples_are_opacity_or_skipped() {
    let with = |kinds: &[u32], bytes: &[u8]| {
        let page = Page::new((1, 1), 8, 2, bytes.len()).part(bytes);
        let page = match kinds {
            [] => page,
            kinds => page.with(338, SHORT, kinds),
        };
        page.bytes()
    };
    assert_eq!(with(&[2], &[50, 60, 70, 128]), [50, 60, 70, 128]);
    assert_eq!(with(&[0], &[50, 60, 70, 128]), [50, 60, 70, 128]);
    assert_eq!(with(&[], &[50, 60, 70, 128]), [50, 60, 70, 128]);
    assert_eq!(with(&[0], &[50, 60, 70, 0]), [50, 60, 70, 255]);
    assert_eq!(with(&[1], &[50, 60, 70, 128]), [100, 120, 139, 128]);
    assert_eq!(with(&[0, 2], &[50, 60, 70, 1, 9]), [50, 60, 70, 9]);
    assert_eq!(with(&[0, 0], &[50, 60, 70, 1, 9]), [50, 60, 70]);
    let grey = Page::new((1, 1), 8, 0, 2).with(338, SHORT, &[2]);
    assert_eq!(grey.part(&[5, 128]).bytes(), [250, 128]);
    let lies = Page::new((1, 1), 8, 2, 3).with(338, SHORT, &[1]);
    assert!(lies.part(&[0; 3]).error().contains("extra"));
}

#[test]
fn palettes_of_eight_and_of_sixteen_bits() {
    for scale in [1, 256, 257] {
        let map: Vec<u32> = [0, 255, 10, 20, 1, 2, 3, 4, 9, 8, 7, 6]
            .iter()
            .map(|level| level * scale)
            .collect();
        let page = Page::new((4, 1), 2, 3, 1).with(320, SHORT, &map);
        let right = [0, 1, 9, 255, 2, 8, 10, 3, 7, 20, 4, 6];
        assert_eq!(page.part(&[0b0001_1011]).bytes(), right);
    }
    let short = Page::new((4, 1), 2, 3, 1).with(320, SHORT, &[0; 11]);
    assert!(short.part(&[0]).error().contains("ColorMap has 11 of 12"));
}

#[test]
fn subsampled_colors_are_those_of_their_unit() {
    // Two units of 2x2 pixels for 3x2: grey levels, then no colour and much red.
    let units = [10, 20, 30, 40, 128, 128, 100, 0, 100, 0, 128, 255];
    let page = Page::new((3, 2), 8, 6, 3).part(&units);
    let [a, b] = [10, 20].map(|level| [level; 3]);
    let [c, d] = [30, 40].map(|level| [level; 3]);
    let red = [255, 9, 100];
    assert_eq!(page.bytes(), [a, b, red, c, d, red].concat());
}

#[test]
fn inks_are_inks() {
    let page = Page::new((1, 1), 8, 5, 4).part(&[0, 255, 0, 0]);
    assert_eq!(page.bytes(), [255, 0, 255]);
    let other = page.with(332, SHORT, &[2]).error();
    assert!(other.contains("inks other than cyan"), "{other}");
    let alpha = Page::new((1, 1), 8, 5, 5).with(338, SHORT, &[2]);
    let opaque = alpha.clone().part(&[0, 0, 0, 255, 255]);
    assert_eq!(opaque.bytes(), [0; 3]);
    assert!(alpha.part(&[0; 5]).error().contains("transparent CMYK"));
}

#[test]
fn the_first_full_page_is_chosen() {
    let page = |side: u8| {
        let data = vec![side; usize::from(side) * usize::from(side)];
        Page::new((side.into(), side.into()), 8, 1, 1).part(&data)
    };
    let reduced = page(1).with(254, LONG, &[1]);
    let load = |pages: &[(Page, Vec<Page>)]| {
        let mut writer = Writer::new(true);
        for (page, below) in pages {
            writer.page(page, below);
        }
        let loaded = load::decode_bytes(&writer.bytes, &LoadOptions::default())?;
        Ok::<_, PictureError>((loaded.image.width(), loaded.notes))
    };
    let alone = |page: &Page| (page.clone(), Vec::new());
    let (mask, old_reduced) = (
        page(2).with(254, LONG, &[4]),
        page(1).with(255, SHORT, &[2]),
    );
    let several = vec![LoadNote::FirstOf(Parts::Pages)];
    let chosen = [
        (vec![alone(&page(3))], (3, vec![])),
        (vec![alone(&page(3)), alone(&page(2))], (3, several)),
        (vec![alone(&reduced), alone(&page(2))], (2, vec![])),
        (vec![alone(&page(2)), alone(&reduced)], (2, vec![])),
        (vec![alone(&mask), alone(&page(3))], (3, vec![])),
        (vec![alone(&old_reduced), alone(&page(3))], (3, vec![])),
        (vec![alone(&reduced)], (1, vec![])),
        (
            vec![(reduced.clone(), vec![reduced.clone(), page(4)])],
            (4, vec![]),
        ),
        (vec![(page(4), vec![reduced.clone()])], (4, vec![])),
    ];
    for (at, (pages, right)) in chosen.into_iter().enumerate() {
        assert_eq!(load(&pages).unwrap(), right, "{at}");
    }
    let raw = page(5).with(262, SHORT, &[32_803]);
    for pages in [
        vec![alone(&raw)],
        vec![(reduced.clone(), vec![raw.clone()])],
        vec![(page(2), vec![raw.clone()])],
        vec![alone(&page(2)), alone(&raw)],
    ] {
        let error = load(&pages).unwrap_err().to_string();
        assert!(error.contains("camera raw"), "{error}");
    }
    // A picture that is to be below a reduced one must be there.
    let lost = reduced.with(330, LONG, &[1 << 20]);
    assert!(matches!(
        load(&[alone(&lost)]),
        Err(PictureError::Truncated { .. })
    ));
}

#[test]
fn directories_in_a_circle_end() {
    let mut writer = Writer::new(false);
    writer.page(&Page::new((1, 1), 8, 1, 1).part(&[7]), &[]);
    let first: [u8; 4] = writer.bytes[4..8].try_into().unwrap();
    writer.bytes[writer.next..writer.next + 4].copy_from_slice(&first);
    let loaded = load::decode_bytes(&writer.bytes, &LoadOptions::default()).unwrap();
    assert_eq!(loaded.image.as_bytes(), [7]);
    assert_eq!(loaded.notes, []);
}

#[test]
fn what_is_not_read_is_named() {
    let page = |photometric| Page::new((1, 1), 8, photometric, 3).part(&[1, 2, 3]);
    let named = [
        (page(2).with(259, SHORT, &[6]), "old-style JPEG"),
        (page(2).with(259, SHORT, &[34_887]), "LERC"),
        (page(2).with(259, SHORT, &[50_000]), "Zstandard"),
        (page(2).with(259, SHORT, &[50_001]), "WebP"),
        (page(2).with(259, SHORT, &[32_809]), "ThunderScan"),
        (page(2).with(259, SHORT, &[4_321]), "4321"),
        (page(8), "CIELab"),
        (page(32_845), "LogLuv"),
        (page(2).with(339, SHORT, &[2; 3]), "signed integers"),
        (page(2).with(339, SHORT, &[1, 2, 1]), "different formats"),
        (page(2).with(258, SHORT, &[5, 6, 5]), "different depths"),
        (page(2).with(339, SHORT, &[3; 3]), "floats of 8 bits"),
    ];
    for (page, name) in named {
        let error = page.error();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn missing_and_false_data_are_refused() {
    let page = Page::new((4, 4), 8, 1, 1);
    let short = page.clone().part(&[0; 15]).error();
    assert!(short.contains("strip 0 has 15 of 16 bytes"), "{short}");
    let rows = page.clone().with(278, LONG, &[2]).part(&[0; 8]).error();
    assert!(rows.contains("1 of 2 strips"), "{rows}");
    let beyond = page.clone().with(279, LONG, &[u32::MAX]).part(&[0; 16]);
    assert!(matches!(
        beyond.decode(),
        Err(PictureError::Truncated { .. })
    ));
    let early = page.clone().with(259, SHORT, &[32_773]);
    // Ten bytes of sixteen.
    assert!(early.part(&[247, 9]).error().contains("end early"));
    let tiles = Page::new((4, 4), 8, 1, 1)
        .with(322, LONG, &[1 << 31])
        .with(323, LONG, &[1 << 31]);
    assert!(tiles.part(&[0]).error().contains("tiles"));
    let huge = Page::new((1 << 31, 1 << 31), 8, 1, 1).part(&[0]).decode();
    assert!(matches!(huge, Err(PictureError::TooManyPixels { .. })));
    let whole = page.part(&[3; 16]).file(true);
    for cut in 0..whole.len() {
        let error = load::decode_bytes(&whole[..cut], &LoadOptions::default());
        let error = error.err().unwrap_or_else(|| panic!("cut to {cut}"));
        assert_eq!(error.kind(), PictureErrorKind::Unreadable, "{cut} {error}");
    }
}

#[test]
fn compressed_data_must_be_whole() {
    let samples = [5_u8; 64];
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, &samples).unwrap();
    let good = encoder.finish().unwrap();
    let page = Page::new((8, 8), 8, 1, 1).with(259, SHORT, &[8]);
    assert_eq!(page.clone().part(&good).bytes(), samples);
    let mut wrong_sum = good.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    assert!(page.clone().part(&wrong_sum).error().contains("Deflate"));
    for cut in 1..good.len() {
        page.clone().part(&good[..cut]).error();
    }
    // A clear code and one literal, then nothing.
    let page = Page::new((8, 8), 8, 1, 1).with(259, SHORT, &[5]);
    assert!(
        page.clone()
            .part(&[0x80, 0x01])
            .error()
            .contains("end early")
    );
    let old = page.part(&[0, 1, 4, 3]).error();
    assert!(old.contains("before TIFF 6.0"), "{old}");
}

#[test]
fn memory_is_counted_before_it_is_taken() {
    let file = Page::new((1000, 1000), 1, 1, 1)
        .part(&[0; 125_000])
        .file(true);
    let with = |max_memory| {
        let options = LoadOptions {
            max_memory,
            ..LoadOptions::default()
        };
        load::decode_bytes(&file, &options)
    };
    assert!(with(1_200_000).is_ok());
    let error = with(1_100_000).expect_err("too much");
    assert_eq!(error.kind(), PictureErrorKind::Limit, "{error}");
}
