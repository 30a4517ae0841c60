//! Encoding never touches the decoder's tensors, nor decoding the encoder's: checkpoints with half of their tensors
//! missing, or full of NaN, do the other half of the work as the whole one does.

mod common;

use std::path::Path;

use common::{picture, tiny_path};
use flextok::{Codec, DecodeOptions, EncodeOptions, Error, ErrorKind, NetworkError};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// Tensors that only encoding uses, by prefix.
const ENCODER: [&str; 3] = ["encoder.", "vae.vae.encoder.", "vae.vae.quant_conv."];
/// Tensors that only decoding uses, by prefix.
const DECODER: [&str; 3] = ["decoder.", "vae.vae.decoder.", "vae.vae.post_quant_conv."];

/// What becomes of a half's tensors.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Damage {
    Missing,
    NotANumber,
}

fn belongs(name: &str, half: [&str; 3]) -> bool {
    half.iter().any(|prefix| name.starts_with(prefix))
}

/// Writes the small checkpoint with one half damaged.
fn write(path: &Path, half: [&str; 3], damage: Damage) {
    let bytes = std::fs::read(tiny_path()).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let whole = SafeTensors::deserialize(&bytes).unwrap();
    let nan: Vec<u8> = f32::NAN.to_le_bytes().repeat(4 << 20);
    let mut damaged = 0;
    let mut tensors = Vec::new();
    for (name, tensor) in whole.tensors() {
        if belongs(&name, half) {
            damaged += 1;
            if damage == Damage::Missing {
                continue;
            }
            assert_eq!(tensor.dtype(), Dtype::F32);
            let data = &nan[..tensor.data().len()];
            let view = TensorView::new(Dtype::F32, tensor.shape().to_vec(), data).unwrap();
            tensors.push((name, view));
        } else {
            tensors.push((name, tensor));
        }
    }
    assert!(
        damaged > 20 && tensors.len() > 20,
        "{damaged} damaged, {} left",
        tensors.len()
    );
    let metadata = header.metadata().clone();
    safetensors::serialize_to_file(tensors, metadata, path).unwrap();
}

#[test]
fn every_tensor_belongs_to_one_half() {
    let bytes = std::fs::read(tiny_path()).unwrap();
    for name in SafeTensors::deserialize(&bytes).unwrap().names() {
        assert!(belongs(name, ENCODER) != belongs(name, DECODER), "{name}");
    }
}

#[test]
fn encoding_works_without_the_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Codec::builder().with_threads(2).open(tiny_path()).unwrap();
    let picture = picture(200, 300);
    let options = EncodeOptions::default();
    let expected = whole.tokenize(&picture, &options).unwrap();
    for damage in [Damage::Missing, Damage::NotANumber] {
        let path = folder.path().join(format!("{damage:?}.safetensors"));
        write(&path, DECODER, damage);
        let codec = Codec::builder().with_threads(2).open(&path).unwrap();
        assert_eq!(
            codec.tokenize(&picture, &options).unwrap(),
            expected,
            "{damage:?}"
        );
        let decoded = codec.detokenize(&expected, &DecodeOptions::default().with_steps(1));
        if damage == Damage::Missing {
            let error = decoded.unwrap_err();
            let missing = matches!(error, Error::Network(NetworkError::MissingLayer { .. }));
            assert!(missing, "{error}");
            // A failure to prepare one half leaves the other usable.
            assert_eq!(codec.tokenize(&picture, &options).unwrap(), expected);
        }
    }
}

#[test]
fn decoding_works_without_the_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Codec::builder().with_threads(2).open(tiny_path()).unwrap();
    let ids: Vec<u16> = (0..30).map(|index| index * 2011).collect();
    let options = DecodeOptions::default()
        .with_steps(2)
        .with_guidance(2.0, true);
    let expected = whole.detokenize(&ids, &options).unwrap();
    for damage in [Damage::Missing, Damage::NotANumber] {
        let path = folder.path().join(format!("{damage:?}.safetensors"));
        write(&path, ENCODER, damage);
        let codec = Codec::builder().with_threads(2).open(&path).unwrap();
        assert!(
            codec.detokenize(&ids, &options).unwrap() == expected,
            "{damage:?}"
        );
        let encoded = codec.tokenize(&picture(64, 64), &EncodeOptions::default());
        if damage == Damage::Missing {
            let error = encoded.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Model, "{error}");
            assert!(codec.detokenize(&ids, &options).unwrap() == expected);
        }
    }
}

#[test]
fn tensors_without_a_place_are_refused() {
    let bytes = std::fs::read(tiny_path()).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let whole = SafeTensors::deserialize(&bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let extra = [0u8; 4 * 128];
    for name in [
        "blocks.2.attn.wq.weight",
        "blocks.0.attn.wq.bias",
        "blocks.0.attn.wo.weight",
    ] {
        let mut tensors = whole.tensors();
        let name = format!("encoder.module_dict.enc_transformer.{name}");
        let view = TensorView::new(Dtype::F32, vec![128], &extra).unwrap();
        tensors.push((name.clone(), view));
        let path = folder.path().join("model.safetensors");
        safetensors::serialize_to_file(tensors, header.metadata().clone(), &path).unwrap();
        let codec = Codec::open(&path).unwrap();
        let error = codec
            .tokenize(&picture(64, 64), &EncodeOptions::default())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Model);
        assert!(error.to_string().contains(&name), "{error}");
    }
}
