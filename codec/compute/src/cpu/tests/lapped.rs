//! The lapped synthesis against a direct transposed convolution.

use super::{assert_close, engines, f32_weight, untouched, upload, values};
use crate::Backend;

#[test]
fn synthesis_is_a_cropped_transposed_convolution() {
    for engine in engines(2) {
        for (height, width) in [(1, 1), (1, 4), (3, 2), (5, 7)] {
            for (kernel, stride, pad) in [(16, 8, 4), (4, 2, 1), (7, 3, 2), (4, 4, 0), (3, 1, 1)] {
                let (inputs, channels) = (16, 3);
                let (rows, columns) = (
                    (height - 1) * stride + kernel - 2 * pad,
                    (width - 1) * stride + kernel - 2 * pad,
                );
                let outputs = kernel * kernel * channels;
                let numbers = values(2, outputs * inputs);
                let stored = f32_weight(&numbers, &[outputs, inputs]);
                let packed = engine.linear_weights(&[(&stored, None)]).unwrap();
                let latents = values(1, height * width * inputs);

                let mut expected = vec![0.0; rows * columns * channels];
                for (place, latent) in latents.chunks_exact(inputs).enumerate() {
                    for (output, weights) in numbers.chunks_exact(inputs).enumerate() {
                        let (tap, channel) = (output / channels, output % channels);
                        let y = (place / width * stride + tap / kernel).checked_sub(pad);
                        let x = (place % width * stride + tap % kernel).checked_sub(pad);
                        let inside = y.filter(|&y| y < rows).zip(x.filter(|&x| x < columns));
                        let Some((y, x)) = inside else { continue };
                        let pairs = latent.iter().zip(weights);
                        expected[(y * columns + x) * channels + channel] += pairs
                            .map(|(&l, &w)| f64::from(l) * f64::from(w))
                            .sum::<f64>();
                    }
                }
                let latents = upload(&engine, &latents, &[height, width, inputs]);
                let mut out = untouched(&engine, &[rows, columns, channels]);
                engine
                    .lapped_synthesis(&latents, &packed, kernel, stride, pad, &mut out)
                    .unwrap();
                let what = format!("{height}×{width} by {kernel}, {stride}, {pad}");
                assert_close(&what, out.values(), &expected, 3e-6);
            }
        }
    }
}
