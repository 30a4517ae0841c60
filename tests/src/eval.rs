//! Sets of small pictures for `flextok eval`, and what its results say.

use std::path::Path;

use flextok::picture::{LoadOptions, load, resize, save};
use flextok::{Size, Threads};
use serde_json::Value;

use crate::{Run, arg, photo, write};

/// Puts a small copy of a sample photo into `directory`, as PNG.
///
/// # Panics
/// If that fails.
pub fn small(directory: &Path, name: &str, (width, height): (u32, u32)) {
    let threads = Threads::new(1).expect("a thread");
    let loaded = load::open(photo(name), &LoadOptions::default()).expect("a photo");
    let size = Size::new(width, height);
    let shrunk = resize(&loaded.image.into_rgb8(), size, &threads).expect("memory");
    let bytes = save::encode(&shrunk, save::SaveFormat::Png).expect("memory");
    let name = Path::new(name).with_extension("png");
    write(directory, arg(&name), bytes);
}

/// Three small pictures in `set/`.
///
/// # Panics
/// If that fails.
pub fn set(directory: &Path) {
    std::fs::create_dir(directory.join("set")).expect("writable");
    small(&directory.join("set"), "chelsea.png", (120, 80));
    small(&directory.join("set"), "coffee.png", (90, 60));
    small(&directory.join("set"), "astronaut.png", (64, 64));
}

/// The measurement of a picture by a codec at a budget.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn measured<'a>(results: &'a Value, picture: &str, codec: &str, budget: u32) -> &'a Value {
    let mut all = results["measurements"].as_array().expect("a list").iter();
    let wanted =
        all.find(|m| m["picture"] == picture && m["codec"] == codec && m["budget"] == budget);
    wanted.unwrap_or_else(|| panic!("{picture} by {codec} at {budget} in {results}"))
}

/// Results without what depends on the clock and on the command line.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn timeless(run: &Run) -> Value {
    let mut results = run.json();
    results["command"] = Value::Null;
    for measured in results["measurements"].as_array_mut().expect("a list") {
        measured["encode_seconds"] = Value::Null;
        measured["decode_seconds"] = Value::Null;
    }
    let means = results["means"].as_array_mut().expect("a list");
    means.retain(|mean| {
        !mean["figure"]
            .as_str()
            .expect("a name")
            .ends_with("seconds")
    });
    results
}

/// Checks that a number is what it should be.
///
/// # Panics
/// If it is not.
#[track_caller]
pub fn close(found: &Value, expected: f64, within: f64) {
    let number = found.as_f64().expect("a number");
    assert!(
        (number - expected).abs() <= within,
        "{number}, not {expected}"
    );
}
