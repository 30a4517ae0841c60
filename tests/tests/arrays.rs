//! NumPy arrays in and out: token ids, starting noise, float canvases.

use std::path::Path;

use flextok::npy;
use flextok_tests::{
    Run, arg, encode_ids, listing, photo, pipe, read, run, run_ids, tiny, workplace, write,
};

#[test]
fn ids_go_out_and_come_back() {
    let place = workplace();
    let directory = place.path();
    run_ids(
        directory,
        [
            "encode",
            arg(&photo("coffee.png")),
            "-o",
            "a.flxt",
            "-k",
            "17",
        ],
    )
    .ok();
    run_ids(directory, ["tokens", "a.flxt", "-o", "ids.npy"]).ok();
    let bytes = read(directory, "ids.npy");
    assert!(bytes.starts_with(b"\x93NUMPY") && bytes.windows(3).any(|w| w == b"<u2"));
    let array = npy::read_integers(&bytes).expect("an array");
    assert_eq!(array.shape, [17]);

    let json = run_ids(directory, ["tokens", "a.flxt", "--json"])
        .ok()
        .json();
    let ids: Vec<i64> = serde_json::from_value(json).expect("an array of numbers");
    assert_eq!(ids, array.data);
    let text = run_ids(directory, ["tokens", "a.flxt"]).ok();
    let printed: Vec<i64> = text
        .text()
        .split(' ')
        .map(|id| id.trim().parse().expect("id"))
        .collect();
    assert_eq!((text.text().lines().count(), &printed), (1, &ids));

    let original = read(directory, "a.flxt");
    let size = ["--width", "600", "--height", "400", "-o", "-"];
    let pack = |name: &str| run_ids(directory, ["pack", name].into_iter().chain(size));
    assert!(pack("ids.npy").ok().stdout == original);
    // Any integer type, and a single row, are the same ids.
    let row = npy::write_i64(&[1, 17], &array.data).expect("an array");
    write(directory, "row.npy", row);
    assert!(pack("row.npy").ok().stdout == original);
    std::fs::rename(directory.join("row.npy"), directory.join("b.npy")).expect("it is there");
    run_ids(
        directory,
        ["pack", "b.npy", "--width", "600", "--height", "400"],
    )
    .ok();
    assert!(std::fs::read(directory.join("b.flxt")).expect("the default output") == original);
}

#[test]
fn several_canvases_are_packed_listed_and_cut_in_layers() {
    let place = workplace();
    let directory = place.path();
    let ids: Vec<u16> = (0..6 * 5).map(|i| i * 100).collect();
    let array = npy::write_u16(&[6, 5], &ids).expect("an array");
    write(directory, "ids.npy", &array);
    let pack = [
        "pack", "ids.npy", "--width", "768", "--height", "512", "-o", "g.flxt",
    ];
    run_ids(directory, pack).fails(2, &["ids.npy", "6 canvases", "--grid"]);
    run_ids(directory, pack.into_iter().chain(["--grid", "3x2"])).ok();

    let info = run_ids(directory, ["info", "g.flxt", "--json"]).ok().json();
    assert_eq!(
        (&info["canvases"], &info["grid"][0]),
        (&6.into(), &3.into())
    );
    assert_eq!(
        (&info["tokens_total"], &info["tokens_per_canvas"]),
        (&30.into(), &5.into())
    );
    run_ids(directory, ["tokens", "g.flxt", "-o", "back.npy"]).ok();
    assert!(read(directory, "back.npy") == array);
    let lists = run_ids(directory, ["tokens", "g.flxt", "--json"])
        .ok()
        .json();
    let lists: Vec<Vec<u16>> = serde_json::from_value(lists).expect("an array for each canvas");
    assert_eq!(lists.concat(), ids);
    assert_eq!(
        run_ids(directory, ["tokens", "g.flxt"])
            .ok()
            .text()
            .lines()
            .count(),
        6
    );

    run_ids(directory, ["truncate", "g.flxt", "-o", "h.flxt", "-k", "2"]).ok();
    let lists = run_ids(directory, ["tokens", "h.flxt", "--json"])
        .ok()
        .json();
    let lists: Vec<Vec<u16>> = serde_json::from_value(lists).expect("an array for each canvas");
    let firsts: Vec<Vec<u16>> = ids.chunks(5).map(|canvas| canvas[..2].to_vec()).collect();
    assert_eq!(lists, firsts);
    run_ids(directory, ["decode", "g.flxt"]).fails(3, &["g.flxt", "3×2"]);
}

#[test]
fn arrays_that_are_not_ids_are_named() {
    let place = workplace();
    let directory = place.path();
    let write = |name: &str, bytes: Vec<u8>| {
        std::fs::write(directory.join(name), bytes).expect("writable");
    };
    let array = |shape: &[usize], ids: &[i64]| npy::write_i64(shape, ids).expect("an array");
    write("large.npy", array(&[3], &[1, 64_000, 2]));
    write("huge.npy", array(&[2], &[0, 70_000]));
    write("negative.npy", array(&[2], &[5, -1]));
    write("long.npy", array(&[257], &[0; 257]));
    write("none.npy", array(&[0], &[]));
    write("cube.npy", array(&[1, 1, 2], &[1, 2]));
    write("scalar.npy", array(&[], &[1]));
    write(
        "floats.npy",
        npy::write_f32(&[2], &[1.0, 2.0]).expect("an array"),
    );
    write("text.npy", b"text".to_vec());
    write("cut.npy", array(&[3], &[1, 2, 3])[..140].to_vec());
    let before = listing(directory);
    for (name, mentions) in [
        ("large.npy", &["64000 at index 1", "0 to 63999"][..]),
        ("huge.npy", &["70000 at index 1", "0 to 63999"]),
        ("negative.npy", &["-1 at index 1", "0 to 63999"]),
        ("long.npy", &["257", "1 to 256"]),
        ("none.npy", &["0 tokens", "1 to 256"]),
        ("cube.npy", &["[1, 1, 2]", "[tokens]"]),
        ("scalar.npy", &["[]", "[tokens]"]),
        ("floats.npy", &["<f4", "integer"]),
        ("text.npy", &["not a .npy file"]),
        ("cut.npy", &["ends early"]),
    ] {
        let mentions = [&[name], mentions].concat();
        run_ids(directory, ["pack", name, "--width", "9", "--height", "9"]).fails(2, &mentions);
    }
    run_ids(
        directory,
        ["pack", "missing.npy", "--width", "9", "--height", "9"],
    )
    .fails(7, &["missing.npy"]);
    run_ids(
        directory,
        ["pack", "large.npy", "--width", "0", "--height", "9"],
    )
    .fails(2, &["--width", "from 1 to 1048576"]);
    assert_eq!(listing(directory), before);
}

#[test]
fn canvases_are_written_as_floats() {
    let place = workplace();
    let directory = place.path();
    encode_ids(directory, "coffee.png");
    run_ids(directory, ["decode", "a.flxt", "-o", "a.npy"]).ok();
    run_ids(
        directory,
        ["decode", "a.flxt", "-o", "a.png", "--keep-canvas"],
    )
    .ok();
    let bytes = read(directory, "a.npy");
    let array = npy::read_f32(&bytes).expect("an array");
    assert_eq!(array.shape, [3, 256, 256]);
    let planes = &array.data;
    let pixels = (0..256 * 256).flat_map(|pixel| [0, 1, 2].map(|c| planes[c * 256 * 256 + pixel]));
    let size = flextok::Size::new(256, 256);
    let canvas = flextok::picture::Canvas::new(size, pixels.collect()).expect("the shape fits");
    assert_eq!(&canvas.planes().unwrap(), planes);
    let picture = flextok::image::open(directory.join("a.png"))
        .expect("a PNG")
        .into_rgb8();
    assert!(
        canvas.to_rgb().unwrap() == picture,
        "the picture is the rounded canvas"
    );
}

/// The command that decodes a file of the tiny model with noise of \[16, 24, 32\].
fn decode_with(directory: &Path, extra: [&str; 2], input: &[u8]) -> Run {
    let model = tiny();
    let quick = ["--steps", "2", "--guidance", "1", "--model", arg(&model)];
    let args = ["decode", "a.flxt", "-o", "-"];
    pipe(directory, args.into_iter().chain(quick).chain(extra), input)
}

fn encode_for_noise(directory: &Path) {
    let (model, photo) = (tiny(), photo("coffee.png"));
    let args = ["encode", arg(&photo), "-o", "a.flxt", "-k", "4"];
    let options = ["--canvas", "256x192", "--model", arg(&model)];
    run(directory, args.into_iter().chain(options)).ok();
}

fn write_noise(directory: &Path, name: &str, shape: &[usize], data: &[f32]) {
    write(
        directory,
        name,
        npy::write_f32(shape, data).expect("an array"),
    );
}

#[test]
fn noise_is_taken_as_given() {
    let place = workplace();
    let directory = place.path();
    encode_for_noise(directory);
    // The noise of seed 3 as an array gives what seed 3 gives.
    let mut noise = flextok::standard_normal(3, 0, 16 * 24 * 32);
    write_noise(directory, "batch.npy", &[1, 16, 24, 32], &noise);
    write_noise(directory, "plain.npy", &[16, 24, 32], &noise);
    noise.reverse();
    write_noise(directory, "other.npy", &[16, 24, 32], &noise);

    let decode = |extra| decode_with(directory, extra, b"").ok().stdout;
    let seeded = decode(["--seed", "3"]);
    assert!(decode(["--noise", "batch.npy"]) == seeded);
    assert!(decode(["--noise", "plain.npy"]) == seeded);
    assert!(decode(["--noise", "other.npy"]) != seeded);
    let bytes = read(directory, "batch.npy");
    let piped = decode_with(directory, ["--noise", "-"], &bytes);
    assert!(piped.ok().stdout == seeded);
}

#[test]
fn noise_that_does_not_fit_is_refused() {
    let place = workplace();
    let directory = place.path();
    encode_for_noise(directory);
    let mut noise = flextok::standard_normal(3, 0, 16 * 24 * 32);
    write_noise(directory, "turned.npy", &[16, 32, 24], &noise);
    write_noise(
        directory,
        "short.npy",
        &[1, 16, 24, 31],
        &noise[..16 * 24 * 31],
    );
    noise[7] = f32::NAN;
    write_noise(directory, "nan.npy", &[16, 24, 32], &noise);
    for (name, code, mentions) in [
        ("turned.npy", 2, &["[16, 32, 24]", "[16, 24, 32]"][..]),
        ("short.npy", 2, &["[16, 24, 32]"]),
        ("nan.npy", 2, &[": ", "index 7"]),
        ("missing.npy", 7, &[]),
        ("a.flxt", 2, &["not a .npy file"]),
    ] {
        let mentions = [&[name], mentions].concat();
        decode_with(directory, ["--noise", name], b"").fails(code, &mentions);
    }
}
