//! Tests of the weights loader: views, summaries and where the config comes from.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod fingerprint;
mod header;
mod hostile;

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

const EMBEDDED: &str = include_str!("../../../tests/data/config/embedded.json");
const PUBLISHED: &str = include_str!("../../../tests/data/config/published_metadata.json");

/// A safetensors file of a header text and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        data,
    ]
    .concat()
}

/// A file with the embedded model's config and the given entries.
fn with_config(entries: &str, data: &[u8]) -> Vec<u8> {
    let config = serde_json::to_string(EMBEDDED).unwrap();
    file(
        &format!(r#"{{"__metadata__":{{"format":"flextok","config":{config}}}{entries}}}"#),
        data,
    )
}

fn open(bytes: Vec<u8>) -> Result<Weights, WeightsError> {
    Weights::from_storage(Storage::from_vec(bytes), None, &HeaderLimits::default())
}

#[test]
fn gives_views_of_tensors() {
    let entries = concat!(
        r#","a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}"#,
        r#","c":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]}"#,
        r#","b":{"dtype":"F16","shape":[1,1],"data_offsets":[12,14]}"#,
        r#","scalar":{"dtype":"F16","shape":[],"data_offsets":[14,16]}"#,
        r#","none":{"dtype":"F32","shape":[0,3],"data_offsets":[16,16]}"#,
        r#","other":{"dtype":"I64","shape":[1],"data_offsets":[16,24]}"#
    );
    let mut data = Vec::new();
    data.extend([1.5_f32, -2.0].iter().flat_map(|value| value.to_le_bytes()));
    data.extend(
        [0x3f80_u16, 0xc000, 0x3c00, 0x4000]
            .iter()
            .flat_map(|value| value.to_le_bytes()),
    );
    data.extend([0; 8]);
    let weights = open(with_config(entries, &data)).unwrap();
    assert_eq!(
        weights.tensor("a", &[2, 1]).unwrap().to_f32().unwrap(),
        [1.5, -2.0]
    );
    assert_eq!(
        weights.tensor("c", &[2]).unwrap().to_f32().unwrap(),
        [1.0, -2.0]
    );
    assert_eq!(
        weights.tensor("b", &[1, 1]).unwrap().to_f32().unwrap(),
        [1.0]
    );
    assert_eq!(
        weights.tensor("scalar", &[]).unwrap().to_f32().unwrap(),
        [2.0]
    );
    assert!(weights.tensor("none", &[0, 3]).unwrap().is_empty());
    assert_eq!(
        weights.names().collect::<Vec<_>>(),
        ["a", "b", "c", "none", "other", "scalar"]
    );
    assert_eq!(weights.try_shape("a"), Some([2, 1].as_slice()));
    assert!(weights.contains("b") && !weights.contains("d") && weights.try_shape("d").is_none());

    let message =
        |name: &str, shape: &[usize]| weights.tensor(name, shape).unwrap_err().to_string();
    assert_eq!(
        message("d", &[3, 4]),
        r#"tensor "d" of shape [3, 4] is missing"#
    );
    let shape = r#"tensor "a" has shape [2, 1]; the config requires [1, 2]"#;
    assert_eq!(message("a", &[1, 2]), shape);
    let kind = r#"tensor "other" has element type I64; allowed: F32, F16, BF16"#;
    assert_eq!(message("other", &[1]), kind);
}

#[test]
fn counts_parameters_and_element_types() {
    let entries = concat!(
        r#","vae.x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#,
        r#","encoder.y":{"dtype":"F16","shape":[3],"data_offsets":[8,14]}"#,
        r#","decoder.z":{"dtype":"F16","shape":[1],"data_offsets":[14,16]}"#,
        r#","vaegue":{"dtype":"U8","shape":[4],"data_offsets":[16,20]}"#
    );
    let weights = open(with_config(entries, &[0; 20])).unwrap();
    let counts = weights.parameters();
    assert_eq!(
        (counts.vae, counts.encoder, counts.decoder, counts.other),
        (2, 3, 1, 4)
    );
    assert_eq!(counts.total(), 10);
    let types: Vec<_> = weights
        .stored_types()
        .into_iter()
        .map(|stored| (stored.dtype, stored.tensors, stored.values))
        .collect();
    let expected = [("F16", 2, 4), ("F32", 1, 2), ("U8", 1, 4)];
    assert_eq!(
        types,
        expected.map(|(name, tensors, values)| (name.to_owned(), tensors, values))
    );
}

#[test]
fn refuses_every_cut_of_a_file() {
    let entries = r#","a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    let whole = with_config(entries, &[0; 8]);
    assert!(open(whole.clone()).is_ok());
    for length in 0..whole.len() {
        assert!(open(whole[..length].to_vec()).is_err(), "{length} bytes");
    }
}

struct View(safetensors::Dtype, Vec<usize>, Vec<u8>);

impl safetensors::View for View {
    fn dtype(&self) -> safetensors::Dtype {
        self.0
    }
    fn shape(&self) -> &[usize] {
        &self.1
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.2)
    }
    fn data_len(&self) -> usize {
        self.2.len()
    }
}

/// A file that the safetensors crate writes, with tensors of all sizes that the fingerprint treats differently.
fn large() -> (Vec<u8>, Vec<(&'static str, View)>) {
    let bytes = |size: usize, seed: u32| -> Vec<u8> {
        (0..size as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) ^ seed).to_le_bytes()[3])
            .collect()
    };
    let views = || {
        vec![
            (
                "vae.whole",
                View(Dtype::F32, vec![512, 512], bytes(1 << 20, 1)),
            ),
            (
                "decoder.large",
                View(Dtype::F16, vec![1 << 19, 3], bytes(3 << 20, 2)),
            ),
            (
                "decoder.just",
                View(Dtype::BF16, vec![(1 << 19) + 1], bytes((1 << 20) + 2, 3)),
            ),
            ("encoder.é", View(Dtype::F32, vec![], bytes(4, 4))),
            ("encoder.empty", View(Dtype::F32, vec![0, 2], vec![])),
        ]
    };
    let metadata = serde_json::from_str(PUBLISHED).unwrap();
    (
        safetensors::serialize(views(), Some(metadata)).unwrap(),
        views(),
    )
}

#[test]
fn agrees_with_the_safetensors_crate() {
    let (bytes, _) = large();
    let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let ours = super::header::read(&bytes, &HeaderLimits::default()).unwrap();
    assert_eq!(ours.tensors.len(), theirs.len());
    for (name, view) in theirs.iter() {
        let entry = &ours.tensors[name];
        assert_eq!(
            (entry.dtype, entry.shape.as_slice()),
            (view.dtype(), view.shape())
        );
        assert_eq!(&bytes[entry.range.clone()], view.data());
    }
}

#[test]
fn finds_weights_that_are_not_finite() {
    let mut values = vec![f32::MAX; 10_000];
    let check =
        |values: &[f32]| check_finite("w", &Weight::from_f32(values, &[values.len()]).unwrap());
    assert!(check(&values).is_ok() && check(&[]).is_ok());
    for (index, bad) in [
        (0, f32::NAN),
        (4095, f32::INFINITY),
        (9999, f32::NEG_INFINITY),
    ] {
        values[index] = bad;
        let error = check(&values).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("tensor \"w\" is NaN or infinite at element {index}")
        );
        values[index] = -0.0;
    }
    for (dtype, finite, bad) in [
        (DType::F16, 0x7bff_u16, 0xfc01_u16),
        (DType::BF16, 0xff7f, 0x7f80),
    ] {
        for (last, fine) in [(finite, true), (bad, false)] {
            let bytes: Vec<u8> = [finite, last]
                .iter()
                .flat_map(|raw| raw.to_le_bytes())
                .collect();
            let weight = Weight::new(Storage::from_vec(bytes), 0..4, dtype, vec![2]).unwrap();
            assert_eq!(
                check_finite("w", &weight).is_ok(),
                fine,
                "{dtype:?} {last:#x}"
            );
        }
    }
}

#[test]
fn all_values_of_a_file_can_be_checked_beforehand() {
    // More than one window of f16, in front of tensors of other types.
    let count = (9 << 20) / 2;
    let end = 8 + 2 * count;
    let entries = format!(
        concat!(
            r#","a":{{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#,
            r#","b":{{"dtype":"F16","shape":[{count}],"data_offsets":[8,{end}]}}"#,
            r#","c":{{"dtype":"F32","shape":[1],"data_offsets":[{end},{last}]}}"#
        ),
        count = count,
        end = end,
        last = end + 4
    );
    let check = |data: &[u8]| {
        let weights = open(with_config(&entries, data)).unwrap();
        weights.check_values().map_err(|error| error.to_string())
    };
    // No NaN is found in an integer.
    let mut body = vec![0xff; 8];
    body.resize(end + 4, 0x3c);
    assert_eq!(check(&body), Ok(()));
    let mut late = body.clone();
    let index = (8 << 20) / 2 + 77;
    late[8 + 2 * index..][..2].copy_from_slice(&0xfc00_u16.to_le_bytes());
    let error = check(&late).unwrap_err();
    assert_eq!(
        error,
        format!("tensor \"b\" is NaN or infinite at element {index}")
    );
    body[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = check(&body).unwrap_err();
    assert_eq!(error, "tensor \"c\" is NaN or infinite at element 0");
}

/// A directory that is removed again.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("flextok-weights-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn opens_files_and_directories_mapped_or_read() {
    let scratch = Scratch::new("open");
    let path = scratch.write("model.safetensors", &large().0);
    let read = OpenOptions {
        mmap: false,
        ..OpenOptions::default()
    };
    let expected = open(large().0).unwrap();
    for place in [&path, &scratch.0] {
        for options in [OpenOptions::default(), read.clone()] {
            let weights = Weights::open(place, &options).unwrap();
            assert_eq!(weights.is_mapped(), options.mmap);
            assert_eq!(weights.config(), expected.config());
            assert_eq!(weights.fingerprint(), expected.fingerprint());
            assert_eq!(
                weights.total_bytes() as u64,
                std::fs::metadata(&path).unwrap().len()
            );
        }
    }
    let small = OpenOptions {
        mmap: false,
        max_read_bytes: 1000,
        ..OpenOptions::default()
    };
    let error = Weights::open(&path, &small).unwrap_err().to_string();
    assert!(
        error.contains("model.safetensors") && error.contains("1000"),
        "{error}"
    );
    let missing = Weights::open(scratch.0.join("no"), &OpenOptions::default()).unwrap_err();
    assert!(matches!(missing, WeightsError::Storage { .. }), "{missing}");
}

#[test]
fn takes_the_config_beside_weights_without_one() {
    let scratch = Scratch::new("beside");
    scratch.write(
        "model.safetensors",
        &file(r#"{"__metadata__":{"format":"pt"}}"#, &[]),
    );
    let options = OpenOptions::default();
    let error = Weights::open(&scratch.0, &options).unwrap_err();
    assert!(
        matches!(error, WeightsError::Config(ConfigError::Absent { .. })),
        "{error}"
    );

    scratch.write("config.json", EMBEDDED.as_bytes());
    let weights = Weights::open(&scratch.0, &options).unwrap();
    assert_eq!(weights.network().unwrap().name.as_deref(), Some("nano"));

    scratch.write("config.json", &[b' '; (1 << 20) + 1]);
    let error = Weights::open(&scratch.0, &options).unwrap_err().to_string();
    assert!(
        error.contains("config.json") && error.contains("1048576"),
        "{error}"
    );

    // The config that travels with the weights comes first.
    scratch.write("config.json", b"{}");
    scratch.write("model.safetensors", &with_config("", &[]));
    assert!(Weights::open(&scratch.0, &options).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_change_of_a_file_is_read_or_refused(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let entries = concat!(
            r#","a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#,
            r#","b":{"dtype":"F16","shape":[2,2],"data_offsets":[8,16]}"#
        );
        let mut bytes = with_config(entries, &[0; 16]);
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(weights) = open(bytes) {
            for name in weights.names() {
                let shape = weights.try_shape(name).unwrap();
                if let Ok(weight) = weights.tensor(name, shape) {
                    prop_assert_eq!(weight.len(), shape.iter().product::<usize>());
                    prop_assert_eq!(weight.to_f32().unwrap().len(), weight.len());
                }
            }
            weights.fingerprint();
        }
    }
}
