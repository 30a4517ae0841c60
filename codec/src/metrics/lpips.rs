//! LPIPS 0.1 with AlexNet: the distance of two pictures in the features of a network that learned to see.
//!
//! Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric (2018).
//! The weights are not part of this library. A safetensors file holds `features.N.weight` `[out, in, k, k]` and
//! `features.N.bias` `[out]` for N = 0, 3, 6, 8, 10 as `torchvision` names them, and `lin0` to `lin4` `[out]`, in f32,
//! f16 or bf16.

use std::path::Path;

use flextok_compute::backend::Epilogue;
use flextok_compute::cpu::{CpuEngine, PackedLayer};
use flextok_compute::{Backend, ComputeError, Storage, Threads, Weight};
use image::RgbImage;

use super::{CompareError, check_memory, checked};
use crate::Error;
use crate::weights::{HeaderLimits, Tensors, WeightsError};

/// A convolution of the network, after which a ReLU follows: its number among the features, its shape, and whether a
/// maximum over 3×3 at every second position goes before it.
struct Layer {
    name: &'static str,
    outputs: usize,
    inputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    pooled: bool,
}

const fn layer(
    name: &'static str,
    [outputs, inputs, kernel]: [usize; 3],
    [stride, padding]: [usize; 2],
    pooled: bool,
) -> Layer {
    Layer {
        name,
        outputs,
        inputs,
        kernel,
        stride,
        padding,
        pooled,
    }
}

const LAYERS: [Layer; 5] = [
    layer("features.0", [64, 3, 11], [4, 2], false),
    layer("features.3", [192, 64, 5], [1, 2], true),
    layer("features.6", [384, 192, 3], [1, 1], true),
    layer("features.8", [256, 384, 3], [1, 1], false),
    layer("features.10", [256, 256, 3], [1, 1], false),
];

/// Samples in \[-1, 1\] are put to the mean and deviation of what the network learned from.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// The least side that leaves a position after both poolings.
const MIN_SIDE: u32 = 35;

/// The largest header of a file of weights; one of these tensors alone has about 1500 bytes. That of all of AlexNet fits.
const HEADER: HeaderLimits = HeaderLimits {
    header_bytes: 64 << 10,
    tensors: 256,
};

/// Memory for each pixel: the samples of both pictures, and the features of one layer and the next.
const BYTES: u64 = 80;

/// Output positions that are multiplied at once, which bounds the memory of their windows.
const ROWS: usize = 1024;

/// The network, ready to measure.
pub struct Lpips {
    engine: CpuEngine,
    layers: Vec<PackedLayer>,
    /// The weights of the differences, one a channel.
    linear: Vec<Vec<f32>>,
}

impl std::fmt::Debug for Lpips {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lpips")
            .field("threads", &self.engine.threads())
            .finish_non_exhaustive()
    }
}

/// Features `[height, width, channels]`.
struct Map {
    height: usize,
    width: usize,
    channels: usize,
    values: Vec<f32>,
}

impl Lpips {
    /// Reads the weights from a safetensors file.
    ///
    /// # Errors
    /// [`Error::Weights`] naming the file, or the tensor that is missing or has another shape; [`Error::Compute`] where
    /// memory ends.
    pub fn open(path: impl AsRef<Path>, threads: Threads) -> Result<Self, Error> {
        let tensors = Tensors::map(path.as_ref(), &HEADER)?;
        Self::new(&tensors, threads)
    }

    /// Reads the weights from the bytes of a safetensors file.
    ///
    /// # Errors
    /// As [`Lpips::open`].
    pub fn from_bytes(bytes: Vec<u8>, threads: Threads) -> Result<Self, Error> {
        let tensors = Tensors::of(Storage::from_vec(bytes), &HEADER)?;
        Self::new(&tensors, threads)
    }

    fn new(tensors: &Tensors, threads: Threads) -> Result<Self, Error> {
        let engine = CpuEngine::on(threads);
        let mut layers = Vec::new();
        let mut linear = Vec::new();
        for (index, layer) in LAYERS.iter().enumerate() {
            let (name, k) = (layer.name, layer.kernel);
            let shape = [layer.outputs, layer.inputs, k, k];
            let weight = tensors.get(&format!("{name}.weight"), &shape)?;
            let bias = tensors.get(&format!("{name}.bias"), &[layer.outputs])?;
            let rows = Weight::from_f32(
                &by_position(&weight.to_f32()?, layer),
                &[layer.outputs, layer.inputs * k * k],
            );
            let rows = rows.map_err(|source| WeightsError::View {
                tensor: name.to_owned(),
                source,
            })?;
            layers.push(engine.linear_weights(&[(&rows, Some(&bias))])?);
            let share = tensors.get(&format!("lin{index}"), &[layer.outputs])?;
            linear.push(share.to_f32()?);
        }
        Ok(Self {
            engine,
            layers,
            linear,
        })
    }

    /// The distance of two pictures of one size, 0 for equal ones; lower is closer.
    ///
    /// # Errors
    /// [`CompareError::SizesDiffer`], [`CompareError::Empty`], [`CompareError::TooSmall`] below 35 pixels a side,
    /// [`CompareError::OutOfMemory`], [`CompareError::NotFinite`] for weights whose sums no number holds,
    /// [`CompareError::Compute`] where memory ends.
    pub fn distance(&self, first: &RgbImage, second: &RgbImage) -> Result<f64, CompareError> {
        let (width, height) = checked(first, second)?;
        if width.min(height) < MIN_SIDE {
            return Err(CompareError::TooSmall {
                metric: "LPIPS",
                width,
                height,
                least: MIN_SIDE,
            });
        }
        check_memory(first, "LPIPS", BYTES)?;
        let distance = self
            .engine
            .run(|| self.measured(first, second))
            .map_err(|source| CompareError::Compute { source })?;
        if distance.is_finite() {
            Ok(distance)
        } else {
            Err(CompareError::NotFinite { metric: "LPIPS" })
        }
    }

    fn measured(&self, first: &RgbImage, second: &RgbImage) -> Result<f64, ComputeError> {
        let mut pair = [normalised(first), normalised(second)];
        let mut total = 0.0;
        for ((layer, weights), linear) in LAYERS.iter().zip(&self.layers).zip(&self.linear) {
            for map in &mut pair {
                if layer.pooled {
                    *map = pooled(map);
                }
                *map = self.convolved(map, layer, weights)?;
            }
            total += difference(&pair, linear);
        }
        Ok(total)
    }

    /// Convolution and ReLU.
    fn convolved(
        &self,
        map: &Map,
        layer: &Layer,
        weights: &PackedLayer,
    ) -> Result<Map, ComputeError> {
        let side = |side: usize| (side + 2 * layer.padding - layer.kernel) / layer.stride + 1;
        let (height, width) = (side(map.height), side(map.width));
        let columns = layer.inputs * layer.kernel * layer.kernel;
        let mut values = Vec::with_capacity(height * width * layer.outputs);
        let mut out = self.engine.zeros(&[ROWS, layer.outputs])?;
        let mut windows = Vec::with_capacity(ROWS * columns);
        for first in (0..height * width).step_by(ROWS) {
            let count = ROWS.min(height * width - first);
            windows.clear();
            for position in first..first + count {
                let (y, x) = (position / width, position % width);
                window(map, layer, [y, x], &mut windows);
            }
            let x = self.engine.upload(&windows, &[count, columns])?;
            self.engine.reshape(&mut out, &[count, layer.outputs])?;
            self.engine
                .linear(&x, 0..count, weights, Epilogue::Store, &mut out)?;
            let sums = self.engine.download(&out)?;
            values.extend(sums.into_iter().map(|sum| sum.max(0.0)));
        }
        Ok(Map {
            height,
            width,
            channels: layer.outputs,
            values,
        })
    }
}

/// Weights `[out, in, k, k]` with the inputs of a position side by side, as they lie in a map.
fn by_position(weight: &[f32], layer: &Layer) -> Vec<f32> {
    let area = layer.kernel * layer.kernel;
    let mut rows = Vec::with_capacity(weight.len());
    for output in weight.chunks_exact(layer.inputs * area) {
        for position in 0..area {
            rows.extend(output[position..].iter().step_by(area));
        }
    }
    rows
}

fn normalised(picture: &RgbImage) -> Map {
    let (pixels, _) = picture.as_raw().as_chunks::<3>();
    let values = pixels.iter().flat_map(|pixel| {
        [0, 1, 2].map(|c| (f32::from(pixel[c]) / 127.5 - 1.0 - SHIFT[c]) / SCALE[c])
    });
    Map {
        height: picture.height() as usize,
        width: picture.width() as usize,
        channels: 3,
        values: values.collect(),
    }
}

/// The inputs of one output position, zero outside of the map.
fn window(map: &Map, layer: &Layer, [y, x]: [usize; 2], out: &mut Vec<f32>) {
    for row in 0..layer.kernel {
        // Positions before the first are beyond the last: the difference wraps.
        let row = (y * layer.stride + row).wrapping_sub(layer.padding);
        for column in 0..layer.kernel {
            let column = (x * layer.stride + column).wrapping_sub(layer.padding);
            if row < map.height && column < map.width {
                let at = (row * map.width + column) * map.channels;
                out.extend_from_slice(&map.values[at..at + map.channels]);
            } else {
                out.resize(out.len() + map.channels, 0.0);
            }
        }
    }
}

/// The maximum over 3×3 at every second position, where it fits.
fn pooled(map: &Map) -> Map {
    let (height, width) = ((map.height - 3) / 2 + 1, (map.width - 3) / 2 + 1);
    let mut values = Vec::with_capacity(height * width * map.channels);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let start = values.len();
        for (row, column) in (0..9).map(|at| (2 * y + at / 3, 2 * x + at % 3)) {
            let at = (row * map.width + column) * map.channels;
            let from = &map.values[at..at + map.channels];
            if values.len() == start {
                values.extend_from_slice(from);
                continue;
            }
            for (most, value) in values[start..].iter_mut().zip(from) {
                *most = most.max(*value);
            }
        }
    }
    Map {
        height,
        width,
        channels: map.channels,
        values,
    }
}

/// The mean over positions of the weighted squared differences of features of length one.
fn difference([first, second]: &[Map; 2], linear: &[f32]) -> f64 {
    let length = |features: &[f32]| (features.iter().map(|v| v * v).sum::<f32>() + 1e-10).sqrt();
    let positions = first.values.chunks_exact(first.channels);
    let sum: f64 = positions
        .zip(second.values.chunks_exact(first.channels))
        .map(|(a, b)| {
            let (for_a, for_b) = (1.0 / length(a), 1.0 / length(b));
            let each = a.iter().zip(b).zip(linear);
            let sum: f32 = each
                .map(|((a, b), share)| share * (a * for_a - b * for_b).powi(2))
                .sum();
            f64::from(sum)
        })
        .sum();
    sum / (first.height * first.width) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::fixtures::photo;

    /// A file with weights that only a formula knows: sin(n) over the root of the number of inputs.
    fn file() -> Vec<u8> {
        let mut header = serde_json::Map::new();
        let mut data = Vec::new();
        let mut add = |name: String, shape: &[usize], scale: f64, positive: bool| {
            let start = data.len();
            for n in 0..shape.iter().product::<usize>() {
                let value = ((n % 9973) as f64 * 1.7).sin() * scale;
                let value = if positive { value.abs() } else { value } as f32;
                data.extend(value.to_le_bytes());
            }
            let range = [start, data.len()];
            let entry = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": range});
            header.insert(name, entry);
        };
        for (index, layer) in LAYERS.iter().enumerate() {
            let (k, name) = (layer.kernel, layer.name);
            let inputs = (layer.inputs * k * k) as f64;
            let shape = [layer.outputs, layer.inputs, k, k];
            add(format!("{name}.weight"), &shape, 2.0 / inputs.sqrt(), false);
            add(format!("{name}.bias"), &[layer.outputs], 0.1, false);
            add(format!("lin{index}"), &[layer.outputs], 0.3, true);
        }
        let header = serde_json::Value::Object(header).to_string();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(data);
        file
    }

    fn made_up() -> Lpips {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alex.safetensors");
        std::fs::write(&path, file()).unwrap();
        Lpips::open(&path, Threads::new(2).unwrap()).unwrap()
    }

    #[test]
    fn agrees_with_the_plain_computation() {
        let lpips = made_up();
        let first = crop(&photo("coffee.png"), 77, 61);
        let second = crop(&photo("chelsea.png"), 77, 61);
        let distance = lpips.distance(&first, &second).unwrap();
        // NumPy in f64, from the same weights rounded to f32.
        let expected = 0.501_865_850_5;
        assert!((distance - expected).abs() < 1e-5, "{distance}");
        assert_eq!(lpips.distance(&first, &first).unwrap(), 0.0);
    }

    fn crop(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
        image::imageops::crop_imm(picture, 100, 100, width, height).to_image()
    }

    /// The file with another header, the data being as they are.
    fn with_header(change: impl Fn(&str) -> String) -> Vec<u8> {
        let file = file();
        let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
        let header = change(std::str::from_utf8(&file[8..8 + length]).unwrap());
        let start = (header.len() as u64).to_le_bytes();
        [&start[..], header.as_bytes(), &file[8 + length..]].concat()
    }

    #[test]
    fn hostile_files_are_refused() {
        let good = file();
        let mut nan = good.clone();
        let end = nan.len();
        nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        let long = [&(65_537_u64).to_le_bytes()[..], &[b' '; 70_000]].concat();
        let many: String = (0..300)
            .map(|n| format!(r#""x{n}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}},"#))
            .collect();
        for (bytes, part) in [
            (Vec::new(), "0 bytes"),
            (good[..7].to_vec(), "7 bytes"),
            (good[..good.len() - 1].to_vec(), "bytes of data"),
            ([&good[..], &[0]].concat(), "bytes of data"),
            (vec![255; 64], "at most 65536 are allowed"),
            (long, "at most 65536 are allowed"),
            (
                with_header(|h| h.replacen('{', &format!("{{{many}"), 1)),
                "at most 256",
            ),
            (nan, "\"lin4\" is NaN or infinite at element 255"),
            (
                with_header(|h| h.replace("lin2", "lin9")),
                "\"lin2\" of shape [384] is missing",
            ),
            (
                with_header(|h| h.replace("[64,3,11,11]", "[64,11,3,11]")),
                "[64, 11, 3, 11]",
            ),
            (
                with_header(|h| h.replace("F32", "I32")),
                "allowed: F32, F16, BF16",
            ),
            (
                with_header(|h| h.replace("[64,3,11,11]", "[9223372036854775807,9]")),
                "another number",
            ),
        ] {
            let refused = Lpips::from_bytes(bytes, Threads::new(1).unwrap()).unwrap_err();
            let refused = refused.to_string();
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn weights_beyond_all_sums_are_an_error_of_the_measurement() {
        let mut bytes = file();
        let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        for value in bytes[8 + length..].as_chunks_mut::<4>().0 {
            *value = 1e30_f32.to_le_bytes();
        }
        let huge = Lpips::from_bytes(bytes, Threads::new(1).unwrap()).unwrap();
        let (black, white) = (RgbImage::new(35, 35), crop(&photo("coffee.png"), 35, 35));
        let refused = huge.distance(&black, &white).unwrap_err();
        assert!(
            matches!(refused, CompareError::NotFinite { .. }),
            "{refused}"
        );
    }

    #[test]
    fn small_pictures_and_other_files_are_refused() {
        let lpips = made_up();
        let (small, least) = (RgbImage::new(34, 90), RgbImage::new(35, 35));
        let refused = lpips.distance(&small, &small).unwrap_err();
        assert!(refused.to_string().contains("at least 35"), "{refused}");
        assert_eq!(lpips.distance(&least, &least).unwrap(), 0.0);
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/builtin.safetensors");
        let refused = Lpips::open(model, Threads::new(1).unwrap()).unwrap_err();
        assert!(
            refused.to_string().contains("features.0.weight"),
            "{refused}"
        );
    }
}
