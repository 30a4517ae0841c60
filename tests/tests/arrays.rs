//! NumPy arrays in and out: token ids, starting noise, float canvases.

use flextok::npy;
use flextok_tests::{arg, listing, photo, pipe, run, tiny, workplace};

#[test]
fn ids_go_out_and_come_back() {
    let place = workplace();
    let directory = place.path();
    run(
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
    run(directory, ["tokens", "a.flxt", "-o", "ids.npy"]).ok();
    let bytes = std::fs::read(directory.join("ids.npy")).expect("it is there");
    assert!(bytes.starts_with(b"\x93NUMPY") && bytes.windows(3).any(|w| w == b"<u2"));
    let array = npy::read_integers(&bytes).expect("an array");
    assert_eq!(array.shape, [17]);

    let json = run(directory, ["tokens", "a.flxt", "--json"]).ok().json();
    let ids: Vec<i64> = serde_json::from_value(json).expect("an array of numbers");
    assert_eq!(ids, array.data);
    let text = run(directory, ["tokens", "a.flxt"]).ok();
    let printed: Vec<i64> = text
        .text()
        .split(' ')
        .map(|id| id.trim().parse().expect("id"))
        .collect();
    assert_eq!((text.text().lines().count(), &printed), (1, &ids));

    let original = std::fs::read(directory.join("a.flxt")).expect("it is there");
    let size = ["--width", "600", "--height", "400", "-o", "-"];
    let pack = |name: &str| run(directory, ["pack", name].into_iter().chain(size));
    assert!(pack("ids.npy").ok().stdout == original);
    // Any integer type, and a single row, are the same ids.
    let row = npy::write_i64(&[1, 17], &array.data).expect("an array");
    std::fs::write(directory.join("row.npy"), row).expect("writable");
    assert!(pack("row.npy").ok().stdout == original);
    std::fs::rename(directory.join("row.npy"), directory.join("b.npy")).expect("it is there");
    run(
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
    std::fs::write(directory.join("ids.npy"), &array).expect("writable");
    let pack = [
        "pack", "ids.npy", "--width", "768", "--height", "512", "-o", "g.flxt",
    ];
    run(directory, pack).fails(2, &["ids.npy", "6 canvases", "--grid"]);
    run(directory, pack.into_iter().chain(["--grid", "3x2"])).ok();

    let info = run(directory, ["info", "g.flxt", "--json"]).ok().json();
    assert_eq!(
        (&info["canvases"], &info["grid"][0]),
        (&6.into(), &3.into())
    );
    assert_eq!(
        (&info["tokens_total"], &info["tokens_per_canvas"]),
        (&30.into(), &5.into())
    );
    run(directory, ["tokens", "g.flxt", "-o", "back.npy"]).ok();
    assert!(std::fs::read(directory.join("back.npy")).expect("it is there") == array);
    let lists = run(directory, ["tokens", "g.flxt", "--json"]).ok().json();
    let lists: Vec<Vec<u16>> = serde_json::from_value(lists).expect("an array for each canvas");
    assert_eq!(lists.concat(), ids);
    assert_eq!(
        run(directory, ["tokens", "g.flxt"])
            .ok()
            .text()
            .lines()
            .count(),
        6
    );

    run(directory, ["truncate", "g.flxt", "-o", "h.flxt", "-k", "2"]).ok();
    let lists = run(directory, ["tokens", "h.flxt", "--json"]).ok().json();
    let lists: Vec<Vec<u16>> = serde_json::from_value(lists).expect("an array for each canvas");
    let firsts: Vec<Vec<u16>> = ids.chunks(5).map(|canvas| canvas[..2].to_vec()).collect();
    assert_eq!(lists, firsts);
    run(directory, ["decode", "g.flxt"]).fails(3, &["g.flxt", "3×2"]);
}

#[test]
fn arrays_that_are_no_ids_are_named() {
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
        run(directory, ["pack", name, "--width", "9", "--height", "9"]).fails(2, &mentions);
    }
    run(
        directory,
        ["pack", "missing.npy", "--width", "9", "--height", "9"],
    )
    .fails(7, &["missing.npy"]);
    run(
        directory,
        ["pack", "large.npy", "--width", "0", "--height", "9"],
    )
    .fails(2, &["--width", "1..=1048576"]);
    assert_eq!(listing(directory), before);
}

#[test]
fn canvases_are_written_as_floats() {
    let place = workplace();
    let directory = place.path();
    run(
        directory,
        ["encode", arg(&photo("coffee.png")), "-o", "a.flxt"],
    )
    .ok();
    run(directory, ["decode", "a.flxt", "-o", "a.npy"]).ok();
    run(
        directory,
        ["decode", "a.flxt", "-o", "a.png", "--keep-canvas"],
    )
    .ok();
    let bytes = std::fs::read(directory.join("a.npy")).expect("it is there");
    let array = npy::read_f32(&bytes).expect("an array");
    assert_eq!(array.shape, [3, 256, 256]);
    let canvas = flextok::picture::Canvas::new(256, 256, array.data).expect("the shape fits");
    let picture = flextok::image::open(directory.join("a.png"))
        .expect("a PNG")
        .into_rgb8();
    assert!(
        canvas.to_rgb() == picture,
        "the picture is the rounded canvas"
    );
}

#[test]
fn noise_is_taken_as_given() {
    let place = workplace();
    let (directory, model, photo) = (place.path(), tiny(), photo("coffee.png"));
    let model = ["--model", arg(&model)];
    let encode = ["encode", arg(&photo), "-o", "a.flxt", "-k", "4"];
    run(
        directory,
        encode
            .into_iter()
            .chain(["--canvas", "256x192"])
            .chain(model),
    )
    .ok();
    let count = 16 * 24 * 32;
    let write = |name: &str, shape: &[usize], data: &[f32]| {
        let bytes = npy::write_f32(shape, data).expect("an array");
        std::fs::write(directory.join(name), bytes).expect("writable");
    };
    // The noise of seed 3 as an array gives what seed 3 gives.
    let noise = flextok::standard_normal(3, 0, count);
    write("batch.npy", &[1, 16, 24, 32], &noise);
    write("plain.npy", &[16, 24, 32], &noise);
    let mut other = noise.clone();
    other.reverse();
    write("other.npy", &[16, 24, 32], &other);
    write("turned.npy", &[16, 32, 24], &noise);
    write("short.npy", &[1, 16, 24, 31], &noise[..16 * 24 * 31]);
    let mut broken = noise;
    broken[7] = f32::NAN;
    write("nan.npy", &[16, 24, 32], &broken);

    let decode = |extra: [&str; 2]| {
        let args = [
            "decode",
            "a.flxt",
            "-o",
            "-",
            "--steps",
            "2",
            "--guidance",
            "1",
        ];
        run(directory, args.into_iter().chain(extra).chain(model))
    };
    let seeded = decode(["--seed", "3"]).ok().stdout;
    assert!(decode(["--noise", "batch.npy"]).ok().stdout == seeded);
    assert!(decode(["--noise", "plain.npy"]).ok().stdout == seeded);
    assert!(decode(["--noise", "other.npy"]).ok().stdout != seeded);
    decode(["--noise", "turned.npy"]).fails(2, &["turned.npy", "[16, 32, 24]", "[16, 24, 32]"]);
    decode(["--noise", "short.npy"]).fails(2, &["short.npy", "[16, 24, 32]"]);
    decode(["--noise", "nan.npy"]).fails(2, &["nan.npy: ", "index 7"]);
    decode(["--noise", "missing.npy"]).fails(7, &["missing.npy"]);
    decode(["--noise", "a.flxt"]).fails(2, &["a.flxt", "not a .npy file"]);
    let bytes = std::fs::read(directory.join("batch.npy")).expect("it is there");
    let args = [
        "decode",
        "a.flxt",
        "-o",
        "-",
        "--steps",
        "2",
        "--guidance",
        "1",
        "--noise",
        "-",
    ];
    assert!(
        pipe(directory, args.into_iter().chain(model), &bytes)
            .ok()
            .stdout
            == seeded
    );
}
