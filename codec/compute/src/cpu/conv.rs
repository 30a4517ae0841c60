//! Convolutions as matrix products, without gathering patches: in a padded channels-last image the taps of one kernel row
//! are one contiguous run, and neighbouring pixels' runs overlap, so each kernel row is a product on the image itself.
//!
//! Doubling by nearest neighbour before a 3×3 kernel makes output pixels of each parity see only 2×2 different input
//! pixels; the kernel is folded into four 2×2 kernels once, which saves five ninths of the work.

use rayon::prelude::*;

use super::buffer::{CpuTensor, Pooled};
use super::context::Context;
use super::linear::modulation_row;
use super::math::silu;
use super::microkernel::{RowBlock, SharedMut, multiply};
use super::norm::{apply_affine, group_norm_affine};
use super::outputs::Source;
use super::packed::{PackedLinear, PanelValues};
use super::products::Products;
use super::winograd;
use crate::backend::{ConvEpilogue, ConvKind, GroupNorm};
use crate::{ComputeError, DType, Weight};

/// A convolution's weights, packed for the way it is computed.
pub struct PackedConv {
    /// Panels of outputs over runs of inputs, or the matrices of [`winograd`].
    weights: PackedLinear,
    /// The biases where the weights are those of [`winograd`], whose matrices have none.
    winograd_bias: Option<Vec<f32>>,
    kernel: usize,
    inputs: usize,
    outputs: usize,
    kind: ConvKind,
}

impl PackedConv {
    /// See [`crate::Backend::conv_weights`].
    pub(super) fn new(
        context: Context<'_>,
        weight: &Weight,
        bias: Option<&Weight>,
        kind: ConvKind,
    ) -> Result<Self, ComputeError> {
        let (outputs, inputs, kernel) = kind.check_weights(weight, bias)?;
        let bias = bias.map(Weight::to_f32).transpose()?.unwrap_or_default();
        let mut winograd_bias = None;
        let weights = if kind == ConvKind::Same && kernel == 3 && winograd::suits(inputs, outputs) {
            winograd_bias = Some(bias);
            winograd::pack(context.kernels, weight, (outputs, inputs))?
        } else if kind == ConvKind::DoubleNearest {
            pack_doubling(context, weight, &bias)?
        } else {
            pack_direct(context, weight, bias)?
        };
        Ok(Self {
            weights,
            winograd_bias,
            kernel,
            inputs,
            outputs,
            kind,
        })
    }

    /// Padding before the first and after the last pixel, along either axis.
    fn padding(&self) -> (usize, usize) {
        match self.kind {
            // Its tiles take what lies outside as zeros.
            ConvKind::Same if self.winograd_bias.is_some() => (0, 0),
            ConvKind::Same => (self.kernel / 2, self.kernel / 2),
            ConvKind::DoubleNearest | ConvKind::HalveSymmetric => (1, 1),
            ConvKind::HalveAsymmetric => (0, 1),
            ConvKind::StridedReflect { pad, .. } => (pad, pad),
        }
    }

    fn stride(&self) -> usize {
        match self.kind {
            ConvKind::Same | ConvKind::DoubleNearest => 1,
            ConvKind::HalveAsymmetric | ConvKind::HalveSymmetric => 2,
            ConvKind::StridedReflect { stride, .. } => stride,
        }
    }
}

/// Panels over runs of inputs in (row, column, channel) order, in the stored element type.
fn pack_direct(
    context: Context<'_>,
    weight: &Weight,
    bias: Vec<f32>,
) -> Result<PackedLinear, ComputeError> {
    let (outputs, inputs) = (weight.shape()[0], weight.shape()[1]);
    let taps = weight.len() / (outputs * inputs);
    let fill = |output: usize, row: &mut [f32], original: &mut [f32]| {
        weight.read_f32(output * inputs * taps, original);
        for (index, value) in row.iter_mut().enumerate() {
            // From `[input][tap]` to `[tap][input]`, the order in which a channels-last image holds them.
            *value = original[index % inputs * taps + index / inputs];
        }
    };
    PackedLinear::pack(
        Products::single(context.kernels),
        weight.dtype(),
        taps * inputs,
        &[outputs],
        bias,
        &Source {
            fill: &fill,
            scratch: inputs * taps,
        },
    )
}

/// The four folded kernels of a doubling convolution, one part for each parity of the output.
fn pack_doubling(
    context: Context<'_>,
    weight: &Weight,
    bias: &[f32],
) -> Result<PackedLinear, ComputeError> {
    let (outputs, inputs) = (weight.shape()[0], weight.shape()[1]);
    let fill = |output: usize, row: &mut [f32], original: &mut [f32]| {
        weight.read_f32(output % outputs * inputs * 9, original);
        fold_phase(original, output / outputs, row);
    };
    let bias = bias.repeat(4);
    PackedLinear::pack(
        Products::single(context.kernels),
        DType::F32,
        4 * inputs,
        &[outputs; 4],
        bias,
        &Source {
            fill: &fill,
            scratch: inputs * 9,
        },
    )
}

/// The 2×2 kernel, `[row][column][input]`, that output pixels of parity `phase = 2·row + column` see, from `[input][3][3]`.
fn fold_phase(original: &[f32], phase: usize, row: &mut [f32]) {
    let inputs = row.len() / 4;
    let (row_parity, column_parity) = (phase / 2, phase % 2);
    row.fill(0.0);
    // An even output's taps −1, 0, +1 fall on inputs −1, 0, 0; an odd one's on 0, 0, +1, counted here from its first.
    let folded = |parity: usize, tap: usize| {
        if parity == 0 {
            tap.div_ceil(2)
        } else {
            tap / 2
        }
    };
    for (input, taps) in original.chunks_exact(9).enumerate() {
        for (tap, value) in taps.iter().enumerate() {
            let (y, x) = (folded(row_parity, tap / 3), folded(column_parity, tap % 3));
            row[(y * 2 + x) * inputs + input] += value;
        }
    }
}

/// See [`crate::Backend::conv`].
pub(super) fn conv(
    context: Context<'_>,
    x: &CpuTensor,
    norm: Option<&GroupNorm>,
    conv: &PackedConv,
    epilogue: &ConvEpilogue<'_, CpuTensor>,
    out: &mut CpuTensor,
) -> Result<(), ComputeError> {
    let &[height, width, channels] = x.shape() else {
        panic!("convolution input is [H, W, C]")
    };
    assert_eq!(channels, conv.inputs, "convolution of other channels");
    let (out_height, out_width) = (
        conv.kind.output_size(height, conv.kernel),
        conv.kind.output_size(width, conv.kernel),
    );
    assert_eq!(
        out.shape(),
        [out_height, out_width, conv.outputs],
        "convolution into another shape"
    );
    let epilogue = Epilogue::new(epilogue, conv.outputs);
    let (before, after) = conv.padding();
    let padded = match norm {
        None if (before, after) == (0, 0) => None,
        _ => Some(pad(context, x, norm, conv)?),
    };
    let padded = padded.as_deref().unwrap_or(x.values());
    if let Some(bias) = &conv.winograd_bias {
        let job = winograd::Job {
            x: padded,
            size: (height, width),
            weights: &conv.weights,
            bias,
            epilogue,
        };
        return winograd::convolve(context, &job, out);
    }
    let image = Image {
        padded,
        padded_width: width + before + after,
        out_width,
        target: SharedMut::new(out.values_mut()),
        epilogue,
    };
    // Rows of the input grid that tasks walk over; a doubling convolution makes two output rows of each.
    let doubling = conv.kind == ConvKind::DoubleNearest;
    direct(
        context,
        conv,
        &image,
        if doubling { height } else { out_height },
    )
}

/// All panels over all rows of the grid.
fn direct(
    context: Context<'_>,
    conv: &PackedConv,
    image: &Image<'_>,
    grid: usize,
) -> Result<(), ComputeError> {
    let panels = conv.weights.outputs().panels();
    let wanted = (context.threads * 4).div_ceil(panels).clamp(1, grid);
    let rows_per_task = grid.div_ceil(wanted);
    let row_tasks = grid.div_ceil(rows_per_task);
    (0..panels * row_tasks)
        .into_par_iter()
        .with_max_len(1)
        .try_for_each(|task| {
            let (panel, start) = (task / row_tasks, task % row_tasks * rows_per_task);
            let values = conv.weights.panel(context.pool, panel)?;
            // A gate applies to whole sums, which must not be mixed with what they are added to before.
            let gated = matches!(image.epilogue, Epilogue::GatedAdd(_));
            let width = conv.weights.outputs().columns(panel).width;
            let mut sums =
                context
                    .pool
                    .take_in_task(if gated { image.out_width * width } else { 0 })?;
            for row in start..grid.min(start + rows_per_task) {
                conv_row(context, conv, image, (panel, &values), row, &mut sums);
            }
            Ok(())
        })
}

/// What the tasks of one convolution share.
struct Image<'a> {
    padded: &'a [f32],
    padded_width: usize,
    out_width: usize,
    target: SharedMut,
    epilogue: Epilogue<'a>,
}

/// A [`ConvEpilogue`] on values in memory.
#[derive(Clone, Copy)]
pub(super) enum Epilogue<'a> {
    Store,
    Silu,
    Add,
    /// A gate for each channel.
    GatedAdd(&'a [f32]),
}

impl<'a> Epilogue<'a> {
    fn new(epilogue: &ConvEpilogue<'a, CpuTensor>, outputs: usize) -> Self {
        match epilogue {
            ConvEpilogue::Store => Self::Store,
            ConvEpilogue::Silu => Self::Silu,
            ConvEpilogue::Add => Self::Add,
            ConvEpilogue::GatedAdd(gate) => Self::GatedAdd(modulation_row(gate, 0, 0..outputs)),
        }
    }

    /// Finishes the values of some channels from `channel` on into their place in the output.
    #[inline(always)]
    pub(super) fn finish(self, values: &[f32], channel: usize, out: &mut [f32]) {
        match self {
            Self::Store => out.copy_from_slice(values),
            Self::Silu => {
                for (out, &value) in out.iter_mut().zip(values) {
                    *out = silu(value);
                }
            }
            Self::Add => {
                for (out, value) in out.iter_mut().zip(values) {
                    *out += value;
                }
            }
            Self::GatedAdd(gate) => {
                for ((out, value), gate) in out.iter_mut().zip(values).zip(&gate[channel..]) {
                    *out += gate * value;
                }
            }
        }
    }
}

/// One panel of outputs for one row of the grid. `sums` has room for them where there is a gate, and is empty otherwise.
fn conv_row(
    context: Context<'_>,
    conv: &PackedConv,
    image: &Image<'_>,
    (panel, values): (usize, &PanelValues<'_>),
    row: usize,
    sums: &mut [f32],
) {
    let place = conv.weights.outputs().columns(panel);
    let doubling = conv.kind == ConvKind::DoubleNearest;
    // A panel never spans two parts, so all of its outputs have one parity.
    let (phase, first_output) = (place.start / conv.outputs, place.start % conv.outputs);
    let (kernel, zoom) = if doubling { (2, 2) } else { (conv.kernel, 1) };
    let (row_parity, column_parity) = if doubling {
        (phase / 2, phase % 2)
    } else {
        (0, 0)
    };
    let count = image.out_width / zoom;
    let run = kernel * conv.inputs;
    let step = zoom * conv.outputs;
    let out_start =
        ((row * zoom + row_parity) * image.out_width + column_parity) * conv.outputs + first_output;
    for tap_row in 0..kernel {
        // With one row of border, an even output's 2×2 kernel begins at padded row `row`, an odd one's at `row + 1`.
        let source_row = row * conv.stride() + row_parity + tap_row;
        let x = &image.padded[(source_row * image.padded_width + column_parity) * conv.inputs..];
        let x_stride = conv.stride() * conv.inputs;
        assert!(
            x.len() >= (count - 1) * x_stride + run,
            "convolution beyond its padded input"
        );
        let (out, out_stride) = match &mut *sums {
            [] => (image.target.at(out_start), step),
            sums => (sums.as_mut_ptr(), place.width),
        };
        let block = RowBlock {
            x: x.as_ptr(),
            x_stride,
            out,
            out_stride,
            count,
            // The first kernel row overwrites, so that the output needs no clearing.
            accumulate: tap_row > 0 || matches!(image.epilogue, Epilogue::Add),
        };
        // SAFETY: the rows of the panel exist; all runs are inside the padded image as just checked; the outputs are the
        // channels of this panel for pixels of this row and parity, which belong to this task alone and are inside `out`,
        // whose shape `conv` has checked, or `sums`, which has room for a whole row's.
        #[allow(unsafe_code)]
        unsafe {
            multiply(context.kernels, values.rows(tap_row * run, run), block);
        }
    }
    let pixels = (0..count).map(|pixel| out_start + pixel * step);
    let bias = conv.weights.outputs().bias(panel);
    if let Epilogue::GatedAdd(gate) = image.epilogue {
        let gate = &gate[first_output..first_output + place.width];
        add_gated(context, image.target, pixels, (sums, bias, gate));
    } else {
        finish_row(context, image, pixels, bias, place.width);
    }
}

/// Adds the bias to `width` channels from each of `starts` on, and applies what is left of an epilogue without gates.
fn finish_row(
    context: Context<'_>,
    image: &Image<'_>,
    starts: impl Iterator<Item = usize> + Clone,
    bias: &[f32],
    width: usize,
) {
    let activate = matches!(image.epilogue, Epilogue::Silu);
    if bias.is_empty() && !activate {
        return;
    }
    context.vectorized(
        #[inline(always)]
        || {
            for start in starts.clone() {
                // SAFETY: these are outputs that the calling task has just written and that no other task accesses.
                #[allow(unsafe_code)]
                let out = unsafe { image.target.slice(start, width) };
                for (out, bias) in out.iter_mut().zip(bias) {
                    *out += bias;
                }
                if activate {
                    for out in out {
                        *out = silu(*out);
                    }
                }
            }
        },
    );
}

/// Adds the bias to each row of `sums`, and the result times the gates to the outputs from each of `starts` on.
fn add_gated(
    context: Context<'_>,
    target: SharedMut,
    starts: impl Iterator<Item = usize> + Clone,
    (sums, bias, gate): (&[f32], &[f32], &[f32]),
) {
    let width = gate.len();
    context.vectorized(
        #[inline(always)]
        || {
            for (start, sums) in starts.clone().zip(sums.chunks_exact(width)) {
                // SAFETY: these are outputs of the calling task, which no other task accesses.
                #[allow(unsafe_code)]
                let out = unsafe { target.slice(start, width) };
                for (index, ((out, sum), gate)) in out.iter_mut().zip(sums).zip(gate).enumerate() {
                    let bias = if bias.is_empty() { 0.0 } else { bias[index] };
                    *out += gate * (sum + bias);
                }
            }
        },
    );
}

/// The input with its border, normed and activated where a norm is given.
fn pad<'a>(
    context: Context<'a>,
    x: &CpuTensor,
    norm: Option<&GroupNorm>,
    conv: &PackedConv,
) -> Result<Pooled<'a>, ComputeError> {
    let &[height, width, channels] = x.shape() else {
        panic!("convolution input is [H, W, C]")
    };
    let (before, after) = conv.padding();
    let row_len = (width + before + after) * channels;
    let affine = norm
        .map(|norm| group_norm_affine(context, x.values(), norm))
        .transpose()?;
    let mut padded = context.pool.take((height + before + after) * row_len)?;
    let reflect = matches!(conv.kind, ConvKind::StridedReflect { .. });
    padded
        .par_chunks_mut(row_len)
        .enumerate()
        .for_each(|(row, target)| {
            let source = if reflect {
                mirror(row, before, height)
            } else if (before..before + height).contains(&row) {
                row - before
            } else {
                target.fill(0.0);
                return;
            };
            let source = &x.values()[source * width * channels..(source + 1) * width * channels];
            let (left, rest) = target.split_at_mut(before * channels);
            let (middle, right) = rest.split_at_mut(width * channels);
            // The border is that of the activation, not of the image: norm and SiLU must not touch its zeros.
            match &affine {
                Some(affine) => context.vectorized_mut(
                    #[inline(always)]
                    || apply_affine(source, bytemuck::cast_slice(affine), true, middle),
                ),
                None => middle.copy_from_slice(source),
            }
            if reflect {
                for (column, pixel) in left.chunks_exact_mut(channels).enumerate() {
                    pixel.copy_from_slice(
                        &middle[mirror(column, before, width) * channels..][..channels],
                    );
                }
                for (column, pixel) in right.chunks_exact_mut(channels).enumerate() {
                    let column = mirror(before + width + column, before, width);
                    pixel.copy_from_slice(&middle[column * channels..][..channels]);
                }
            } else {
                left.fill(0.0);
                right.fill(0.0);
            }
        });
    Ok(padded)
}

/// The source index of a padded index under reflection that does not repeat the border.
fn mirror(index: usize, before: usize, size: usize) -> usize {
    let offset = index.abs_diff(before);
    if index < before || offset < size {
        offset
    } else {
        2 * (size - 1) - offset
    }
}
