//! Files of tokens to pictures, token files and text: `detokenize`, `pack` and `tokens` over arrays, Parquet and tar files.

use std::fs;
use std::path::Path;

use flextok::image;
use flextok_tests::tokens::{Row, parquet, tar, write_npy};
use flextok_tests::{
    Run, arg, command, data, encode, finish, listing, photo, read, run, run_ids, tiny, workplace,
    write,
};

/// Few steps of a small network.
const QUICK: [&str; 4] = ["--steps", "2", "--guidance", "1"];

/// Runs the program with the tiny model.
fn run_tiny<'a>(directory: &Path, args: impl IntoIterator<Item = &'a str>) -> Run {
    finish(command(directory, args).arg("--model").arg(tiny()))
}

/// Decodes files of tokens, quickly.
fn detokenize<'a>(directory: &Path, args: impl IntoIterator<Item = &'a str>) -> Run {
    run_tiny(
        directory,
        ["detokenize"].into_iter().chain(args).chain(QUICK),
    )
}

/// Encodes three photos to `a.flxt`, `b.flxt` and `c.flxt`, of eight tokens each, and stacks them to `all.npy`.
fn photos(directory: &Path) {
    let names = ["chelsea.png", "coffee.png", "astronaut.png"];
    for (name, file) in names.into_iter().zip(["a.flxt", "b.flxt", "c.flxt"]) {
        let photo = photo(name);
        let args = ["encode", arg(&photo), "-o", file, "-k", "8"];
        run_tiny(directory, args).ok();
    }
    let args = ["tokens", "a.flxt", "b.flxt", "c.flxt", "-o", "all.npy"];
    run(directory, args).ok();
}

/// The rows of `all.npy`, with ids of their own.
fn rows(directory: &Path) -> Vec<Row> {
    let array = flextok::npy::read_integers(&read(directory, "all.npy")).expect("an array");
    assert_eq!(array.shape, [3, 8]);
    let ids = ["a.jpg", "cats/b.jpg", "cats/of/c"];
    let sizes = [(451, 300), (600, 400), (512, 512)];
    let rows = array.data.chunks(8).zip(ids).zip(sizes);
    rows.map(|((tokens, id), size)| {
        let tokens: Vec<u16> = tokens.iter().map(|&id| id as u16).collect();
        Row::new(id, &tokens, size)
    })
    .collect()
}

fn row(id: &str, first: u16) -> Row {
    Row::new(id, &[first, 2, 3], (40, 30))
}

#[test]
fn pictures_are_those_of_decode_from_every_kind_of_file() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    let index = String::from_utf8(read(directory, "all.jsonl")).expect("text");
    assert_eq!(
        index.lines().next(),
        Some(r#"{"id":"a.flxt","width":451,"height":300}"#)
    );
    let rows = rows(directory);
    write(
        directory,
        "p.parquet",
        parquet(&rows, &[("flextok.tokens", "8")]),
    );
    write(directory, "t.tar", tar(&rows));
    write_npy(directory, "n", &rows);
    for (seed, extra) in [("0", &[][..]), ("5", &["-k", "3", "--seed", "5"])] {
        let decode = |file: &str| -> Vec<u8> {
            let args = ["decode", file, "-o", "-"].into_iter().chain(QUICK);
            run_tiny(directory, args.chain(extra.iter().copied()))
                .ok()
                .stdout
        };
        let expected = ["a.flxt", "b.flxt", "c.flxt"].map(decode);
        assert_ne!(expected[0], expected[1]);
        for file in ["n.npy", "p.parquet", "t.tar"] {
            let folder = format!("{file}.{seed}/");
            let args = [file, "-o", &folder].into_iter();
            detokenize(directory, args.chain(extra.iter().copied())).ok();
            for (name, expected) in ["a.png", "cats/b.png", "cats/of/c.png"]
                .iter()
                .zip(&expected)
            {
                assert!(
                    read(directory, &format!("{folder}{name}")) == *expected,
                    "{folder}{name}"
                );
            }
        }
        let args = ["all.npy", "-o", "all/", "--force"].into_iter();
        detokenize(directory, args.chain(extra.iter().copied())).ok();
        assert_eq!(listing(&directory.join("all")), ["a.png", "b.png", "c.png"]);
        assert!(read(directory, "all/b.png") == expected[1]);
    }
}

#[test]
fn a_table_says_the_canvas_of_its_tokens() {
    let place = workplace();
    let directory = place.path();
    let photo = photo("coffee.png");
    let args = [
        "encode",
        arg(&photo),
        "-o",
        "a.flxt",
        "-k",
        "4",
        "--canvas",
        "256x192",
    ];
    run_tiny(directory, args).ok();
    let args = ["decode", "a.flxt", "-o", "a.png"].into_iter();
    run_tiny(directory, args.chain(QUICK)).ok();
    let ids = run(directory, ["tokens", "a.flxt", "--json"]).ok().json();
    let ids: Vec<u16> = serde_json::from_value(ids).expect("an array of numbers");
    let rows = [Row::new("a", &ids, (600, 400))];
    write(
        directory,
        "p.parquet",
        parquet(&rows, &[("flextok.canvas", "256x192")]),
    );
    detokenize(directory, ["p.parquet", "-o", "out/"]).ok();
    assert!(read(directory, "out/a.png") == read(directory, "a.png"));
    write_npy(directory, "n", &rows);
    detokenize(directory, ["n.npy", "-o", "n/", "--canvas", "256x192"]).ok();
    assert!(read(directory, "n/a.png") == read(directory, "a.png"));
    write(
        directory,
        "p.parquet",
        parquet(&rows, &[("flextok.canvas", "7x7")]),
    );
    detokenize(directory, ["p.parquet", "-o", "bad/"])
        .fails_in_part(2, &["p.parquet: its canvas", "0 of 1"]);
    assert!(!directory.join("bad").exists());
}

#[test]
fn without_an_index_rows_have_numbers_and_the_canvas_is_the_size() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    fs::remove_file(directory.join("all.jsonl")).expect("it is there");
    detokenize(directory, ["all.npy", "-o", "out/", "--format", "jpg"]).ok();
    let names = ["000000000.jpg", "000000001.jpg", "000000002.jpg"];
    assert_eq!(listing(&directory.join("out")), names);
    let picture = image::open(directory.join("out/000000001.jpg")).expect("a JPEG");
    assert_eq!((picture.width(), picture.height()), (256, 256));
}

#[test]
fn ids_do_not_lead_out_of_the_output() {
    let place = workplace();
    let directory = place.path();
    let hostile = [
        "../escaped",
        "/flextok-escaped",
        "a/../../escaped",
        "C:\\escaped",
        "nul\0",
        "a//b",
        "a/",
        "",
        ".",
    ];
    let mut rows: Vec<Row> = hostile.iter().map(|id| row(id, 1)).collect();
    rows.push(row("fine", 1));
    write_npy(directory, "n", &rows);
    write(directory, "p.parquet", parquet(&rows, &[]));
    write(directory, "t.tar", tar(&rows));
    for command in ["detokenize", "pack"] {
        for file in ["n.npy", "p.parquet", "t.tar"] {
            let result = match command {
                "pack" => run_tiny(directory, ["pack", file, "-o", "out/"]),
                _ => detokenize(directory, [file, "-o", "out/"]),
            };
            let listed = result.fails_in_part(3, &["../escaped: its id", "absolute", ". or .."]);
            assert_eq!(listed.stderr.lines().count(), hostile.len() + 1);
            assert!(listed.stderr.contains("1 of 10 pictures"), "{listed:?}");
            assert_eq!(listing(&directory.join("out")).len(), 1);
            fs::remove_dir_all(directory.join("out")).expect("it is there");
        }
    }
    assert!(
        !directory
            .parent()
            .expect("one")
            .join("escaped.png")
            .exists()
    );
    assert_eq!(
        listing(directory),
        ["n.jsonl", "n.npy", "p.parquet", "t.tar"]
    );
}

#[cfg(unix)]
#[test]
fn links_in_the_output_are_not_followed_out_of_it() {
    use std::os::unix::fs::symlink;
    let place = workplace();
    let directory = place.path();
    write_npy(
        directory,
        "n",
        &[row("away/a", 1), row("b", 2), row("c", 3)],
    );
    fs::create_dir(directory.join("out")).expect("writable");
    fs::create_dir(directory.join("other")).expect("writable");
    write(directory, "mine.png", "mine");
    symlink("../other", directory.join("out/away")).expect("links work");
    symlink("../mine.png", directory.join("out/b.png")).expect("links work");
    detokenize(directory, ["n.npy", "-o", "out", "--force"]).fails_in_part(
        7,
        &["out/away: is a link out", "out/b.png: is a link", "1 of 3"],
    );
    assert!(listing(&directory.join("other")).is_empty());
    assert_eq!(read(directory, "mine.png"), b"mine");
    assert!(directory.join("out/c.png").is_file());
}

#[test]
fn a_bad_row_is_listed_and_does_not_stop_the_others() {
    let place = workplace();
    let directory = place.path();
    let mut rows = vec![
        row("a", 1),
        row("large", 64_000),
        row("twice.png", 1),
        row("twice.jpg", 2),
        row("size", 1),
        row("short", 1),
        row("empty", 1),
        row("failed", 1),
        row("wide", 1),
        row("z", 1),
    ];
    rows[4].size = Some((0, 30));
    rows[5].tokens = Some(vec![7, 8]);
    rows[6].tokens = Some(Vec::new());
    (rows[7].tokens, rows[7].size) = (None, None);
    rows[8].size = Some((1 << 20, 1 << 20));
    write(
        directory,
        "p.parquet",
        parquet(&rows, &[("flextok.tokens", "3")]),
    );
    let listed = detokenize(directory, ["p.parquet", "-o", "out/"]).fails_in_part(
        3,
        &[
            "p.parquet: large: id 64000 at index 0; allowed: 0 to 63999",
            "p.parquet: twice.jpg: its file out/twice.png is that of another row",
            "p.parquet: size: its size is 0×30",
            "p.parquet: short: has 2 tokens; allowed: 3",
            "p.parquet: empty: has 0 tokens",
        ],
    );
    for mention in [
        "p.parquet: wide: ",
        "--max-pixels",
        "note: p.parquet: 1 row without tokens",
        "decoded 3 of 9 pictures",
        "; 1 without tokens; 6 failed",
    ] {
        assert!(listed.stderr.contains(mention), "{mention}: {listed:?}");
    }
    assert_eq!(
        listing(&directory.join("out")),
        ["a.png", "twice.png", "z.png"]
    );
}

#[test]
fn what_exists_is_refused_left_or_replaced() {
    let place = workplace();
    let directory = place.path();
    write_npy(directory, "n", &[row("a", 1), row("b", 2)]);
    fs::create_dir(directory.join("out")).expect("writable");
    write(directory, "out/a.png", "old");
    detokenize(directory, ["n.npy", "-o", "out"])
        .fails_in_part(7, &["out/a.png: already exists; --resume", "1 of 2"]);
    assert_eq!(read(directory, "out/a.png"), b"old");
    let new = read(directory, "out/b.png");
    fs::remove_file(directory.join("out/b.png")).expect("it is there");
    detokenize(directory, ["n.npy", "-o", "out", "--resume"]).ok();
    assert_eq!(read(directory, "out/a.png"), b"old");
    assert!(read(directory, "out/b.png") == new);
    detokenize(directory, ["n.npy", "-o", "out", "--force"]).ok();
    assert_ne!(read(directory, "out/a.png"), b"old");
    detokenize(directory, ["n.npy", "-o", "out", "--force", "--resume"])
        .fails(2, &["--force", "--resume"]);
}

#[test]
fn a_picture_as_output_is_a_sheet_of_all() {
    let place = workplace();
    let directory = place.path();
    let rows: Vec<Row> = (0..5)
        .map(|number| row(&format!("x{number}"), number))
        .collect();
    write_npy(directory, "n", &rows);
    detokenize(directory, ["n.npy", "-o", "s.png", "--cell", "40"]).ok();
    let sheet = image::open(directory.join("s.png"))
        .expect("a PNG")
        .into_rgb8();
    assert_eq!(sheet.dimensions(), (3 * 44 + 4, 2 * 44 + 4));
    detokenize(
        directory,
        ["n.npy", "-o", "t.png", "--cell", "40", "--columns", "5"],
    )
    .ok();
    let row = image::open(directory.join("t.png"))
        .expect("a PNG")
        .into_rgb8();
    assert_eq!(row.dimensions(), (5 * 44 + 4, 48));
    // The fourth picture begins the second row of the one, and is the fourth of the other.
    let cell =
        |sheet: &image::RgbImage, x, y| image::imageops::crop_imm(sheet, x, y, 40, 40).to_image();
    assert_eq!(cell(&sheet, 4, 48), cell(&row, 3 * 44 + 4, 4));
    assert_ne!(cell(&sheet, 4, 4), cell(&sheet, 4, 48));
    detokenize(directory, ["n.npy", "-o", "s.png"]).fails(7, &["s.png", "--force"]);
    detokenize(directory, ["n.npy", "-o", "u.png", "--max-pixels", "12511"])
        .fails(5, &["u.png", "12511", "--max-pixels"]);
    detokenize(directory, ["n.npy", "-o", "u.webp", "--cell", "16384"]).fails(5, &["u.webp"]);
    assert_eq!(listing(directory), ["n.jsonl", "n.npy", "s.png", "t.png"]);
}

#[test]
fn files_of_other_writers_are_read() {
    let place = workplace();
    let directory = place.path();
    let file = data("data/tokens/pyarrow.parquet");
    fs::copy(&file, directory.join("p.parquet")).expect("copied");
    let printed =
        run(directory, ["tokens", "p.parquet"]).notes("3 rows without tokens, passed over");
    let lines: Vec<&str> = printed.text().lines().collect();
    assert_eq!(lines.len(), 37);
    assert_eq!(
        lines[0],
        "set/000.jpg: 60473 40006 43787 57421 37010 49643 53353 14413"
    );
    let json = run(directory, ["tokens", "p.parquet", "--json"]);
    let last: serde_json::Value =
        serde_json::from_str(json.text().lines().last().expect("lines")).expect("JSON");
    assert_eq!(
        last,
        serde_json::json!({"id": "set/039.jpg", "width": 87, "height": 32,
            "tokens": [23961, 26345, 45720, 59056, 6177, 4397, 15879, 27519]})
    );
    detokenize(directory, ["p.parquet", "-o", "out/", "-q"]).ok();
    assert_eq!(listing(&directory.join("out/set")).len(), 37);
    let picture = image::open(directory.join("out/set/039.png")).expect("a PNG");
    assert_eq!((picture.width(), picture.height()), (87, 32));
}

#[test]
fn what_cannot_be_used_is_refused_before_any_work() {
    let place = workplace();
    let directory = place.path();
    encode(directory, "chelsea.png");
    write_npy(directory, "n", &[row("a", 1)]);
    let model = [("flextok.model", "01abcdef")];
    write(directory, "m.parquet", parquet(&[row("a", 1)], &model));
    run(directory, ["detokenize", "n.npy", "-o", "out/"])
        .fails(2, &["embedded model", "no token ids"]);
    for (args, code, mentions) in [
        (
            &["a.flxt", "-o", "out/"][..],
            2,
            &["a.flxt", ".parquet"][..],
        ),
        (&["-", "-o", "out/"], 2, &[".parquet"]),
        (
            &["n.npy", "-o", "out"],
            2,
            &["out", "png, jpg", "directory"],
        ),
        (&["n.npy", "-o", "x.txt"], 2, &["x.txt", "png, jpg"]),
        (
            &["n.npy", "-o", "out/", "--format", "gif"],
            2,
            &["gif", "png, jpg"],
        ),
        (&["n.npy", "-o", "out/", "--cell", "9"], 2, &["--cell"]),
        (&["n.npy", "-o", "x.png", "--resume"], 2, &["--resume"]),
        (&["n.npy", "-o", "out/", "-k", "257"], 2, &["257", "256"]),
        (&["n.npy", "-o", "out/", "--canvas", "7x7"], 2, &["7x7"]),
        (&["missing.npy", "-o", "out/"], 7, &["missing.npy"]),
        (&["m.parquet", "-o", "out/"], 4, &["m.parquet", "01abcdef"]),
    ] {
        let refused = detokenize(directory, args.iter().copied());
        assert_eq!(refused.code, Some(code), "{args:?}: {refused:?}");
        for mention in mentions {
            assert!(refused.stderr.contains(mention), "{args:?}: {refused:?}");
        }
    }
    let steps = ["detokenize", "n.npy", "-o", "out/", "--steps", "1001"];
    run_tiny(directory, steps).fails(5, &["1001", "--max-steps"]);
    let left = ["a.flxt", "m.parquet", "n.jsonl", "n.npy"];
    assert_eq!(listing(directory), left);
}

#[test]
fn broken_files_are_errors() {
    let place = workplace();
    let directory = place.path();
    let rows: Vec<Row> = (0..4)
        .map(|number| row(&format!("x{number}"), number))
        .collect();
    let broken = |name: &str, bytes: &[u8]| {
        write(directory, name, bytes);
        let result = run(directory, ["tokens", name]);
        let code = result.code.unwrap_or(-1);
        assert!([0, 2, 3, 5, 7].contains(&code), "{name}: {result:?}");
        let named = result
            .stderr
            .lines()
            .all(|line| line.starts_with("flextok: "));
        assert!(named, "{name}: {result:?}");
        code
    };
    let parquet = parquet(&rows, &[]);
    for end in (0..parquet.len()).step_by(97) {
        assert_ne!(broken("x.parquet", &parquet[..end]), 0, "{end}");
    }
    for at in (0..parquet.len()).step_by(31) {
        let mut bytes = parquet.clone();
        bytes[at] ^= 0xff;
        broken("x.parquet", &bytes);
    }
    let tar = tar(&rows);
    for end in (0..tar.len() - 1024).step_by(997) {
        assert_ne!(broken("x.tar", &tar[..end]), 0, "{end}");
    }
    write_npy(directory, "n", &rows);
    let array = read(directory, "n.npy");
    for end in [0, 5, 60, 127, 128, 140, array.len() - 1] {
        fs::copy(directory.join("n.jsonl"), directory.join("x.jsonl")).expect("copied");
        assert_eq!(broken("x.npy", &array[..end]), 2, "{end}");
    }
    write(directory, "n.jsonl", rows[0].line());
    run(directory, ["tokens", "n.npy"]).fails_in_part(
        3,
        &["n.npy: the array has 4 rows, and its index n.jsonl has 1 lines"],
    );
    let line = "x".repeat(70_000);
    write(
        directory,
        "n.jsonl",
        format!("{line}\n{{\"id\": \"b\"}}\n[]\n{{\"id\": \"d\"}}\n"),
    );
    let listed = run(directory, ["tokens", "n.npy"]);
    assert_eq!((listed.code, listed.text().lines().count()), (Some(3), 2));
    assert!(
        listed
            .stderr
            .contains("n.npy: row 0: its line of the index is longer than 65536")
    );
    assert!(listed.stderr.contains("n.npy: row 2: its line"));
}

#[test]
fn rows_become_token_files() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    let rows = rows(directory);
    write_npy(directory, "n", &rows);
    write(directory, "p.parquet", parquet(&rows, &[]));
    for file in ["n.npy", "p.parquet"] {
        let folder = format!("{file}.d/");
        run_tiny(directory, ["pack", file, "-o", &folder]).ok();
        assert!(read(directory, &format!("{folder}a.flxt")) == read(directory, "a.flxt"));
        assert!(read(directory, &format!("{folder}cats/of/c.flxt")) == read(directory, "c.flxt"));
    }
    let size = ["--width", "90", "--height", "60"];
    let args = ["pack", "n.npy", "-o", "sized/"];
    run_tiny(directory, args.into_iter().chain(size)).ok();
    let info = run(directory, ["info", "sized/cats/b.flxt", "--json"])
        .ok()
        .json();
    assert_eq!((&info["width"], &info["height"]), (&90.into(), &60.into()));
    fs::remove_file(directory.join("n.jsonl")).expect("it is there");
    run_tiny(directory, ["pack", "n.npy", "-o", "none/"]).fails_in_part(
        2,
        &["n.npy: 000000000: nothing says its size; give --width"],
    );
    assert!(!directory.join("none").exists());
    let args = ["pack", "n.npy", "-o", "numbers/"];
    run_tiny(directory, args.into_iter().chain(size)).ok();
    assert_eq!(listing(&directory.join("numbers")).len(), 3);
    run_tiny(directory, ["pack", "p.parquet"]).fails(2, &["p.parquet", "directory"]);
    run_tiny(
        directory,
        ["pack", "n.npy", "--width", "9", "--height", "9"],
    )
    .fails(2, &["3 canvases", "--grid", "directory"]);
    run_tiny(directory, ["pack", "n.npy", "--width", "9"]).fails(2, &["--height"]);
    // A row of its own has the size in its index.
    write_npy(directory, "one", &rows[..1]);
    run_tiny(directory, ["pack", "one.npy", "-o", "one.flxt"]).ok();
    assert!(read(directory, "one.flxt") == read(directory, "a.flxt"));
}

#[test]
fn files_are_stacked_only_if_they_fit() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    run(directory, ["truncate", "b.flxt", "-o", "s.flxt", "-k", "5"]).ok();
    fs::rename(directory.join("a.flxt"), directory.join("first.flxt")).expect("renamed");
    encode(directory, "chelsea.png");
    fs::rename(directory.join("a.flxt"), directory.join("coded.flxt")).expect("renamed");
    let before = listing(directory);
    for (args, code, mentions) in [
        (
            &["b.flxt", "s.flxt", "-o", "x.npy"][..],
            2,
            &["s.flxt", "5 tokens", "8", "truncate -k 5"][..],
        ),
        (
            &["b.flxt", "./b.flxt", "-o", "x.npy"],
            2,
            &["b.flxt", "twice"],
        ),
        (&["b.flxt", "-", "-o", "x.npy"], 2, &["standard input"]),
        (
            &["b.flxt", "c.flxt", "-o", "-"],
            2,
            &["standard output", "index"],
        ),
        (
            &["b.flxt", "c.flxt", "-o", "all.npy"],
            7,
            &["all.npy", "--force"],
        ),
        (&["b.flxt", "all.npy"], 2, &["b.flxt"]),
        (&["all.npy", "-o", "x.npy"], 2, &["all.npy", "-o"]),
    ] {
        run(directory, ["tokens"].iter().chain(args)).fails(code, mentions);
    }
    run(directory, ["tokens", "b.flxt", "coded.flxt", "-o", "x.npy"])
        .fails_in_part(2, &["coded.flxt: the payload is coded"]);
    assert_eq!(listing(directory), before);
    run_ids(directory, ["tokens", "all.npy"]).ok();
}
