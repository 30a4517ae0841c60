//! Intact files that still cannot be used: which check refuses them, and with which exit code.

use std::num::NonZeroU8;
use std::path::Path;

use flextok::container::{
    CanvasGrid, Coded, CodedCanvas, Header, Ids, Metadata, TablesName, TokenFile,
};
use flextok::{Codec, ModelName, Size};
use flextok_tests::{
    arg, encode, encode_ids, listing, nano, photo, run, run_ids, vector, workplace, write,
};

/// A file of `tokens` ids for the small model, of what `change` makes of ordinary ones.
fn file(size: Size, tokens: u32, change: impl FnOnce(&mut Ids)) -> Vec<u8> {
    let codec = Codec::open(nano()).expect("the model");
    let ModelName::Ids(model) = codec.name() else {
        panic!("a model with ids")
    };
    let mut ids = Ids::new(model, tokens, 64_000);
    change(&mut ids);
    let header = Header::ids(size, ids).expect("in range");
    let list = vec![5; ids.total_tokens() as usize];
    let file = TokenFile::of_ids(header, &list, Metadata::default()).expect("a valid file");
    file.to_bytes().expect("it is complete")
}

const SIZE: Size = Size::new(300, 200);

#[test]
fn headers_that_no_writer_makes_are_corrupt() {
    let place = workplace();
    let directory = place.path();
    for (name, field) in [
        ("invalid-header-width-2-20", "width"),
        ("invalid-header-canvas-own", "canvas is 8161"),
    ] {
        write(directory, "bad.flxt", vector(name));
        let mentions = ["bad.flxt: malformed header: ", field];
        for command in ["verify", "info", "tokens", "decode", "preview"] {
            run(directory, [command, "bad.flxt"]).fails(3, &mentions);
        }
        let cut = ["truncate", "bad.flxt", "-o", "x.flxt", "--bytes", "50"];
        run(directory, cut).fails(3, &mentions);
        assert_eq!(listing(directory), ["bad.flxt"]);
    }
}

#[test]
fn files_of_newer_versions_need_a_newer_program() {
    let place = workplace();
    let directory = place.path();
    write(directory, "new.flxt", vector("unsupported-chunk-type-5"));
    for command in ["verify", "info", "decode"] {
        run(directory, [command, "new.flxt"]).fails(3, &["new.flxt: ", "use a newer one"]);
    }
    let grid = file(SIZE, 2, |ids| {
        ids.grid = CanvasGrid {
            columns: 3,
            rows: 2,
        };
    });
    write(directory, "grid.flxt", grid);
    run(directory, ["verify", "grid.flxt"]).ok();
    run_ids(directory, ["decode", "grid.flxt"]).fails(3, &["grid.flxt", "3×2", "use a newer one"]);
}

#[test]
fn files_of_other_tables_are_refused() {
    let place = workplace();
    let directory = place.path();
    write(directory, "other.flxt", vector("coded-fingerprint"));
    run(directory, ["verify", "other.flxt"]).ok();
    run(directory, ["decode", "other.flxt"]).fails(4, &["other.flxt", "made with model tables"]);
}

#[test]
fn a_canvas_beyond_the_model_is_named() {
    let place = workplace();
    let directory = place.path();
    for (columns, rows) in [(9, 8), (8, 9), (256, 256)] {
        let large = file(SIZE, 2, |ids| {
            ids.canvas = Some(CanvasGrid { columns, rows })
        });
        write(directory, "large.flxt", large);
        run(directory, ["verify", "large.flxt"]).ok();
        let size = format!("{}x{}", 32 * columns, 32 * rows);
        let mentions = ["large.flxt", &size, "multiples of 32 up to 256x256"];
        run_ids(directory, ["decode", "large.flxt"]).fails(4, &mentions);
        assert_eq!(listing(directory), ["large.flxt"]);
    }
    let photo = photo("chelsea.png");
    let args = ["encode", arg(&photo), "-o", "x.flxt", "--canvas", "300x300"];
    let message = "canvas 300x300 is not supported; allowed: multiples of 32 up to 256x256\n";
    run_ids(directory, args).fails(2, &[message]);
    let args = ["encode", arg(&photo), "-o", "x.flxt", "--canvas", "own"];
    run_ids(directory, args).fails(2, &["canvas own", "pixels"]);
}

#[test]
fn pictures_too_large_for_their_format_are_refused_before_any_work() {
    let place = workplace();
    let directory = place.path();
    let wide = |width| {
        let coded = Coded {
            tables: TablesName::BUILTIN,
            canvas: CodedCanvas::Long(NonZeroU8::MIN),
            bytes: 1,
        };
        let header = Header::coded(Size::new(width, 2), coded).expect("in range");
        let file = TokenFile::new(header, vec![5], Metadata::default()).expect("a valid file");
        file.to_bytes().expect("it is complete")
    };
    for (out, most) in [("x.webp", 16_384), ("x.jpg", 65_535), ("x.tga", 65_535)] {
        write(directory, "wide.flxt", wide(most + 1));
        let args = ["decode", "wide.flxt", "-o", out];
        let mentions = [out, &(most + 1).to_string(), &most.to_string(), "png"];
        run(directory, args).fails(2, &mentions);
        run(directory, args.into_iter().chain(["--keep-canvas"])).ok();
        std::fs::remove_file(directory.join(out)).expect("it was written");
    }
    write(directory, "wide.flxt", wide(16_384));
    run(directory, ["decode", "wide.flxt", "-o", "x.webp"]).ok();
}

#[test]
fn token_files_are_not_named_like_pictures_or_arrays() {
    let place = workplace();
    let directory = place.path();
    encode_ids(directory, "chelsea.png");
    run(directory, ["tokens", "a.flxt", "-o", "ids.npy"]).ok();
    let bytes = encode_again(directory);
    let photo = photo("chelsea.png");
    for out in ["x.png", "x.JPG", "x.avif", "x.npy"] {
        let pack = [
            "pack", "ids.npy", "--width", "9", "--height", "9", "-o", out,
        ];
        for args in [
            &["encode", arg(&photo), "-o", out][..],
            &["truncate", "a.flxt", "--bytes", "50", "-o", out],
            &pack,
        ] {
            run(directory, args).fails(2, &[out, "flxt"]);
        }
    }
    for out in ["x", "x.bin", "x.FLXT"] {
        run(directory, ["encode", arg(&photo), "-o", out]).ok();
        assert!(flextok_tests::read(directory, out) == bytes);
    }
}

fn encode_again(directory: &Path) -> Vec<u8> {
    std::fs::remove_file(directory.join("a.flxt")).expect("it is there");
    encode(directory, "chelsea.png")
}
