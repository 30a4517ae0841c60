//! Files without a wrong bit that cannot be used all the same: by whom they are refused, and with which exit code.

use flextok::container::{Fingerprint, Header, Metadata, TokenFile};
use flextok_tests::{arg, encode, listing, photo, run, vector, workplace, write};

/// A file of `tokens` ids for the embedded model, with a header that `change` makes of an ordinary one.
fn file(model: Fingerprint, tokens: u16, change: impl FnOnce(Header) -> Header) -> Vec<u8> {
    let header = Header::new(model, 300, 200, tokens, 64_000).expect("in range");
    let header = change(header);
    let ids = vec![5; header.total_tokens() as usize];
    let file = TokenFile::new(header, ids, Metadata::default()).expect("a valid file");
    file.to_bytes().expect("it is complete")
}

fn embedded() -> Fingerprint {
    flextok::Codec::embedded()
        .expect("the embedded model")
        .fingerprint()
}

#[test]
fn headers_that_no_writer_makes_are_corrupt() {
    let place = workplace();
    let directory = place.path();
    for (name, field) in [
        ("codebook-1", "codebook size is 1"),
        ("large-zero", "large dimensions byte is 0"),
        ("grid-1x1", "grid flag is 1"),
    ] {
        write(directory, "bad.flxt", vector(name));
        let mentions = ["bad.flxt: malformed header: ", field];
        for command in ["verify", "info", "tokens", "decode", "preview"] {
            run(directory, [command, "bad.flxt"]).fails(3, &mentions);
        }
        let cut = ["truncate", "bad.flxt", "-o", "x.flxt", "-k", "1"];
        run(directory, cut).fails(3, &mentions);
        assert_eq!(listing(directory), ["bad.flxt"]);
    }
}

#[test]
fn files_of_newer_versions_ask_for_one() {
    let place = workplace();
    let directory = place.path();
    for name in ["major-2", "flag-4", "critical"] {
        write(directory, "new.flxt", vector(name));
        for command in ["verify", "info", "decode"] {
            run(directory, [command, "new.flxt"]).fails(3, &["new.flxt: ", "use a newer one"]);
        }
    }
    let grid = file(embedded(), 2, |header| {
        header.with_grid(3, 2).expect("in range")
    });
    write(directory, "grid.flxt", grid);
    run(directory, ["verify", "grid.flxt"]).ok();
    run(directory, ["decode", "grid.flxt"]).fails(3, &["grid.flxt", "3×2", "use a newer one"]);
}

#[test]
fn a_canvas_beyond_the_model_is_named() {
    let place = workplace();
    let directory = place.path();
    for canvas in [(9, 8), (8, 9), (256, 256)] {
        let large = file(embedded(), 2, |header| {
            header.with_canvas(Some(canvas)).expect("in range")
        });
        write(directory, "large.flxt", large);
        run(directory, ["verify", "large.flxt"]).ok();
        let size = format!("{}x{}", 32 * canvas.0, 32 * canvas.1);
        let mentions = ["large.flxt", &size, "multiples of 32 up to 256x256"];
        run(directory, ["decode", "large.flxt"]).fails(4, &mentions);
        assert_eq!(listing(directory), ["large.flxt"]);
    }
    let photo = photo("chelsea.png");
    let args = ["encode", arg(&photo), "-o", "x.flxt", "--canvas", "300x300"];
    let message = "canvas 300x300 is not supported; allowed: multiples of 32 up to 256x256\n";
    run(directory, args).fails(2, &[message]);
}

#[test]
fn pictures_too_large_for_their_format_are_refused_before_any_work() {
    let place = workplace();
    let directory = place.path();
    let wide = |width| {
        let header = Header::new(embedded(), width, 2, 1, 64_000).expect("in range");
        let file = TokenFile::new(header, vec![5], Metadata::default()).expect("a valid file");
        file.to_bytes().expect("it is complete")
    };
    for (out, most) in [("x.webp", 16_384), ("x.jpg", 65_535), ("x.tga", 65_535)] {
        write(directory, "wide.flxt", wide(most + 1));
        // The model is not even looked for.
        let args = ["decode", "wide.flxt", "-o", out];
        let missing = ["--model", "missing.safetensors"];
        let mentions = [out, &(most + 1).to_string(), &most.to_string(), "png"];
        run(directory, args.into_iter().chain(missing)).fails(2, &mentions);
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
    let bytes = encode(directory, "chelsea.png");
    run(directory, ["tokens", "a.flxt", "-o", "ids.npy"]).ok();
    let photo = photo("chelsea.png");
    for out in ["x.png", "x.JPG", "x.avif", "x.npy"] {
        let pack = [
            "pack", "ids.npy", "--width", "9", "--height", "9", "-o", out,
        ];
        for args in [
            &["encode", arg(&photo), "-o", out][..],
            &["truncate", "a.flxt", "-k", "1", "-o", out],
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
