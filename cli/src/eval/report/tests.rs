//! Tests of the whole page: that it is well-formed, and what it shows of full, hostile and empty results.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;
use crate::eval::results::{
    Contestant, Failure, Figures, Halt, Halting, Mean, Measurement, Picture, Uncertainty, Unit,
};

/// Photos of the repository, and decodes that are coarser at small budgets.
struct Photos;

const NAMES: [&str; 6] = [
    "chelsea.png",
    "coffee.png",
    "astronaut.png",
    "seeding.jpg",
    "<script>alert(\"x\")</script>.png",
    "a'b & c\u{1b}[2J\n\u{202e}.jpg",
];

fn photo(name: &str) -> RgbImage {
    let index = NAMES.iter().position(|known| *known == name).unwrap();
    let photos = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/photos");
    let photo = flextok::image::open(format!("{photos}/{}", NAMES[index % 4])).unwrap();
    photo.thumbnail(300, 300).into_rgb8()
}

impl Pictures for Photos {
    fn original(&self, picture: &str) -> Result<RgbImage, CliError> {
        Ok(photo(picture))
    }

    fn decoded(
        &self,
        picture: &str,
        codec: &str,
        budget: u32,
    ) -> Result<Option<RgbImage>, CliError> {
        use flextok::image::imageops::{FilterType, resize};
        let photo = photo(picture);
        let (width, height) = photo.dimensions();
        let side = (budget.ilog2() * 3).max(1);
        let small = resize(&photo, side, side, FilterType::Triangle);
        let filter = if codec == "flextok" {
            FilterType::CatmullRom
        } else {
            FilterType::Nearest
        };
        Ok(Some(resize(&small, width, height, filter)))
    }
}

const CODECS: [&str; 6] = ["flextok", "webp", "avif", "jpeg", "jxl", "jpeg2000"];

/// What an evaluation of these codecs at these budgets might find; rivals have no files below 128 bytes.
fn results(codecs: &[&str], budgets: &[u32]) -> Results {
    let mut results = Results {
        program: "flextok 0.1.0".to_owned(),
        model: "embedded model, tables 1".to_owned(),
        command: "flextok eval photos/ --bytes 32,64,128 --against webp --html report.html"
            .to_owned(),
        unit: Unit::Bytes,
        budgets: budgets.to_vec(),
        codecs: Vec::new(),
        pictures: Vec::new(),
        measurements: Vec::new(),
        means: Vec::new(),
        uncertainty: Vec::new(),
        halting: None,
        failures: Vec::new(),
    };
    results.codecs = codecs
        .iter()
        .map(|name| Contestant {
            name: (*name).to_owned(),
            version: Some(format!("{name} 1.2.3")),
            missing: None,
        })
        .collect();
    results.pictures = NAMES
        .iter()
        .map(|name| Picture {
            name: (*name).to_owned(),
            width: 600,
            height: 400,
        })
        .collect();
    for (index, codec) in codecs.iter().enumerate() {
        for &budget in budgets {
            if index == 0 || budget >= 128 {
                add(&mut results, codec, index, budget);
            }
        }
    }
    results
}

/// Measurements of all pictures and their means, of smooth formulas.
fn add(results: &mut Results, codec: &str, index: usize, budget: u32) {
    let level = f64::from(budget).log2() * 2.1 + 8.0 - [0.0, 2.2, 1.1, 4.0, 1.4, 2.9][index % 6];
    for (n, name) in NAMES.iter().enumerate() {
        let psnr = level + (n as f64 * 2.3 + index as f64).sin() * 2.0;
        results.measurements.push(Measurement {
            codec: codec.to_owned(),
            picture: (*name).to_owned(),
            budget,
            bytes: u64::from(budget) - index as u64,
            settings: if index == 0 {
                String::new()
            } else {
                format!("quality {n} at 60 %")
            },
            encode_seconds: 0.01,
            decode_seconds: 0.02,
            figures: Figures {
                psnr: Some(psnr),
                ssim_gaussian11: psnr / 40.0,
                ssim_uniform7: psnr / 42.0,
                mae: 200.0 / psnr,
                ssimulacra2: Some(psnr * 5.0 - 90.0),
                lpips: Some(8.0 / psnr),
            },
        });
    }
    for (figure, mean, spread) in [
        ("psnr", level, 1.1),
        ("ssim_gaussian11", level / 40.0, 0.03),
        ("ssim_uniform7", level / 42.0, 0.03),
        ("mae", 200.0 / level, 0.9),
        ("ssimulacra2", level * 5.0 - 90.0, 6.0),
        ("lpips", 8.0 / level, 0.02),
        ("bytes", f64::from(budget) - 0.5, 0.5),
        ("encode_seconds", 0.012 * level, 0.003),
        ("decode_seconds", 0.003 * level, 0.001),
    ] {
        results.means.push(Mean {
            codec: codec.to_owned(),
            budget,
            figure: figure.to_owned(),
            mean,
            low: mean - spread,
            high: mean + spread * 0.8,
            count: NAMES.len(),
        });
    }
}

const BUDGETS: [u32; 8] = [32, 64, 128, 256, 512, 1024, 2048, 4096];

/// With all that a report can have.
fn full() -> Results {
    let mut results = results(&CODECS, &BUDGETS);
    results.codecs.push(Contestant {
        name: "jpegxs".to_owned(),
        version: None,
        missing: Some("cjxs is not installed".to_owned()),
    });
    results.failures.push(Failure {
        picture: "<b>broken</b>.png".to_owned(),
        error: "not a picture & more".to_owned(),
    });
    results.uncertainty = NAMES
        .iter()
        .flat_map(|name| [64, 256].map(|budget| (name, budget)))
        .map(|(name, budget)| Uncertainty {
            picture: (*name).to_owned(),
            budget,
            seeds: 10,
            mse: 300.0,
            bias2: 200.0,
            variance: 100.0,
            pairwise_mse: 222.2,
            pairwise_lpips: Some(0.2),
            psnr_mean: Some(25.1),
            psnr_sample: (budget == 64).then_some(23.4),
        })
        .collect();
    let halts = [Some(90), Some(200), None, Some(260), Some(1500), Some(130)];
    results.halting = Some(Halting {
        metric: "psnr".to_owned(),
        target: 30.0,
        pictures: NAMES
            .iter()
            .zip(halts)
            .map(|(name, budget)| Halt {
                picture: (*name).to_owned(),
                budget,
                reached: 30.02,
            })
            .collect(),
    });
    results
}

/// The page, checked to be XML whose elements close and whose ids and references meet.
fn page(results: &Results) -> String {
    let page = html(results, &Photos).unwrap();
    let mut reader = Reader::from_str(&page);
    reader.config_mut().check_end_names = true;
    let (mut ids, mut wanted, mut depth) = (Vec::new(), Vec::new(), 0);
    loop {
        let event = reader.read_event().unwrap();
        if let Event::Start(element) | Event::Empty(element) = &event {
            for attribute in element.attributes() {
                let attribute = attribute.unwrap();
                let value = attribute.value.to_string();
                match attribute.key.as_ref() {
                    "id" => ids.push(value),
                    "href" => wanted.push(value.strip_prefix('#').unwrap().to_owned()),
                    "aria-labelledby" => wanted.extend(value.split(' ').map(str::to_owned)),
                    "src" => assert!(value.starts_with("data:image/webp;base64,")),
                    key => assert!(!key.starts_with("on"), "{key:?}"),
                }
            }
            assert_ne!(element.name().as_ref(), "script");
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::GeneralRef(name) => {
                assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name.as_ref()));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "all elements are closed");
    for name in wanted {
        assert_eq!(ids.iter().filter(|id| **id == name).count(), 1, "{name}");
    }
    page
}

/// Whether all numbers of the page, outside of its pictures, are numbers.
fn all_finite(page: &str) -> bool {
    let parts = page
        .split("base64,")
        .map(|part| part.split_once('"').map_or(part, |(_, text)| text));
    parts
        .into_iter()
        .all(|part| !part.contains("inf") && !part.contains("NaN"))
}

#[test]
fn a_full_page_shows_everything() {
    let page = page(&full());
    if let Some(path) = std::env::var_os("FLEXTOK_REPORT") {
        std::fs::write(path, &page).unwrap();
    }
    for part in [
        "<h1>Rate and distortion of 6 pictures</h1>",
        "PSNR (dB) over bytes",
        "flextok, 512 bytes: PSNR 26.90 dB, 95 % interval 25.80 to 27.78 dB, 6 pictures",
        "alt=\"webp at 512 bytes of coffee.png\"",
        "jpegxs (cjxs is not installed)",
        "&lt;b&gt;broken&lt;/b&gt;.png",
        "| Budget (bytes) | Codec | PSNR (dB) ↑ |",
        "never: 1 picture",
        "reaches PSNR 30.",
        "Between two decodes: LPIPS",
        "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;.png",
        "a&#39;b &amp; c\\u{1b}[2J\\n\\u{202e}.jpg",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<svg viewBox=\"0 0 460 310\"").count(), 7);
    // Two pictures at each end: an original and six codecs at three budgets.
    assert_eq!(page.matches("<img ").count(), 4 * (1 + 6 * 3));
    assert!(
        !page.contains("http:") && !page.contains("https:"),
        "no network"
    );
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
}

#[test]
fn one_codec_at_one_budget_is_a_page() {
    let page = page(&results(&["flextok"], &[1024]));
    assert!(page.contains("Chosen by the PSNR of flextok at 1024 bytes"));
    assert!(all_finite(&page));
}

#[test]
fn tokens_are_called_so() {
    let mut results = results(&["flextok", "webp"], &[1, 2, 4, 128, 256]);
    results.unit = Unit::Tokens;
    assert!(page(&results).contains("flextok, 1 token: PSNR"));
}

#[test]
fn identical_decodes_have_no_psnr_and_are_the_best() {
    let mut results = results(&["flextok"], &[64, 128]);
    for one in &mut results.measurements {
        if one.picture == "coffee.png" {
            one.figures.psnr = None;
        }
    }
    results.means.retain(|mean| mean.figure != "psnr");
    let page = page(&results);
    assert!(page.contains("the highest: identical to the original"));
    assert!(!page.contains("PSNR (dB) over bytes") && page.contains("SSIMULACRA 2 over bytes"));
}

#[test]
fn a_rival_without_files_leaves_gaps() {
    let mut results = results(&["flextok", "webp"], &[32, 64]);
    for mean in results.means.iter_mut().filter(|mean| mean.figure == "mae") {
        mean.high = f64::INFINITY;
    }
    let page = page(&results);
    assert!(page.contains("<th scope=\"row\" class=\"word\">webp</th>"));
    assert!(page.contains("Chosen by") && !page.contains("alt=\"webp"));
    assert!(all_finite(&page));
}

#[test]
fn nothing_measured_is_a_page_too() {
    let mut nothing = results(&[], &[]);
    nothing.pictures.clear();
    let page = page(&nothing);
    assert!(page.contains("There are no means to draw"));
    assert!(!page.contains("<img "));
}
