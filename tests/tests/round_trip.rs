//! Pictures to files and back through the program: sizes, quality, repeatability, pipes.

use flextok::image;
use flextok_tests::{PHOTOS, arg, photo, pipe, run, run_ids, tiny, workplace};

#[test]
fn every_photo_comes_back_in_its_size_and_better_with_more_bytes() {
    for (name, width, height) in PHOTOS {
        let place = workplace();
        let (directory, photo) = (place.path(), photo(name));
        let photo = arg(&photo);
        let psnr = [32, 256, 2048].map(|bytes: u32| {
            let (file, out) = (format!("{bytes}.flxt"), format!("{bytes}.png"));
            let bytes = bytes.to_string();
            run(directory, ["encode", photo, "-o", &file, "--bytes", &bytes]).ok();
            run(directory, ["decode", &file, "-o", &out]).ok();
            let decoded = image::open(directory.join(&out)).expect("a PNG");
            assert_eq!(
                (decoded.width(), decoded.height()),
                (width, height),
                "{name}"
            );
            let comparison = run(directory, ["compare", photo, &out, "--json"])
                .ok()
                .json();
            assert!(
                comparison["ssim"].as_f64() > Some(0.0),
                "{name}: {comparison}"
            );
            comparison["psnr"].as_f64().expect("they differ")
        });
        assert!(psnr[0] > 11.0, "{name}: {psnr:?}");
        assert!(
            psnr[1] > psnr[0] + 2.0 && psnr[2] > psnr[1] + 2.0,
            "{name}: {psnr:?}"
        );
    }
}

#[test]
fn outputs_are_named_after_inputs() {
    let place = workplace();
    std::fs::copy(photo("chelsea.png"), place.path().join("my.cat.png")).expect("copied");
    run(place.path(), ["encode", "my.cat.png"]).ok();
    std::fs::remove_file(place.path().join("my.cat.png")).expect("it is there");
    run(place.path(), ["decode", "my.cat.flxt"]).ok();
    run(place.path(), ["preview", "my.cat.flxt"]).ok();
    assert_eq!(
        flextok_tests::listing(place.path()),
        ["my.cat.flxt", "my.cat.png", "my.cat.preview.png"]
    );
}

#[test]
fn threads_and_repetition_change_nothing() {
    let place = workplace();
    let (directory, photo) = (place.path(), photo("coffee.png"));
    let run_with = |threads: &str| {
        let file = run(
            directory,
            ["encode", arg(&photo), "-o", "-", "--threads", threads],
        )
        .ok();
        let decode = ["decode", "-", "--threads", threads];
        let picture = pipe(directory, decode, &file.stdout).ok();
        (file.stdout, picture.stdout)
    };
    let first = run_with("1");
    assert!(first.0.starts_with(&[0xf6, 0xdc]) && first.1.starts_with(b"\x89PNG"));
    for threads in ["1", "2", "3", "0"] {
        assert!(run_with(threads) == first, "{threads} threads");
    }
}

#[test]
fn seeds_matter_only_where_noise_does() {
    let place = workplace();
    let (directory, model, photo) = (place.path(), tiny(), photo("chelsea.png"));
    let model = ["--model", arg(&model)];
    run(
        directory,
        [
            "encode",
            arg(&photo),
            "-o",
            "a.flxt",
            "-k",
            "4",
            "--canvas",
            "64x64",
        ]
        .into_iter()
        .chain(model),
    )
    .ok();
    let decode = |seed| {
        let args = [
            "decode", "a.flxt", "-o", "-", "--steps", "2", "--seed", seed,
        ];
        run(directory, args.into_iter().chain(model)).ok().stdout
    };
    assert!(decode("0") == decode("0") && decode("0") != decode("1"));
    let default = ["decode", "a.flxt", "-o", "-", "--steps", "2"];
    assert!(run(directory, default.into_iter().chain(model)).ok().stdout == decode("0"));
}

#[test]
fn everything_works_through_pipes() {
    let place = workplace();
    let directory = place.path();
    let photo = std::fs::read(photo("seeding.jpg")).expect("the photo is there");
    let file = pipe(directory, ["encode", "-"], &photo).ok().stdout;
    let cut = pipe(directory, ["truncate", "-", "--bytes", "61"], &file)
        .ok()
        .stdout;
    assert_eq!(cut.len(), 61);
    let picture = pipe(directory, ["decode", "-"], &cut).ok().stdout;
    assert!(picture.starts_with(b"\x89PNG"));
    let info = pipe(directory, ["info", "-", "--json"], &cut).ok().json();
    assert_eq!((&info["width"], &info["bytes"]), (&1600.into(), &61.into()));
    let verified = pipe(directory, ["verify", "-"], &cut).ok();
    assert!(verified.text().contains("ok"), "{verified:?}");
    let sheet = pipe(directory, ["preview", "-"], &cut).ok().stdout;
    assert!(sheet.starts_with(b"\x89PNG"));
    let same = pipe(
        directory,
        ["compare", "-", arg(&flextok_tests::photo("seeding.jpg"))],
        &photo,
    );
    assert!(same.ok().text().contains("identical"));
    assert!(flextok_tests::listing(directory).is_empty());
}

#[test]
fn output_types_follow_the_extension() {
    let place = workplace();
    let (directory, photo) = (place.path(), photo("chelsea.png"));
    run(directory, ["encode", arg(&photo), "-o", "a.flxt"]).ok();
    let extensions = [
        "png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "ppm", "pnm", "qoi", "tga",
    ];
    for extension in extensions {
        let name = format!("out.{extension}");
        run(directory, ["decode", "a.flxt", "-o", &name]).ok();
        let picture = image::open(directory.join(&name)).expect("it can be read back");
        assert_eq!(
            (picture.width(), picture.height()),
            (451, 300),
            "{extension}"
        );
    }
    run(
        directory,
        ["decode", "a.flxt", "-o", "canvas.png", "--keep-canvas"],
    )
    .ok();
    let canvas = image::open(directory.join("canvas.png")).expect("a PNG");
    assert_eq!((canvas.width(), canvas.height()), (480, 320));
}

#[test]
fn crop_and_canvas_are_kept() {
    let place = workplace();
    let (directory, model, photo) = (place.path(), tiny(), photo("chelsea.png"));
    let args = ["encode", arg(&photo), "-o", "crop.flxt", "--crop"];
    run_ids(directory, args).ok();
    let info = run(directory, ["info", "crop.flxt", "--json"]).ok().json();
    assert_eq!(
        (&info["width"], &info["height"]),
        (&300.into(), &300.into())
    );

    let model = ["--model", arg(&model)];
    let args = [
        "encode",
        arg(&photo),
        "-o",
        "wide.flxt",
        "--canvas",
        "256x192",
        "-k",
        "4",
    ];
    run(directory, args.into_iter().chain(model)).ok();
    let args = [
        "decode",
        "wide.flxt",
        "-o",
        "wide.png",
        "--keep-canvas",
        "--steps",
        "1",
    ];
    run(directory, args.into_iter().chain(model)).ok();
    let canvas = image::open(directory.join("wide.png")).expect("a PNG");
    assert_eq!((canvas.width(), canvas.height()), (256, 192));
    run_ids(
        directory,
        ["encode", arg(&photo), "-o", "x.flxt", "--canvas", "250x192"],
    )
    .fails(2, &["250x192", "multiple"]);
}

#[test]
fn budgets_in_bytes_are_filled_and_kept() {
    let place = workplace();
    let (directory, photo) = (place.path(), photo("astronaut.png"));
    let photo = arg(&photo);
    for (bytes, tokens) in [
        ("26", 1),
        ("27", 1),
        ("28", 2),
        ("100", 37),
        ("540", 256),
        ("9999", 256),
    ] {
        let args = ["encode", photo, "-o", "-", "--bytes", bytes];
        let file = run_ids(directory, args).ok().stdout;
        let most = bytes.parse().expect("a number");
        assert!(file.len() as u64 <= most, "{bytes}");
        let info = pipe(directory, ["info", "-", "--json"], &file).ok().json();
        assert_eq!(info["tokens_have"], tokens, "{bytes} bytes");
        if most >= 27 {
            let coded = run(directory, args).ok().stdout;
            assert!(coded.len() as u64 == most, "{bytes}: {}", coded.len());
        }
    }
    let args = ["encode", photo, "-o", "-", "--bytes"];
    run_ids(directory, args.iter().chain(&["25"])).fails(2, &[photo, "25", "26"]);
    run(directory, args.iter().chain(&["12"])).fails(2, &[photo, "12 bytes", "13 bytes"]);
    let titled = ["100", "--title", "Colonel Collins"];
    let titled = run(directory, args.iter().chain(&titled)).ok().stdout;
    assert_eq!(titled.len(), 100);
}

#[test]
fn a_canvas_can_be_chosen_for_a_later_cut() {
    let place = workplace();
    let (directory, photo) = (place.path(), photo("coffee.png"));
    let canvas = |options: &[&str]| {
        let args = ["encode", arg(&photo), "-o", "a.flxt", "--force"];
        run(directory, args.iter().chain(options)).ok();
        let info = run(directory, ["info", "a.flxt", "--json"]).ok().json();
        (info["canvas"][0].clone(), info["canvas_is_own"].clone())
    };
    assert_eq!(canvas(&["--bytes", "2000"]), (608.into(), true.into()));
    let cut = ["--bytes", "2000", "--cut-at", "64"];
    assert_eq!(canvas(&cut), canvas(&["--bytes", "64"]));
    assert_eq!(canvas(&["--canvas", "5"]), (160.into(), false.into()));
    let own = ["--bytes", "64", "--canvas", "own"];
    assert_eq!(canvas(&own), (608.into(), true.into()));
}
