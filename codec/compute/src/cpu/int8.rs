//! Linear layers of 8-bit integers, for those that are most of a network's work: weights with a scale for each output,
//! activations with one for each row, found as they come (vector-wise quantization: Dettmers et al., "LLM.int8()", 2022).
//!
//! Sums of integers are exact, so that all ways to compute them give the same bits: instructions for bytes where the
//! processor has them, and everywhere else kernels of f32, which holds each integer up to 2^24. Weights keep 7 of 8 bits,
//! as AVX2 adds two products in 16 bits.

mod kernels;

use std::ops::Range;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

pub(super) use kernels::instructions;
use rayon::prelude::*;

use super::buffer::Pooled;
use super::context::Context;
use super::microkernel::{Kernels, Panel, RowBlock, multiply};
use super::outputs::{Columns, Outputs, Source, read_row};
use crate::backend::LinearParts;
use crate::memory::{with_capacity, zeroed};
use crate::{ComputeError, Weight};

/// Greatest magnitudes of the integers.
const MOST_WEIGHT: f32 = 63.0;
const MOST_ACTIVATION: f32 = 127.0;
/// Inputs of a layer: 2^17 · 63 · 255 is less than 2^31.
pub(super) const MOST_INPUTS: usize = 1 << 17;
/// Products that a sum in f32 adds up without rounding: 2048 · 63 · 127 is less than 2^24.
const EXACT: usize = 2048;
/// What makes activations unsigned, as the instructions need them.
const OFFSET: i32 = 128;

/// How integers are multiplied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Int8 {
    /// The kernels. Of bytes, these take and give words of 32 bits where their types say floats: four bytes, or an i32.
    kernels: Kernels,
    form: Form,
}

/// Where the kernels find integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Four in the bytes of a word, those of activations with [`OFFSET`] added.
    Bytes,
    /// Each in a float.
    Floats,
}

impl Int8 {
    /// By what this processor has; all ways give the same bits.
    pub(super) fn detect(single: Kernels) -> Self {
        instructions()
            .last()
            .map_or(Self::floats(single), |&kernels| Self::bytes(kernels))
    }

    /// By kernels of f32.
    pub(super) fn floats(kernels: Kernels) -> Self {
        Self {
            kernels,
            form: Form::Floats,
        }
    }

    /// By [kernels of bytes](instructions).
    pub(super) fn bytes(kernels: Kernels) -> Self {
        Self {
            kernels,
            form: Form::Bytes,
        }
    }

    /// Floats that hold a row of `k` activations.
    fn floats_of_row(self, k: usize) -> usize {
        match self.form {
            Form::Bytes => k.div_ceil(4),
            Form::Floats => k,
        }
    }

    /// Stores a row of activations as integers, and returns their scale.
    #[inline(always)]
    fn row(self, row: &[f32], out: &mut [f32]) -> f32 {
        let scale = Scale::of(row, MOST_ACTIVATION);
        match self.form {
            Form::Bytes => {
                // Bytes of a word stand in the order of k on the processors that have such kernels.
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(out);
                let (bytes, padding) = bytes.split_at_mut(row.len());
                for (byte, &value) in bytes.iter_mut().zip(row) {
                    *byte = scale.bits(value) as u8 ^ OFFSET as u8;
                }
                // Their weights are 0.
                padding.fill(0);
            }
            Form::Floats => {
                for (out, &value) in out.iter_mut().zip(row) {
                    *out = scale.integer(value);
                }
            }
        }
        scale.step
    }
}

/// Numbers as multiples of a step.
#[derive(Debug, Clone, Copy)]
struct Scale {
    step: f32,
    inverse: f32,
}

/// Added to a number of less than 2^22, it leaves the nearest integer, of two as near the even one, in the last bits.
const ROUNDING: f32 = 12_582_912.0;

impl Scale {
    /// The scale that makes the largest magnitude `most`.
    #[inline(always)]
    fn of(values: &[f32], most: f32) -> Self {
        // As integers, magnitudes have the same order, and NaN comes last.
        let largest = values.iter().fold(0, |largest, value| {
            (value.to_bits() & 0x7fff_ffff).max(largest)
        });
        let largest = f32::from_bits(largest);
        if largest < 1e-30 {
            // So that the inverse is finite.
            Self {
                step: 0.0,
                inverse: 0.0,
            }
        } else if largest < f32::INFINITY {
            Self {
                step: largest / most,
                inverse: most / largest,
            }
        } else {
            // What is not a number makes none.
            Self {
                step: f32::NAN,
                inverse: 0.0,
            }
        }
    }

    /// The number in steps, in the last bits.
    #[inline(always)]
    fn bits(self, value: f32) -> u32 {
        (value * self.inverse + ROUNDING).to_bits()
    }

    /// The number in steps.
    #[inline(always)]
    fn integer(self, value: f32) -> f32 {
        f32::from_bits(self.bits(value)) - ROUNDING
    }
}

/// Weights `[out, k]` as integers in panels.
pub(super) struct Int8Linear {
    /// `[panel][k in fours][panel width]`, four bytes each.
    words: Vec<u32>,
    /// For each output.
    scales: Vec<f32>,
    /// For each output, what [`OFFSET`] adds to its sums; zeros where nothing is added.
    excess: Vec<i32>,
    outputs: Outputs,
    int8: Int8,
}

impl Int8Linear {
    /// Packs `[out, in]` weights with optional biases; a panel never spans two of them.
    pub(super) fn from_weights(
        int8: Int8,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<Self, ComputeError> {
        let LinearParts {
            inputs: k,
            sizes,
            bias,
        } = LinearParts::new(parts)?;
        let width = int8.kernels.panel_width();
        let outputs = Outputs::new(k, &sizes, width, bias);
        let mut words = zeroed(k.div_ceil(4) * width * outputs.panels())?;
        // Each is stored once, by the task that packs its output.
        let mut scales = with_capacity(outputs.count())?;
        let mut excess = with_capacity(outputs.count())?;
        scales.resize_with(outputs.count(), AtomicU32::default);
        excess.resize_with(outputs.count(), AtomicI32::default);
        let fill = |output: usize, row: &mut [f32], _: &mut [f32]| {
            read_row(parts, output, row);
            let scale = Scale::of(row, MOST_WEIGHT);
            row.iter_mut()
                .for_each(|value| *value = scale.integer(*value));
            scales[output].store(scale.step.to_bits(), Ordering::Relaxed);
            if int8.form == Form::Bytes {
                let sum: i32 = row.iter().map(|&value| value as i32).sum();
                excess[output].store(OFFSET * sum, Ordering::Relaxed);
            }
        };
        let source = Source {
            fill: &fill,
            scratch: 0,
        };
        outputs.pack(&mut words, &source, |row, word| {
            let byte = |index| {
                row.get(4 * word + index)
                    .map_or(0, |&value| value as i8 as u8)
            };
            u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)])
        })?;
        Ok(Self {
            words,
            scales: scales
                .into_iter()
                .map(|scale| f32::from_bits(scale.into_inner()))
                .collect(),
            excess: excess.into_iter().map(AtomicI32::into_inner).collect(),
            outputs,
            int8,
        })
    }

    pub(super) fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// The rows `x` as integers.
    pub(super) fn rows<'a>(
        &self,
        context: Context<'a>,
        x: &[f32],
    ) -> Result<Int8Rows<'a>, ComputeError> {
        let k = self.outputs.inputs();
        let stride = self.int8.floats_of_row(k);
        let count = x.len() / k.max(1);
        let mut values = context.pool.take(count * stride)?;
        let mut scales = context.pool.take(count)?;
        values
            .par_chunks_exact_mut(stride.max(1))
            .zip(x.par_chunks_exact(k.max(1)))
            .zip(scales.par_iter_mut())
            .with_min_len(16)
            .for_each(|((out, row), scale)| {
                *scale = context.vectorized_mut(
                    #[inline(always)]
                    || self.int8.row(row, out),
                );
            });
        Ok(Int8Rows {
            values,
            scales,
            stride,
        })
    }

    /// A panel and the rows that it is applied to.
    pub(super) fn panel<'a>(
        &'a self,
        context: Context<'a>,
        panel: usize,
        rows: &'a Int8Rows<'a>,
    ) -> Result<Int8Panel<'a>, ComputeError> {
        let width = self.outputs.panel_width();
        let k = self.outputs.inputs();
        let len = k.div_ceil(4) * width;
        let words = &self.words[panel * len..(panel + 1) * len];
        let floats = match self.int8.form {
            Form::Bytes => None,
            Form::Floats => {
                let mut floats = context.pool.take_in_task(4 * len)?;
                for (floats, words) in floats
                    .chunks_exact_mut(4 * width)
                    .zip(words.chunks_exact(width))
                {
                    for (index, floats) in floats.chunks_exact_mut(width).enumerate() {
                        for (float, word) in floats.iter_mut().zip(words) {
                            *float = f32::from(word.to_le_bytes()[index] as i8);
                        }
                    }
                }
                Some(floats)
            }
        };
        let Columns { start, width } = self.outputs.columns(panel);
        Ok(Int8Panel {
            context,
            layer: self,
            words,
            floats,
            outputs: start..start + width,
            scales: &rows.scales,
        })
    }
}

/// Rows of activations as integers.
pub(super) struct Int8Rows<'a> {
    pub(super) values: Pooled<'a>,
    /// For each row.
    scales: Pooled<'a>,
    /// Floats from one row to the next.
    pub(super) stride: usize,
}

/// A panel of integers and the rows that it is applied to.
pub(super) struct Int8Panel<'a> {
    context: Context<'a>,
    layer: &'a Int8Linear,
    words: &'a [u32],
    /// The integers in the form of floats, where that is theirs.
    floats: Option<Pooled<'a>>,
    outputs: Range<usize>,
    /// Of all rows.
    scales: &'a [f32],
}

impl Int8Panel<'_> {
    /// The products of `block`, which is the rows from `first` on.
    ///
    /// # Safety
    /// As for [`multiply`].
    #[allow(unsafe_code)]
    pub(super) unsafe fn multiply(
        &self,
        first: usize,
        block: RowBlock,
    ) -> Result<(), ComputeError> {
        let k = self.layer.outputs.inputs();
        let panel = Panel {
            values: self.words.as_ptr().cast(),
            stride: self.layer.outputs.panel_width(),
            k: k.div_ceil(4),
            width: self.outputs.len(),
        };
        match &self.floats {
            // SAFETY: the panel is whole; the caller vouches for the block.
            None => unsafe { multiply(self.layer.int8.kernels, panel, block) },
            Some(floats) => {
                let panel = Panel {
                    values: floats.as_ptr(),
                    k,
                    ..panel
                };
                // SAFETY: as above.
                unsafe { self.multiply_floats(panel, block)? };
            }
        }
        let scales = &self.layer.scales[self.outputs.clone()];
        let excess = &self.layer.excess[self.outputs.clone()];
        let row_scales = &self.scales[first..first + block.count];
        self.context.vectorized(
            #[inline(always)]
            || {
                for (row, &row_scale) in row_scales.iter().enumerate() {
                    // SAFETY: the caller vouches for these places, which the kernels have written.
                    let out = unsafe {
                        let out = block.out.add(row * block.out_stride);
                        std::slice::from_raw_parts_mut(out, scales.len())
                    };
                    for ((out, &scale), &excess) in out.iter_mut().zip(scales).zip(excess) {
                        let sum = (out.to_bits() as i32).wrapping_sub(excess);
                        *out = sum as f32 * (scale * row_scale);
                    }
                }
            },
        );
        Ok(())
    }

    /// Sums of integers in the form of floats, as i32 in the bits of `block`'s products: so many at a time as f32 adds up
    /// without rounding.
    ///
    /// # Safety
    /// As for [`multiply`].
    #[allow(unsafe_code)]
    unsafe fn multiply_floats(&self, panel: Panel, block: RowBlock) -> Result<(), ComputeError> {
        let width = panel.width;
        let mut sums = self.context.pool.take_in_task(block.count * width)?;
        for start in (0..panel.k).step_by(EXACT) {
            let part = Panel {
                values: panel.values.wrapping_add(start * panel.stride),
                k: EXACT.min(panel.k - start),
                ..panel
            };
            let part_block = RowBlock {
                x: block.x.wrapping_add(start),
                out: sums.as_mut_ptr(),
                out_stride: width,
                ..block
            };
            // SAFETY: these are rows of the panel, and the numbers of each row for them; `sums` has a place for each product.
            unsafe {
                multiply(self.layer.int8.kernels, part, part_block);
            }
            self.context.vectorized(
                #[inline(always)]
                || {
                    for (row, sums) in sums.chunks_exact(width).enumerate() {
                        // SAFETY: the caller vouches for these places.
                        let out = unsafe {
                            std::slice::from_raw_parts_mut(
                                block.out.add(row * block.out_stride),
                                width,
                            )
                        };
                        for (out, &sum) in out.iter_mut().zip(sums) {
                            let before = if start == 0 { 0 } else { out.to_bits() as i32 };
                            *out = f32::from_bits(before.wrapping_add(sum as i32) as u32);
                        }
                    }
                },
            );
        }
        Ok(())
    }
}
