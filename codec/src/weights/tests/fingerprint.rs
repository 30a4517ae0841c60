//! The fingerprint against its definition.

use safetensors::Dtype;

use super::{View, large, open};

/// CRC32 bit by bit, as defined by its polynomial.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[test]
fn the_fingerprint_is_what_its_definition_says() {
    let (bytes, mut views) = large();
    views.sort_by_key(|(name, _)| name.as_bytes());
    let mut input = Vec::new();
    for (name, View(dtype, shape, data)) in &views {
        let dtype = match dtype {
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            _ => "BF16",
        };
        input.extend(format!("{name}\0{dtype}\0").bytes());
        input.push(shape.len() as u8);
        input.extend(shape.iter().flat_map(|dim| (*dim as u64).to_le_bytes()));
        if data.len() <= 1_048_576 {
            input.extend(data);
            continue;
        }
        for chunk in 0..16 {
            let start = chunk * (data.len() - 4096) / 15;
            input.extend(&data[start..start + 4096]);
        }
    }
    let weights = open(bytes.clone()).unwrap();
    assert_eq!(weights.fingerprint(), crc32(&input).to_le_bytes());
    assert_eq!(weights.fingerprint(), open(bytes).unwrap().fingerprint());
}

#[test]
fn the_fingerprint_sees_the_ends_of_large_tensors_and_every_byte_of_small_ones() {
    let (bytes, _) = large();
    let original = open(bytes.clone()).unwrap();
    let ranges = ["vae.whole", "decoder.large", "decoder.just", "encoder.é"]
        .map(|name| original.tensors.header.tensors[name].range.clone());
    for range in ranges {
        for at in [range.start, range.end - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_ne!(
                open(changed).unwrap().fingerprint(),
                original.fingerprint(),
                "byte {at}"
            );
        }
    }
}
