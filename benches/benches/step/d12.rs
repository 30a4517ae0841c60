//! A decoder of d12 size with random weights: the small test checkpoint's config and tensors with larger dimensions.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize_to_file};

const DEPTH: usize = 12;
const WIDTH: usize = 768;
/// The gated MLP's hidden size for an `mlp_ratio` of 4.
const HIDDEN: usize = WIDTH * 8 / 3;
/// Width, depth and hidden size of the small checkpoint.
const SMALL: (usize, usize, usize) = (128, 3, 341);

/// The larger size of one dimension of the tensor `name`.
fn grown(name: &str, axis: usize, size: usize) -> usize {
    let (width, _, hidden) = SMALL;
    let modulation = axis == 0 && name.contains("adaLN_modulation");
    match size {
        size if modulation => size / width * WIDTH,
        size if size == hidden => HIDDEN,
        size if size == width => WIDTH,
        size => size,
    }
}

/// Writes the decoder's tensors as f32, and the whole config, in the published layout.
pub(crate) fn write_decoder(path: &Path) {
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/tiny/model.safetensors");
    let bytes = std::fs::read(small).expect("the small checkpoint");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let mut metadata = header.metadata().clone().expect("a config");
    for value in metadata.values_mut() {
        *value = value
            .replace("'dim': 128", &format!("'dim': {WIDTH}"))
            .replace("'depth': 3", &format!("'depth': {DEPTH}"));
    }
    let mut shapes = Vec::new();
    for (name, tensor) in SafeTensors::deserialize(&bytes).expect("tensors").iter() {
        if !name.starts_with("decoder.") {
            continue;
        }
        let shape = tensor.shape().iter().enumerate();
        let shape: Vec<usize> = shape.map(|(axis, &size)| grown(name, axis, size)).collect();
        match name.split_once(".blocks.0.") {
            Some((before, after)) => shapes.extend(
                (0..DEPTH).map(|block| (format!("{before}.blocks.{block}.{after}"), shape.clone())),
            ),
            None if name.contains(".blocks.") => {}
            None => shapes.push((name.to_owned(), shape)),
        }
    }
    // All tensors are the beginning of the same random numbers: their values do not change how long anything takes.
    let bytes_of = |shape: &[usize]| shape.iter().product::<usize>() * 4;
    let longest = shapes
        .iter()
        .map(|(_, shape)| bytes_of(shape))
        .max()
        .unwrap_or(0);
    let numbers: Vec<u8> = flextok::standard_normal(12, 0, longest / 4)
        .iter()
        .flat_map(|value| (value * 0.02).to_le_bytes())
        .collect();
    let tensors = shapes.iter().map(|(name, shape)| {
        let data = &numbers[..bytes_of(shape)];
        let view = TensorView::new(Dtype::F32, shape.clone(), data).expect("a shape that fits");
        (name.as_str(), view)
    });
    serialize_to_file(tensors, Some(metadata), path).expect("space for the decoder");
}
