//! The codec on the pixels of HTML canvases: RGBA, 8 bits each.

use flextok::container::TokenFile;
use flextok::image::{DynamicImage, RgbaImage};
use flextok::{CancelToken, Codec, DecodeOptions, EncodeOptions, Limits, Look, Progress, Size};

use crate::failure::Failure;
use crate::file::{first, units};
use crate::numbers::{Budget, Word, small, whole};

/// Maximum pixels of a picture. Several copies of it exist at a time, in the 4 GiB that a module can address.
const MAX_PIXELS: u64 = 1 << 26;

/// A model, opened.
pub(crate) struct Model(pub(crate) Codec);

/// A decoded picture: `width · height · 4` bytes, all opaque.
pub(crate) struct Pixels {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgba: Vec<u8>,
    /// Units of payload that it was made of.
    pub(crate) units: u64,
    pub(crate) look: Look,
}

/// A page's options for an encode, with numbers as JavaScript has them.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) budget: Budget,
    /// The size that decoders restore, of pixels reduced from a larger picture.
    pub(crate) original: Option<(f64, f64)>,
    pub(crate) cut_at: Option<f64>,
    pub(crate) canvas: Option<Word>,
}

impl From<Budget> for Order {
    fn from(budget: Budget) -> Self {
        Self {
            budget,
            original: None,
            cut_at: None,
            canvas: None,
        }
    }
}

/// A page's options for a decode, with numbers as JavaScript has them.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) units: Option<f64>,
    pub(crate) steps: Option<f64>,
    pub(crate) seed: Option<f64>,
    pub(crate) keep_canvas: bool,
    pub(crate) look: Option<Word>,
}

impl Model {
    /// The model whose `.safetensors` file is `bytes`, with the learned decoder of the other, if there is one.
    pub(crate) fn open(bytes: Vec<u8>, decoder: Option<Vec<u8>>) -> Result<Self, Failure> {
        let mut limits = Limits::default();
        limits.pixels = MAX_PIXELS;
        let mut builder = Codec::builder().with_limits(limits);
        if let Some(decoder) = decoder {
            builder = builder.with_learned_decoder(decoder);
        }
        Ok(Self(builder.from_bytes(bytes)?))
    }

    /// A complete file of `rgba`, row by row from the top. Transparent pixels are put on white.
    pub(crate) fn encode(
        &self,
        rgba: Vec<u8>,
        (width, height): (f64, f64),
        order: &Order,
    ) -> Result<Vec<u8>, Failure> {
        let (width, height) = (side("width", width)?, side("height", height)?);
        let (found, expected) = (
            rgba.len() as u64,
            4 * u128::from(width) * u128::from(height),
        );
        let wrong = || {
            let needed = format!("{width}x{height} pixels need {expected}");
            Failure::usage(format!("{found} bytes of RGBA were given, but {needed}"))
        };
        if u128::from(found) != expected {
            return Err(wrong());
        }
        let image = RgbaImage::from_raw(width, height, rgba).ok_or_else(wrong)?;
        let mut options = match order.budget {
            Budget::All => EncodeOptions::default(),
            Budget::Count(tokens) => EncodeOptions::default().with_tokens(tokens),
            Budget::Bytes(bytes) => EncodeOptions::default().with_bytes(bytes),
        };
        options.cut_at = order.cut_at.map(|at| whole("cutAt", at)).transpose()?;
        if let Some(canvas) = &order.canvas {
            options.canvas = canvas.canvas()?;
        }
        if let Some((width, height)) = order.original {
            options.original_size = Some(Size {
                width: side("originalWidth", width)?,
                height: side("originalHeight", height)?,
            });
        }
        Ok(self.0.encode(&DynamicImage::ImageRgba8(image), &options)?)
    }

    /// The picture of a file, whole or cut. `on_step(step, total)` is called after each step; the decode ends early once
    /// it returns false.
    pub(crate) fn decode(
        &self,
        file: &[u8],
        request: &Request,
        on_step: Option<impl Fn(u32, u32) -> bool + Send + Sync + 'static>,
    ) -> Result<Pixels, Failure> {
        let mut file = TokenFile::parse_with(file, &self.0.limits().container)?;
        let mut units = units(file.header(), file.payload().len() as u64);
        if let Some(most) = small("units", request.units, u32::MAX.into())?
            && u64::from(most) < units
        {
            file = first(&file, most)?;
            units = most.into();
        }
        let mut options = DecodeOptions::default().with_keep_canvas(request.keep_canvas);
        options.seed = request.seed.map(|seed| whole("seed", seed)).transpose()?;
        options.steps = small("steps", request.steps, u32::MAX.into())?;
        options.look = request.look.as_ref().map(Word::look).transpose()?;
        let look = self.0.look(&options);
        if let Some(on_step) = on_step {
            let cancel = CancelToken::new();
            options = options.with_cancel(cancel.clone()).with_progress(
                move |Progress { step, total, .. }| {
                    if !on_step(step, total) {
                        cancel.cancel();
                    }
                },
            );
        }
        let picture = self.0.decode_file(&file, &options)?;
        let (width, height) = picture.dimensions();
        let rgba = DynamicImage::ImageRgb8(picture).into_rgba8().into_raw();
        Ok(Pixels {
            width,
            height,
            rgba,
            units,
            look,
        })
    }
}

/// A side of a picture; the codec refuses invalid lengths.
fn side(name: &str, value: f64) -> Result<u32, Failure> {
    Ok(small(name, Some(value), u32::MAX.into())?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, OnceLock};

    use super::*;

    type OnStep = fn(u32, u32) -> bool;

    fn model() -> &'static Model {
        static MODEL: OnceLock<Model> = OnceLock::new();
        MODEL.get_or_init(|| Model::open(flextok_models::BUILTIN.to_vec(), None).unwrap())
    }

    /// A small FlexTok network.
    fn network() -> &'static Model {
        static MODEL: OnceLock<Model> = OnceLock::new();
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/data/nano.safetensors"
        );
        MODEL.get_or_init(|| Model::open(std::fs::read(path).unwrap(), None).unwrap())
    }

    fn rgba(width: u32, height: u32) -> Vec<u8> {
        let pixels = 0..width * height;
        pixels
            .flat_map(|at| [(at % 251) as u8, (at / 7 % 256) as u8, 90, 255])
            .collect()
    }

    fn encode(model: &Model, budget: Budget) -> Result<Vec<u8>, Failure> {
        model.encode(rgba(60, 40), (60.0, 40.0), &budget.into())
    }

    #[test]
    fn a_reduced_picture_keeps_the_size_of_the_original() {
        let (pixels, size, original) = (rgba(60, 40), (60.0, 40.0), (70_000.0, 46_667.0));
        let encode = |original| {
            let order = Order {
                original,
                ..Budget::Bytes(100).into()
            };
            model().encode(pixels.clone(), size, &order)
        };
        let bytes = encode(Some(original)).unwrap();
        assert!((99..=100).contains(&bytes.len()), "{}", bytes.len());
        let size = TokenFile::parse(&bytes).unwrap().header().size();
        assert_eq!(size, Size::new(70_000, 46_667));
        for wrong in [(1.5, 1.0), (0.0, 1.0), (2_000_000.0, 1.0)] {
            assert_eq!(encode(Some(wrong)).unwrap_err().kind, "usage");
        }
    }

    #[test]
    fn pixels_go_in_and_come_out() {
        for (model, budget, canvas) in [
            (model(), Budget::Bytes(200), (64, 64)),
            (network(), Budget::Count(9), (256, 256)),
        ] {
            let file = encode(model, budget).unwrap();
            let cut = crate::file::cut(&file, Budget::Count(5)).unwrap();
            let expected = model.0.decode(&cut, &DecodeOptions::default()).unwrap();
            let request = Request {
                units: Some(5.0),
                ..Request::default()
            };
            let pixels = model.decode(&file, &request, None::<OnStep>).unwrap();
            assert_eq!((pixels.width, pixels.height, pixels.units), (60, 40, 5));
            for (rgba, rgb) in pixels.rgba.chunks_exact(4).zip(expected.pixels()) {
                assert_eq!(rgba, [rgb[0], rgb[1], rgb[2], 255]);
            }
            let request = Request {
                units: Some(1000.0),
                keep_canvas: true,
                ..Request::default()
            };
            let pixels = model.decode(&file, &request, None::<OnStep>).unwrap();
            assert_eq!((pixels.width, pixels.height), canvas);
            let parsed = TokenFile::parse(&file).unwrap();
            let all = units(parsed.header(), parsed.payload().len() as u64);
            assert_eq!(pixels.units, all);
        }
    }

    /// What a request makes of a file: its pixels and their look.
    fn decode(model: &Model, file: &[u8], look: Option<&str>) -> Result<(Vec<u8>, Look), Failure> {
        let request = Request {
            look: look.map(|look| Word::Text(look.to_owned())),
            ..Request::default()
        };
        let pixels = model.decode(file, &request, None::<OnStep>)?;
        Ok((pixels.rgba, pixels.look))
    }

    #[test]
    fn the_parts_of_a_model_make_the_pictures_of_the_whole() {
        let flextok_models::Parts { tables, decoder } = flextok_models::split();
        let alone = Model::open(tables.clone(), None).unwrap();
        let both = Model::open(tables, Some(decoder)).unwrap();
        let has = |model: &Model| model.0.has_learned_decoder();
        assert_eq!([has(&alone), has(&both), has(model())], [false, true, true]);
        let file = encode(model(), Budget::Bytes(300)).unwrap();
        for one in [&alone, &both] {
            assert!(encode(one, Budget::Bytes(300)).unwrap() == file);
        }
        let looks = [
            (None, Look::default()),
            (Some("plain"), Look::Plain),
            (Some("faithful"), Look::FAITHFUL),
            (Some("0.3"), Look::Learned(0.3)),
            (Some("sharp"), Look::SHARP),
        ];
        let mut pictures = Vec::new();
        for (look, expected) in looks {
            let (picture, found) = decode(model(), &file, look).unwrap();
            assert_eq!(found, expected);
            assert!(decode(&both, &file, look).unwrap() == (picture.clone(), found));
            assert!(!pictures.contains(&picture), "{look:?}");
            pictures.push(picture);
        }
        for look in [None, Some("plain")] {
            let found = decode(&alone, &file, look).unwrap();
            assert!(found == (pictures[1].clone(), Look::Plain));
        }
        let refused = decode(&alone, &file, Some("sharp")).unwrap_err();
        assert_eq!(refused.kind, "usage");
        assert!(refused.message.contains("plain"), "{}", refused.message);
    }

    #[test]
    fn a_decoder_has_to_be_that_of_the_tables() {
        let flextok_models::Parts { tables, .. } = flextok_models::split();
        for wrong in [tables.clone(), b"no decoder".to_vec()] {
            let refused = Model::open(tables.clone(), Some(wrong));
            assert_eq!(refused.err().map(|failure| failure.kind), Some("model"));
        }
    }

    #[test]
    fn the_canvas_is_that_of_the_order() {
        let canvas = |cut_at, canvas| {
            let order = Order {
                cut_at,
                canvas,
                ..Budget::Bytes(2000).into()
            };
            let file = model().encode(rgba(160, 96), (160.0, 96.0), &order)?;
            let info = crate::file::inspect(&file)?;
            Ok::<_, Failure>(info["canvas"].to_string())
        };
        let own = || Some(Word::Text("own".to_owned()));
        assert_eq!(canvas(None, own()).unwrap(), "[160,96]");
        assert_eq!(canvas(None, Some(Word::Number(2.0))).unwrap(), "[64,32]");
        assert_ne!(canvas(Some(30.0), None), canvas(None, None));
        let wrong = canvas(Some(0.5), None);
        assert_eq!(wrong.map_err(|failure| failure.kind), Err("usage"));
    }

    #[test]
    fn options_of_the_other_family_are_refused() {
        let refused = encode(model(), Budget::Count(9)).unwrap_err();
        assert_eq!(refused.kind, "usage");
        assert!(refused.message.starts_with("tokens 9 "));
        let file = encode(model(), Budget::All).unwrap();
        for (steps, seed) in [(Some(1.0), None), (None, Some(0.0))] {
            let request = Request {
                steps,
                seed,
                ..Request::default()
            };
            let refused = model().decode(&file, &request, None::<OnStep>);
            assert_eq!(refused.err().map(|failure| failure.kind), Some("usage"));
        }
    }

    #[test]
    fn pixels_have_to_fit_their_size() {
        let encode = |bytes: usize, size| {
            let encoded = model().encode(vec![0; bytes], size, &Budget::All.into());
            encoded.map_err(|failure| failure.kind)
        };
        assert!(encode(4 * 6, (2.0, 3.0)).is_ok());
        for (bytes, size) in [
            (4 * 6 - 1, (2.0, 3.0)),
            (4 * 6, (2.0, 4.0)),
            (0, (0.0, 0.0)),
            (0, (4_294_967_295.0, 4_294_967_295.0)),
            (4, (f64::NAN, 1.0)),
        ] {
            assert_eq!(encode(bytes, size), Err("usage"), "{size:?}");
        }
    }

    #[test]
    fn a_decode_ends_at_the_step_that_says_so() {
        let file = encode(network(), Budget::Count(1)).unwrap();
        let request = Request {
            steps: Some(4.0),
            ..Request::default()
        };
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let decoded = network().decode(
            &file,
            &request,
            Some(move |step, total| {
                assert_eq!(total, 4);
                counted.fetch_add(1, Ordering::Relaxed);
                step < 3
            }),
        );
        assert_eq!(decoded.err().unwrap().kind, "cancelled");
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn bytes_that_are_no_model_are_refused() {
        let refused = Model::open(b"no model at all".to_vec(), None);
        assert_eq!(refused.err().unwrap().kind, "model");
    }
}
