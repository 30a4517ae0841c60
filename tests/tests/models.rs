//! Model files made to do harm, as the program meets them: refused by exit code 4, one line, and the name of what is wrong.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use flextok_tests::{arg, data, listing, photo, run, tiny, workplace};
use serde_json::{Value, json};

/// The small checkpoint's header and data.
fn parts() -> (Value, Vec<u8>) {
    let bytes = fs::read(tiny()).expect("the checkpoint");
    let (length, rest) = bytes.split_first_chunk::<8>().expect("a length");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header = serde_json::from_slice(header).expect("a header");
    (header, data.to_vec())
}

fn save(path: &Path, header: &Value, data: &[u8]) {
    let header = header.to_string();
    let mut file = File::create(path).expect("writable");
    let length = (header.len() as u64).to_le_bytes();
    for part in [&length[..], header.as_bytes(), data] {
        file.write_all(part).expect("written");
    }
}

/// The tensor that stands last in the data.
fn last(header: &Value) -> String {
    let tensors = header.as_object().expect("an object").iter();
    let ends = tensors.filter(|(name, _)| *name != "__metadata__");
    let last = ends.max_by_key(|(_, entry)| entry["data_offsets"][1].as_u64());
    last.expect("a tensor").0.clone()
}

#[test]
fn harmful_headers_are_refused() {
    let place = workplace();
    let directory = place.path();
    let path = directory.join("model.safetensors");
    let photo = photo("chelsea.png");
    let refused = |mention: &str| {
        for options in [
            &["--model", arg(&path)][..],
            &["--model", arg(&path), "--no-mmap"],
        ] {
            let encode = ["encode", arg(&photo), "-o", "x.flxt"];
            for args in [&["model"][..], &encode] {
                run(directory, args.iter().chain(options))
                    .fails(4, &["model.safetensors", mention]);
            }
        }
        assert_eq!(listing(directory), ["model.safetensors"]);
    };
    let (header, data) = parts();
    let name = last(&header);
    let [start, end] = [0, 1].map(|at| header[&name]["data_offsets"][at].as_u64().expect("one"));
    for change in [
        json!({"data_offsets": [start - 4, end - 4]}),
        json!({"data_offsets": [start + 4, end + 4]}),
        json!({"data_offsets": [start, 1_u64 << 50]}),
        json!({"data_offsets": [u64::MAX - 7, u64::MAX - 3]}),
        json!({"data_offsets": [-4, 0]}),
        json!({"shape": [1_u64 << 32, 1_u64 << 32, 16]}),
        json!({"shape": vec![1; 100_000]}),
        json!({"dtype": "Q7"}),
    ] {
        let mut changed = header.clone();
        for (key, value) in change.as_object().expect("an object") {
            changed[&name][key] = value.clone();
        }
        save(&path, &changed, &data);
        refused(&name);
    }
    for key in ["vae", "encoder", "decoder", "regularizer", "pipeline"] {
        for text in [
            "[".repeat(100_000),
            "{'a':".repeat(100_000),
            "__import__('os').system('exit')".to_owned(),
            "x".repeat(2 << 20),
        ] {
            let mut changed = header.clone();
            changed["__metadata__"][key] = text.into();
            save(&path, &changed, &data);
            refused(key);
        }
    }
    let many: Value = (0..100_000)
        .map(|i| {
            let entry = json!({"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]});
            (format!("t{i}"), entry)
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    save(&path, &many, &vec![0; 400_000]);
    refused("at most 16384 are allowed");
    for length in [1_u64 << 63, u64::MAX, 1 << 30] {
        let mut file = File::create(&path).expect("writable");
        file.write_all(&length.to_le_bytes()).expect("written");
        file.write_all(br#"{"__metadata__":{"config":""#)
            .expect("written");
        // Holes: nothing of this is on the disk.
        file.set_len((1 << 30) + 100).expect("a sparse file");
        refused(&length.to_string());
    }
}

#[test]
fn tensors_of_the_wrong_kind_are_refused_where_they_are_used() {
    let place = workplace();
    let directory = place.path();
    let path = directory.join("model.safetensors");
    let photo = photo("chelsea.png");
    let (header, data) = parts();
    let tensors = header.as_object().expect("an object");
    let options = ["--model", arg(&path), "--force"];
    let encode = ["encode", arg(&photo), "-o", "a.flxt"];
    let decode = ["decode", "a.flxt", "-o", "a.png"];
    for side in ["encoder.", "decoder."] {
        let found = tensors.iter().find(|(name, _)| name.starts_with(side));
        let (name, entry) = found.expect("a tensor");
        let start = entry["data_offsets"][0].as_u64().expect("one") as usize;
        let mut files = Vec::new();
        for bad in [f32::NAN, f32::INFINITY] {
            let mut changed = data.clone();
            changed[start..start + 4].copy_from_slice(&bad.to_le_bytes());
            save(&path, &header, &changed);
            run(directory, ["model", "--model", arg(&path)]).fails(4, &[name, "element 0"]);
            files.push((header.clone(), changed));
        }
        let mut other_type = header.clone();
        other_type[name]["dtype"] = "I32".into();
        let mut other_name = header.clone();
        let moved = other_name[name].take();
        let entries = other_name.as_object_mut().expect("an object");
        entries.remove(name);
        entries.insert("renamed".to_owned(), moved);
        files.extend([(other_type, data.clone()), (other_name, data.clone())]);
        for (header, data) in files {
            save(&path, &header, &data);
            if side == "encoder." {
                run(directory, encode.iter().chain(&options)).fails(4, &[name]);
            } else {
                // What encoding does not use, it does not look at.
                run(directory, encode.iter().chain(&options)).ok();
                run(directory, decode.iter().chain(&options)).fails(4, &[name]);
            }
        }
    }
    assert_eq!(listing(directory), ["a.flxt", "model.safetensors"]);
}

#[test]
fn a_network_that_measures_is_not_one_that_decodes() {
    let place = workplace();
    let photo = photo("chelsea.png");
    let model = data("../models/builtin.safetensors");
    let compare = ["compare", arg(&photo), arg(&photo), "--lpips"];
    for (weights, mentions) in [
        (arg(&model), ["builtin.safetensors", "features.0.weight"]),
        ("none.safetensors", ["none.safetensors", "No such file"]),
    ] {
        run(place.path(), compare.into_iter().chain([weights])).fails(4, &mentions);
    }
}
