//! The overlapping sum that ends a lapped transform's synthesis.

use rayon::prelude::*;

use super::buffer::CpuTensor;

/// See [`crate::Backend::lapped_synthesis`]; `blocks` holds each latent's `kernel²·channels` values.
pub(super) fn overlap_add(
    blocks: &[f32],
    (height, width): (usize, usize),
    (kernel, stride, pad): (usize, usize, usize),
    out: &mut CpuTensor,
) {
    let &[out_height, out_width, channels] = out.shape() else {
        panic!("an image is [H, W, C]")
    };
    let run = kernel * channels;
    assert_eq!(
        blocks.len(),
        height * width * kernel * run,
        "blocks of another size"
    );
    assert!(
        (out_height, out_width)
            == (
                (height - 1) * stride + kernel - 2 * pad,
                (width - 1) * stride + kernel - 2 * pad
            )
    );
    out.values_mut()
        .par_chunks_mut(out_width * channels)
        .enumerate()
        .for_each(|(y, target)| {
            target.fill(0.0);
            let y = y + pad;
            // The first block row that still covers y: the smallest with `row·stride + kernel > y`.
            let first = (y + 1).saturating_sub(kernel).div_ceil(stride);
            for row in first..=(y / stride).min(height - 1) {
                for column in 0..width {
                    let block = &blocks
                        [((row * width + column) * kernel + y - row * stride) * run..][..run];
                    let left = column * stride;
                    // The part of the block between the crops at the left and the right.
                    let skip = pad.saturating_sub(left);
                    let take = kernel.min(out_width + pad - left);
                    let target =
                        &mut target[(left + skip - pad) * channels..(left + take - pad) * channels];
                    for (out, value) in target
                        .iter_mut()
                        .zip(&block[skip * channels..take * channels])
                    {
                        *out += value;
                    }
                }
            }
        });
}
