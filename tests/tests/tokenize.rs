//! Tokens of collections: the same as those of each picture alone, in every kind of output; what fails is listed, what
//! cannot be is refused.

use std::fs::File;
use std::path::Path;

use flextok::npy;
use flextok_tests::collection::{part_file, photos, tar, untar};
use flextok_tests::{
    Run, arg, command, finish, listing, photo, pipe, read, run, tiny, workplace, write,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::{Value, json};

/// The options of all runs here: a small canvas, so that they take no time.
const SMALL: [&str; 4] = ["-k", "8", "--canvas", "32x32"];

fn model(directory: &Path, args: &[&str]) -> Run {
    finish(command(directory, args).arg("--model").arg(tiny()))
}

fn tokenize(directory: &Path, args: &[&str]) -> Run {
    model(directory, &[&["tokenize"], args, &SMALL].concat())
}

/// The tokens of one picture, by the commands for one.
fn alone(directory: &Path, picture: &[u8]) -> Vec<i64> {
    write(directory, "alone", picture);
    let args = [
        &["encode", "alone", "-o", "alone.flxt", "--force"][..],
        &SMALL,
    ]
    .concat();
    model(directory, &args).ok();
    let ids = run(directory, ["tokens", "alone.flxt", "--json"])
        .ok()
        .json();
    let ids = ids.as_array().expect("a list").clone();
    ids.iter()
        .map(|id| id.as_i64().expect("a number"))
        .collect()
}

fn rows(directory: &Path, name: &str) -> Vec<Vec<i64>> {
    let array = npy::read_integers(&read(directory, name)).expect("an array");
    assert_eq!((array.shape.len(), array.shape[1]), (2, 8));
    array.data.chunks(8).map(<[i64]>::to_vec).collect()
}

fn lines(directory: &Path, name: &str) -> Vec<Value> {
    let text = String::from_utf8(read(directory, name)).expect("text");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn texts(lines: &[Value], key: &str) -> Vec<String> {
    let text = |line: &Value| line[key].as_str().expect("text").to_owned();
    lines.iter().map(text).collect()
}

/// The ids of the pictures of [`photos`] that can be used, and those of the others.
const USED: [&str; 7] = [
    "a.png",
    "b.jpg",
    "shard/one",
    "shard/d/two",
    "sub.jpg",
    "sub/a.png",
    "sub/deep/é.png",
];
const FAILED: [&str; 3] = ["shard/bad", "shard/one.png", "sub/broken.png"];

#[test]
fn tokens_are_those_of_each_picture_alone() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    tokenize(directory, &["photos", "-o", "x.npy"]).fails_in_part(
        6,
        &[
            "shard.tar: bad.jpg: not an image",
            "shard.tar: one.png: a picture of the same key",
            "broken.png: not an image",
            "tokenized 7 of 10 pictures",
        ],
    );
    let (found, index) = (rows(directory, "x.npy"), lines(directory, "x.jsonl"));
    assert_eq!(texts(&index, "id"), USED);
    let failed = lines(directory, "x.failed.jsonl");
    assert_eq!(texts(&failed, "id"), FAILED);
    assert!(texts(&failed, "error")[1].contains("same key"));
    let members = untar(&read(directory, "photos/shard.tar"));
    let pictures = USED.map(|id| match id {
        "shard/one" => members[1].1.clone(),
        "shard/d/two" => members[5].1.clone(),
        id => read(directory, &format!("photos/{id}")),
    });
    for ((picture, row), line) in pictures.iter().zip(&found).zip(&index) {
        assert_eq!(&alone(directory, picture), row, "{line}");
        let picture = flextok::image::load_from_memory(picture).expect("a picture");
        let size = (picture.width(), picture.height());
        assert_eq!(
            (&line["width"], &line["height"]),
            (&size.0.into(), &size.1.into())
        );
    }
    assert_eq!(
        listing(directory),
        [
            "alone",
            "alone.flxt",
            "photos",
            "x.failed.jsonl",
            "x.jsonl",
            "x.npy"
        ]
    );
}

#[test]
fn every_kind_of_output_holds_the_same() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    for output in ["x.npy", "x.parquet", "new/"] {
        let ended = tokenize(directory, &["photos", "-q", "-o", output]);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(6), 3));
    }
    let (arrays, index) = (rows(directory, "x.npy"), lines(directory, "x.jsonl"));
    let of = |id: &str| {
        let at = index.iter().position(|line| line["id"] == id).expect(id);
        (&arrays[at], &index[at])
    };
    // Parquet: also what failed, where it stood.
    let file = File::open(directory.join("x.parquet")).expect("a file");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let about = reader.metadata().file_metadata().key_value_metadata();
    let about = about
        .expect("metadata")
        .iter()
        .map(|pair| (pair.key.as_str(), pair.value.as_deref()));
    assert_eq!(
        about.skip(1).collect::<Vec<_>>(),
        [
            ("flextok.tokens", Some("8")),
            ("flextok.canvas", Some("32x32"))
        ]
    );
    let mut ids = Vec::new();
    for row in reader.get_row_iter(None).expect("rows") {
        let row = row.expect("a row");
        let id = row.get_string(0).expect("an id").clone();
        match row.get_string(4) {
            Ok(error) => {
                assert!(
                    error.contains("not an image") || error.contains("same key"),
                    "{error}"
                );
                assert!(row.get_list(1).is_err() && row.get_uint(2).is_err());
                ids.push(format!("{id} failed"));
            }
            Err(_) => {
                use parquet::record::ListAccessor;
                let tokens = row.get_list(1).expect("tokens");
                let tokens =
                    (0..tokens.len()).map(|at| tokens.get_ushort(at).expect("uint16").into());
                let (row_of, line) = of(&id);
                assert_eq!(&tokens.collect::<Vec<i64>>(), row_of);
                assert_eq!(line["width"], row.get_uint(2).expect("a width"));
                assert_eq!(line["height"], row.get_uint(3).expect("a height"));
                ids.push(id);
            }
        }
    }
    let expected = [
        "a.png",
        "b.jpg",
        "shard/one",
        "shard/bad failed",
        "shard/d/two",
        "shard/one.png failed",
        "sub.jpg",
        "sub/a.png",
        "sub/broken.png failed",
        "sub/deep/é.png",
    ];
    assert_eq!(ids, expected);
    shards(directory, of);
    assert_eq!(texts(&lines(directory, "new/failed.jsonl"), "id"), FAILED);
    assert_eq!(
        listing(&directory.join("new")),
        ["failed.jsonl", "shard.tar", "tokens-000000.tar"]
    );
}

/// Checks the shards of a directory: a sample that failed is not there, members beside pictures are.
fn shards<'a>(directory: &Path, of: impl Fn(&str) -> (&'a Vec<i64>, &'a Value)) {
    let check = |members: &[(String, Vec<u8>)], key: &str, id: &str| {
        let data = |end: &str| {
            let name = format!("{key}.{end}");
            let found = members.iter().find(|(own, _)| *own == name);
            &found.unwrap_or_else(|| panic!("{name}")).1
        };
        let array = npy::read_integers(data("tokens.npy")).expect("an array");
        let (row, line) = of(id);
        assert_eq!((array.shape, &array.data), (vec![8], row));
        let about: Value = serde_json::from_slice(data("tokens.json")).expect("JSON");
        assert_eq!(&about, line);
    };
    let members = untar(&read(directory, "new/shard.tar"));
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "one.cls",
            "one.tokens.npy",
            "one.tokens.json",
            "one.txt",
            "d/two.tokens.npy",
            "d/two.tokens.json",
            "d/two.json",
            "d/two.seg.png",
            "alone.txt",
        ]
    );
    assert_eq!(members[3].1, b"first");
    check(&members, "one", "shard/one");
    check(&members, "d/two", "shard/d/two");
    let members = untar(&read(directory, "new/tokens-000000.tar"));
    assert_eq!(members.len(), 10);
    for (number, id) in ["a.png", "b.jpg", "sub.jpg", "sub/a.png", "sub/deep/é.png"]
        .iter()
        .enumerate()
    {
        check(&members, &format!("{number:09}"), id);
    }
}

#[test]
fn parts_are_together_the_whole() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    tokenize(directory, &["photos", "-q", "-o", "x.npy"]);
    let whole = rows(directory, "x.npy");
    let ids = texts(&lines(directory, "x.jsonl"), "id");
    let mut found = Vec::new();
    for part in ["0/3", "1/3", "2/3"] {
        let name = part.replace('/', "-");
        let args = [
            "photos",
            "-q",
            "-o",
            &format!("{name}.npy"),
            "--shard",
            part,
        ];
        tokenize(directory, &args);
        let ids = texts(&lines(directory, &format!("{name}.jsonl")), "id");
        found.extend(ids.into_iter().zip(rows(directory, &format!("{name}.npy"))));
    }
    let mut expected: Vec<_> = ids.into_iter().zip(whole).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    // The shard is dealt whole, as the third of seven files; the sixth is broken.
    let third = texts(&lines(directory, "2-3.jsonl"), "id");
    assert_eq!(third, ["shard/one", "shard/d/two"]);
    // A part without a file is empty.
    tokenize(
        directory,
        &["photos", "-o", "none.npy", "--shard", "99/100"],
    )
    .ok();
    assert!(rows(directory, "none.npy").is_empty());
}

#[test]
fn lists_name_files() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    tokenize(directory, &["photos", "-q", "-o", "x.npy"]);
    let list = "photos/sub/a.png\r\n\n./photos/shard.tar\nphotos/missing.png\n";
    write(directory, "list", list);
    let ended = tokenize(
        directory,
        &["--list", "list", "photos/a.png", "-o", "l.npy"],
    );
    ended.fails_in_part(
        6,
        &["bad.jpg", "one.png", "photos/missing.png: cannot read"],
    );
    let index = lines(directory, "l.jsonl");
    assert_eq!(
        texts(&index, "id"),
        [
            "photos/a.png",
            "photos/sub/a.png",
            "photos/shard/one",
            "photos/shard/d/two"
        ]
    );
    let whole = rows(directory, "x.npy");
    let expected = [0, 5, 2, 3].map(|at| whole[at].clone());
    assert_eq!(rows(directory, "l.npy"), expected);
    let tiny = tiny();
    let args = [
        &[
            "tokenize",
            "--list",
            "-",
            "-o",
            "s.npy",
            "--model",
            arg(&tiny),
        ][..],
        &SMALL,
    ];
    pipe(directory, args.concat(), b"photos/a.png").ok();
    assert_eq!(rows(directory, "s.npy"), whole[..1]);
}

#[test]
fn of_a_damaged_shard_what_is_proven_is_used() {
    let place = workplace();
    let directory = place.path();
    let pictures = [1, 2, 3].map(|number| part_file(number, "png"));
    let whole = tar(&[
        ("a.png", &pictures[0]),
        ("b.png", &pictures[1]),
        ("c.png", &pictures[2]),
    ]);
    let cut = whole.len() - 1024 - pictures[2].len().next_multiple_of(512) / 2;
    write(directory, "s.tar", &whole[..cut]);
    write(directory, "other.tar", "no archive");
    for (output, extra) in [("x.npy", None), ("d/", Some("d/s.tar"))] {
        tokenize(directory, &["s.tar", "other.tar", "-o", output]).fails_in_part(
            3,
            &[
                "s.tar: the archive ends early",
                "other.tar: the archive",
                "tokenized 2 of 4",
            ],
        );
        if let Some(shard) = extra {
            assert_eq!(untar(&read(directory, shard)).len(), 4);
        }
    }
    assert_eq!(texts(&lines(directory, "x.jsonl"), "id"), ["s/a", "s/b"]);
    assert_eq!(
        texts(&lines(directory, "x.failed.jsonl"), "id"),
        ["s", "other"]
    );
    assert_eq!(rows(directory, "x.npy")[1], alone(directory, &pictures[1]));
    assert_eq!(listing(&directory.join("d")), ["failed.jsonl", "s.tar"]);
}

#[test]
fn large_pictures_are_loaded_one_after_the_other() {
    let place = workplace();
    let directory = place.path();
    let names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"];
    for name in names {
        std::fs::copy(photo("seeding.jpg"), directory.join(name)).expect("copied");
    }
    let all = |limit: &[&str], output: &str| {
        let args = [&names[..], &["--threads", "4", "-o", output], limit].concat();
        tokenize(directory, &args).ok();
        read(directory, output)
    };
    // Enough for one, or two, of these pictures, and not for a fourth of each.
    let expected = all(&[], "x.npy");
    for (limit, output) in [("12M", "one.npy"), ("24M", "two.npy")] {
        assert!(all(&["--max-memory", limit], output) == expected, "{limit}");
    }
    let args = ["a.jpg", "-o", "none.npy", "--max-memory", "1M"];
    tokenize(directory, &args).fails_in_part(5, &["a.jpg", "tokenized 0 of 1"]);
    assert!(rows(directory, "none.npy").is_empty());
}

#[test]
fn what_cannot_be_is_refused_before_any_work() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    std::fs::create_dir(directory.join("empty")).expect("writable");
    write(directory, "long", "x".repeat(5000));
    write(directory, "there.npy", "");
    write(directory, "journal.npy.journal.jsonl", "{\"other\":1}\n");
    let before = listing(directory);
    for (args, code, mentions) in [
        (
            &["photos", "-o", "x.txt"][..],
            2,
            &["x.txt", "X.parquet"][..],
        ),
        (&["photos", "-o", "-"], 2, &["-: "]),
        (&["photos", "-o", "no/such/x.npy"], 7, &["no/such"]),
        (
            &["photos", "photos/sub", "-o", "x.npy"],
            2,
            &["photos/sub/a.png", "photos/a.png"],
        ),
        (
            &["photos/a.png", "photos/a.png", "-o", "x.npy"],
            2,
            &["a.png", "too"],
        ),
        (
            &["photos/shard.tar", "photos", "-o", "new/"],
            2,
            &["shard.tar", "output"],
        ),
        (&["empty", "-o", "x.npy"], 2, &["empty", "no file"]),
        (&["-", "-o", "x.npy"], 2, &["standard input", "--list"]),
        (
            &["--list", "long", "-o", "x.npy"],
            2,
            &["long: line 1", "4096"],
        ),
        (&["--list", "/dev/null", "-o", "x.npy"], 2, &["--list"]),
        (&["photos", "-o", "there.npy"], 7, &["there.npy", "--force"]),
        (
            &["photos", "-o", "journal.npy"],
            2,
            &["journal.npy.journal.jsonl", "line 1"],
        ),
        (
            &["photos", "-o", "x.npy", "--shard", "3/3"],
            2,
            &["--shard", "0/8 to 7/8"],
        ),
        (
            &["photos", "-o", "x.npy", "--canvas", "33x32"],
            2,
            &["canvas 33x32"],
        ),
        (
            &["photos", "-o", "x.npy", "-k", "1000"],
            2,
            &["1000", "256"],
        ),
    ] {
        let args = [&["tokenize"], args].concat();
        model(directory, &args).fails(code, mentions);
    }
    let args = ["tokenize", "photos", "-o", "x.npy"];
    run(directory, args).fails(2, &["embedded model", "no token ids"]);
    run(directory, ["tokenize", "-o", "x.npy"]).fails(2, &["INPUT"]);
    assert_eq!(listing(directory), before);
}

#[test]
fn force_replaces_all_of_an_output() {
    let place = workplace();
    let directory = place.path();
    photos(directory);
    tokenize(directory, &["photos", "-q", "-o", "x.npy"]);
    let args = ["photos/a.png", "photos/b.jpg", "-o", "x.npy"];
    tokenize(directory, &args).fails(7, &["x.npy"]);
    tokenize(directory, &[&args[..], &["--force"]].concat()).ok();
    assert_eq!(rows(directory, "x.npy").len(), 2);
    // No list of failures of another run stays.
    assert_eq!(listing(directory), ["photos", "x.jsonl", "x.npy"]);
    assert_eq!(lines(directory, "x.jsonl")[1]["id"], json!("photos/b.jpg"));
}

#[cfg(unix)]
#[test]
fn links_neither_hang_nor_hide() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let place = workplace();
    let directory = place.path();
    for folder in ["p", "p/sub", "other"] {
        std::fs::create_dir(directory.join(folder)).expect("writable");
    }
    write(directory, "other/a.png", part_file(1, "png"));
    for (target, link) in [
        ("../other/a.png", "p/a.png"),
        ("..", "p/sub/loop"),
        ("../other", "p/other"),
        ("nowhere.png", "p/gone.png"),
    ] {
        symlink(target, directory.join(link)).expect("links work");
    }
    let odd = std::ffi::OsStr::from_bytes(b"p/odd\xff.png");
    std::fs::copy(directory.join("other/a.png"), directory.join(odd)).expect("copied");
    tokenize(directory, &["p", "-o", "x.npy"]).fails_in_part(
        7,
        &[
            "note: p/sub/loop",
            "p/gone.png",
            "p/odd\\xff.png: its name is not UTF-8",
        ],
    );
    assert_eq!(
        texts(&lines(directory, "x.jsonl"), "id"),
        ["a.png", "other/a.png"]
    );
    let failed = texts(&lines(directory, "x.failed.jsonl"), "id");
    assert_eq!(failed, ["gone.png", "odd\\xff.png"]);
}
