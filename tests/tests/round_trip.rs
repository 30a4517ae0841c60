//! Pictures to files and back through the program: sizes, quality, repeatability, pipes.

use flextok::image;
use flextok_tests::{PHOTOS, arg, photo, pipe, run, tiny, workplace};

#[test]
fn every_photo_comes_back_in_its_size_and_better_with_more_tokens() {
    for (name, width, height) in PHOTOS {
        let place = workplace();
        let (directory, photo) = (place.path(), photo(name));
        let photo = arg(&photo);
        run(directory, ["encode", photo, "-o", "a.flxt"]).ok();
        let psnr = [1, 16, 256].map(|tokens: u32| {
            let (k, out) = (tokens.to_string(), format!("{tokens}.png"));
            run(directory, ["decode", "a.flxt", "-k", &k, "-o", &out]).ok();
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
        assert!(psnr[0] > 8.0, "{name}: {psnr:?}");
        assert!(
            psnr[1] > psnr[0] + 0.5 && psnr[2] > psnr[1] + 0.5,
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
        let decode = [
            "decode",
            "-",
            "--threads",
            threads,
            "--steps",
            "3",
            "--guidance",
            "2",
        ];
        let picture = pipe(directory, decode, &file.stdout).ok();
        (file.stdout, picture.stdout)
    };
    let first = run_with("1");
    assert!(first.0.starts_with(b"\x89FLX") && first.1.starts_with(b"\x89PNG"));
    for threads in ["1", "2", "3", "0"] {
        assert!(run_with(threads) == first, "{threads} threads");
    }
}

#[test]
fn seeds_matter_where_noise_does_and_only_there() {
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
    let cut = pipe(directory, ["truncate", "-", "--tokens", "16"], &file)
        .ok()
        .stdout;
    assert_eq!(cut.len(), 61);
    let picture = pipe(directory, ["decode", "-"], &cut).ok().stdout;
    assert!(picture.starts_with(b"\x89PNG"));
    let info = pipe(directory, ["info", "-", "--json"], &cut).ok().json();
    assert_eq!(
        (&info["width"], &info["tokens_have"]),
        (&1600.into(), &16.into())
    );
    let verified = pipe(directory, ["verify", "-"], &cut).ok();
    assert!(verified.text().contains("ok"), "{verified:?}");
    let ids = pipe(directory, ["tokens", "-", "-o", "-"], &cut)
        .ok()
        .stdout;
    let pack = ["pack", "-", "--width", "1600", "--height", "900"];
    assert!(pipe(directory, pack, &ids).ok().stdout == cut);
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
    assert_eq!((canvas.width(), canvas.height()), (256, 256));
}

#[test]
fn crop_and_canvas_are_kept() {
    let place = workplace();
    let (directory, model, photo) = (place.path(), tiny(), photo("chelsea.png"));
    let args = ["encode", arg(&photo), "-o", "crop.flxt", "--crop"];
    run(directory, args).ok();
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
    run(
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
        ("27", 1),
        ("28", 1),
        ("29", 2),
        ("100", 33),
        ("549", 256),
        ("9999", 256),
    ] {
        let args = ["encode", photo, "-o", "-", "--bytes", bytes];
        let file = run(directory, args).ok().stdout;
        assert!(
            file.len() as u64 <= bytes.parse().expect("a number"),
            "{bytes}"
        );
        let info = pipe(directory, ["info", "-", "--json"], &file).ok().json();
        assert_eq!(info["tokens_have"], tokens, "{bytes} bytes");
    }
    run(directory, ["encode", photo, "-o", "-", "--bytes", "26"]).fails(2, &[photo, "26", "27"]);
    let args = [
        "encode",
        photo,
        "-o",
        "-",
        "--bytes",
        "100",
        "--title",
        "Colonel Collins",
    ];
    let titled = run(directory, args).ok().stdout;
    assert!((99..=100).contains(&titled.len()), "{}", titled.len());
}
