//! The synthesis of a lapped transform: a transposed convolution as a product and an overlapping sum.
//!
//! The product gives each latent's block, `[rows·w, kernel²·channels]` (see [`super::linear`]); then one unit for each output
//! element, in cubes of 256 units, gathers what the blocks that cover it hold there, top to bottom and left to right, so
//! that a device gives the same bytes on each run. Cost: each value of a block is written once and read at most once.
//! Where the blocks of all latents do not fit one buffer, they are taken in bands of rows, which share the rows of latents
//! whose blocks reach into both: one product, one sum and one copy of latents for each band.

use std::ops::Range;
use std::sync::Arc;

use cubecl::prelude::*;

use super::engine::GpuEngine;
use super::linear::{self, GpuLinear};
use super::self_test::{IMAGE, Results, activations, weight};
use super::tensor::GpuTensor;
use crate::backend::Epilogue;
use crate::{Backend, ComputeError};

/// The sum for rows `first..` of the output, `elements` in all, from the blocks of the rows `top..bottom` of latents.
#[cube(launch)]
fn overlap_kernel<B: Float, O: Float>(
    blocks: &[B],
    out: &mut [O],
    elements: u32,
    first: u32,
    top: u32,
    bottom: u32,
    width: u32,
    out_width: u32,
    channels: u32,
    kernel: u32,
    stride: u32,
    pad: u32,
    #[define(B)] _blocks_type: ElemType,
    #[define(O)] _out_type: ElemType,
) {
    if ABSOLUTE_POS >= elements as usize {
        terminate!();
    }
    let position = ABSOLUTE_POS as u32;
    let channel = position % channels;
    let pixel = position / channels;
    let y = pixel / out_width + first + pad;
    let x = pixel % out_width + pad;
    // Block `row` covers y from `row·stride` to below `row·stride + kernel`: the first that does so is
    // ⌊(y − kernel) / stride⌋ + 1. The branch avoids an unsigned difference below zero.
    let mut row = top;
    if y >= kernel {
        row = top.max((y - kernel) / stride + 1);
    }
    let mut left = 0u32;
    if x >= kernel {
        left = (x - kernel) / stride + 1;
    }
    let mut sum = 0.0f32;
    while row < bottom && row * stride <= y {
        let mut column = left;
        while column < width && column * stride <= x {
            // `blocks` begins with the band's first row of latents.
            let block = (row - top) * width + column;
            let line = block * kernel + (y - row * stride);
            let at = (line * kernel + (x - column * stride)) * channels + channel;
            sum += f32::cast_from(blocks[at as usize]);
            column += 1;
        }
        row += 1;
    }
    out[ABSOLUTE_POS + (first * out_width * channels) as usize] = O::cast_from(sum);
}

/// Sizes of a synthesis.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    height: usize,
    width: usize,
    kernel: usize,
    stride: usize,
    pad: usize,
}

/// See [`crate::Backend::lapped_synthesis`].
pub(super) fn synthesis(
    engine: &GpuEngine,
    latents: &GpuTensor,
    weights: &GpuLinear,
    (kernel, stride, pad): (usize, usize, usize),
    out: &mut GpuTensor,
) -> Result<(), ComputeError> {
    let &[height, width, _] = &*latents.shape else {
        panic!("latents are [h, w, C]")
    };
    let &[out_height, out_width, channels] = &*out.shape else {
        panic!("an image is [H, W, C]")
    };
    let block = kernel * kernel * channels;
    assert_eq!(weights.outputs(), block, "blocks of another size");
    assert!(
        height.min(width) > 0
            && (out_height + 2 * pad, out_width + 2 * pad)
                == (
                    (height - 1) * stride + kernel,
                    (width - 1) * stride + kernel
                ),
        "a synthesis into another shape"
    );
    let sizes = Sizes {
        height,
        width,
        kernel,
        stride,
        pad,
    };
    let row_bytes = (width * block * engine.element().size()).max(1) as u64;
    let fitting = usize::try_from(engine.buffer_limit() / row_bytes).unwrap_or(usize::MAX);
    if fitting >= height {
        return band(
            engine,
            (latents, 0..height),
            weights,
            sizes,
            (out, 0..out_height),
        );
    }
    // A band that cannot make a row of the output does not fit either, which its allocation reports with the numbers.
    let fitting = fitting.max(kernel.div_ceil(stride));
    let mut done = 0;
    while done < out_height {
        // The first row of latents whose block reaches the next output row.
        let top = (done + pad + 1).saturating_sub(kernel).div_ceil(stride);
        let bottom = height.min(top + fitting);
        // Output rows from `bottom·stride − pad` on also need blocks of latent row `bottom`, which is in the next band.
        let end = if bottom == height {
            out_height
        } else {
            (bottom * stride).saturating_sub(pad).min(out_height)
        };
        let picked = engine.scratch(&[bottom - top, width, latents.columns()], engine.element())?;
        let rows = (bottom - top) * width;
        super::elementwise::copy_rows(engine, latents, top * width, &picked, 0, rows);
        band(
            engine,
            (&picked, top..bottom),
            weights,
            sizes,
            (out, done..end),
        )?;
        done = end;
    }
    Ok(())
}

/// Rows `rows` of the output from the given rows of latents, which are all that `latents` holds.
fn band(
    engine: &GpuEngine,
    (latents, of): (&GpuTensor, Range<usize>),
    weights: &GpuLinear,
    sizes: Sizes,
    (out, rows): (&GpuTensor, Range<usize>),
) -> Result<(), ComputeError> {
    debug_assert!(of.end <= sizes.height);
    let positions = of.len() * sizes.width;
    let blocks = engine.scratch(&[positions, weights.outputs()], engine.element())?;
    // A handle of the same memory, since a product writes to a tensor that it borrows mutably.
    let mut target = GpuTensor {
        handle: blocks.handle.clone(),
        shape: blocks.shape.clone(),
        element: blocks.element,
        capacity: blocks.capacity,
        _reserved: Arc::clone(&blocks._reserved),
    };
    linear::linear(
        engine,
        latents,
        0..positions,
        weights,
        &Epilogue::Store,
        &mut target,
    )?;
    let row = out.shape[1] * out.shape[2];
    let elements = rows.len() * row;
    let bytes = blocks.len() * blocks.element.size() + elements * out.element.size();
    let Some((count, dim)) = engine.elementwise(elements, bytes) else {
        return Ok(());
    };
    overlap_kernel::launch(
        engine.client(),
        count,
        dim,
        blocks.arg(),
        out.arg(),
        elements as u32,
        rows.start as u32,
        of.start as u32,
        of.end as u32,
        sizes.width as u32,
        out.shape[1] as u32,
        out.shape[2] as u32,
        sizes.kernel as u32,
        sizes.stride as u32,
        sizes.pad as u32,
        blocks.element.kind(),
        out.element.kind(),
    );
    Ok(())
}

/// See [`super::self_test`].
pub(super) fn self_test<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    // Blocks of 4×4 pixels, 2 apart, cropped by 1.
    const COLOURS: usize = 3;
    let [height, width, channels] = IMAGE;
    let latents = activations(engine, 8, &IMAGE)?;
    let weights = weight(13, &[4 * 4 * COLOURS, channels])?;
    let weights = engine.linear_weights(&[(&weights, None)])?;
    let mut picture = engine.zeros(&[2 * height, 2 * width, COLOURS])?;
    engine.lapped_synthesis(&latents, &weights, 4, 2, 1, &mut picture)?;
    Ok(vec![("the synthesis", engine.download(&picture)?)])
}
