//! Linear layers and the gated MLP: panels of outputs times blocks of rows, with the epilogue while they are in cache.

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::CpuTensor;
use super::context::Context;
use super::layer::PackedLayer;
use super::math::silu;
use super::microkernel::SharedMut;
use crate::ComputeError;
use crate::backend::{Epilogue, ModulationVector};

/// Rows that one call of the epilogue covers: a multiple of every kernel's rows, small enough for the first-level cache.
const CHUNK: usize = 48;

/// A modulation vector's values for one row of the sequence.
pub(super) fn modulation_row<'a>(
    vector: &ModulationVector<'a, CpuTensor>,
    row: usize,
    columns: Range<usize>,
) -> &'a [f32] {
    let offset = if row < vector.split {
        vector.first
    } else {
        vector.second
    };
    let start = vector.row * vector.table.columns() + offset;
    &vector.table.values()[start + columns.start..start + columns.end]
}

/// How rows and panels are shared out: every task is one panel and one range of rows.
pub(super) struct Tiling {
    rows: Range<usize>,
    rows_per_task: usize,
    row_tasks: usize,
    panels: usize,
}

impl Tiling {
    /// Enough tasks for `threads`, each of whole chunks of rows. Results do not depend on the choice.
    pub(super) fn new(rows: Range<usize>, panels: usize, threads: usize) -> Self {
        let chunks = rows.len().div_ceil(CHUNK).max(1);
        // About four tasks a thread even out unequal speeds; more would convert 16-bit panels more often.
        let wanted = (threads * 4).div_ceil(panels.max(1)).clamp(1, chunks);
        let rows_per_task = chunks.div_ceil(if threads == 1 { 1 } else { wanted }) * CHUNK;
        let row_tasks = rows.len().div_ceil(rows_per_task);
        Self {
            rows,
            rows_per_task,
            row_tasks,
            panels,
        }
    }

    /// Calls `task(panel, rows)` for every panel and range of rows, in parallel.
    pub(super) fn try_for_each(
        &self,
        task: impl Fn(usize, Range<usize>) -> Result<(), ComputeError> + Sync + Send,
    ) -> Result<(), ComputeError> {
        (0..self.panels * self.row_tasks)
            .into_par_iter()
            .with_max_len(1)
            .try_for_each(|index| {
                // Row ranges vary fastest, so that tasks side by side use the same panel.
                let start = self.rows.start + index % self.row_tasks * self.rows_per_task;
                let end = self.rows.end.min(start + self.rows_per_task);
                task(index / self.row_tasks, start..end)
            })
    }
}

/// See [`crate::Backend::linear`].
pub(super) fn linear(
    context: Context<'_>,
    x: &CpuTensor,
    rows: Range<usize>,
    weights: &PackedLayer,
    epilogue: &Epilogue<'_, CpuTensor>,
    out: &mut CpuTensor,
) -> Result<(), ComputeError> {
    let outputs = weights.outputs();
    let (k, columns) = (outputs.inputs(), outputs.count());
    check_sizes(x, rows.end, (k, columns), out);
    let layer = weights.on(context, &x.values()[rows.start * k..rows.end * k])?;
    let target = SharedMut::new(out.values_mut());
    Tiling::new(rows.clone(), outputs.panels(), context.threads).try_for_each(|panel, task_rows| {
        let place = outputs.columns(panel);
        let values = layer.panel(panel)?;
        let finish = Finish {
            epilogue,
            bias: outputs.bias(panel),
            columns: place.start..place.start + place.width,
        };
        // Residual epilogues read the old output, so their products must not overwrite it.
        let mut scratch = context.pool.take_in_task(CHUNK * place.width)?;
        for first in task_rows.clone().step_by(CHUNK) {
            let count = CHUNK.min(task_rows.end - first);
            let (sums, stride) = if finish.is_in_place() {
                (target.at(first * columns + place.start), columns)
            } else {
                (scratch.as_mut_ptr(), place.width)
            };
            // SAFETY: the products go to a scratch of CHUNK·width, or to this task's own panel columns and rows of `out`,
            // whose size was checked above.
            #[allow(unsafe_code)]
            unsafe {
                values.multiply(first - rows.start, count, sums, stride)?;
            }
            if !finish.is_nothing() {
                let rows = first..first + count;
                context.vectorized(
                    #[inline(always)]
                    || finish.rows(rows.clone(), &scratch, columns, target),
                );
            }
        }
        Ok(())
    })
}

/// Panics unless both sides have these widths and at least `end` rows.
fn check_sizes(x: &CpuTensor, end: usize, widths: (usize, usize), out: &CpuTensor) {
    assert_eq!(
        (x.columns(), out.columns()),
        widths,
        "a layer of other widths"
    );
    assert!(
        x.values().len() >= end * widths.0 && out.values().len() >= end * widths.1,
        "a layer on more rows than its tensors have"
    );
}

/// The epilogue of one panel.
struct Finish<'a, 'b> {
    epilogue: &'a Epilogue<'b, CpuTensor>,
    bias: &'a [f32],
    /// The outputs of the panel.
    columns: Range<usize>,
}

impl Finish<'_, '_> {
    /// Whether the products are stored in the output first and finished there.
    fn is_in_place(&self) -> bool {
        matches!(self.epilogue, Epilogue::Store | Epilogue::Silu)
    }

    /// Whether stored products are the result.
    fn is_nothing(&self) -> bool {
        matches!(self.epilogue, Epilogue::Store) && self.bias.is_empty()
    }

    /// Finishes rows whose products are in `products`, or in the output itself, of `stride` floats a row.
    #[inline(always)]
    fn rows(&self, rows: Range<usize>, products: &[f32], stride: usize, target: SharedMut) {
        let width = self.columns.len();
        // For an epilogue in place, `products` is unused scratch of at least as many rows.
        for (row, products) in rows.zip(products.chunks_exact(width)) {
            // SAFETY: only the calling task accesses these rows and columns, and they are inside the output.
            #[allow(unsafe_code)]
            let out_row = unsafe { target.slice(row * stride + self.columns.start, width) };
            self.row(row, products, out_row);
        }
    }

    #[inline(always)]
    fn row(&self, row: usize, products: &[f32], out_row: &mut [f32]) {
        let bias = self.bias;
        let bias_at = |index: usize| if bias.is_empty() { 0.0 } else { bias[index] };
        match self.epilogue {
            Epilogue::Store => {
                for (out, bias) in out_row.iter_mut().zip(bias) {
                    *out += bias;
                }
            }
            Epilogue::Silu => {
                for (index, out) in out_row.iter_mut().enumerate() {
                    *out = silu(*out + bias_at(index));
                }
            }
            Epilogue::Plus(other) => {
                // `other` repeats after its last row.
                let start = row % other.rows() * other.columns();
                let other = &other.values()[start + self.columns.start..];
                for (index, ((out, y), other)) in
                    out_row.iter_mut().zip(products).zip(other).enumerate()
                {
                    *out = y + bias_at(index) + other;
                }
            }
            Epilogue::Residual => {
                for (index, (out, y)) in out_row.iter_mut().zip(products).enumerate() {
                    *out += y + bias_at(index);
                }
            }
            Epilogue::GatedResidual(gate) => {
                let gate = modulation_row(gate, row, self.columns.clone());
                for (index, ((out, y), gate)) in
                    out_row.iter_mut().zip(products).zip(gate).enumerate()
                {
                    *out += gate * (y + bias_at(index));
                }
            }
        }
    }
}

/// See [`crate::Backend::swiglu`].
pub(super) fn swiglu(
    context: Context<'_>,
    x: &CpuTensor,
    rows: Range<usize>,
    weights: &PackedLayer,
    out: &mut CpuTensor,
) -> Result<(), ComputeError> {
    let outputs = weights.outputs();
    let (k, columns) = (outputs.inputs(), outputs.count() / 2);
    let panels = outputs.panels() / 2;
    check_sizes(x, rows.end, (k, columns), out);
    assert!(
        outputs.has_equal_halves(),
        "gated MLP of parts of different sizes"
    );
    let layer = weights.on(context, &x.values()[rows.start * k..rows.end * k])?;
    let target = SharedMut::new(out.values_mut());
    Tiling::new(rows.clone(), panels, context.threads).try_for_each(|panel, task_rows| {
        let place = outputs.columns(panel);
        let gate = layer.panel(panel)?;
        // The second part's panels follow the first's, output for output.
        let up = layer.panel(panels + panel)?;
        let mut scratch = context.pool.take_in_task(2 * CHUNK * place.width)?;
        let (gates, ups) = scratch.split_at_mut(CHUNK * place.width);
        for first in task_rows.clone().step_by(CHUNK) {
            let count = CHUNK.min(task_rows.end - first);
            for (values, sums) in [(&gate, &mut *gates), (&up, &mut *ups)] {
                let sums = sums.as_mut_ptr();
                // SAFETY: both panels have the same width, since the parts have the same size; each half of the scratch has
                // CHUNK·width floats.
                #[allow(unsafe_code)]
                unsafe {
                    values.multiply(first - rows.start, count, sums, place.width)?;
                }
            }
            context.vectorized(
                #[inline(always)]
                || {
                    for index in 0..count {
                        let start = (first + index) * columns + place.start;
                        // SAFETY: row and columns belong to this task alone and are inside `out`, whose size was checked above.
                        #[allow(unsafe_code)]
                        let out_row = unsafe { target.slice(start, place.width) };
                        let range = index * place.width..(index + 1) * place.width;
                        let gate = (&gates[range.clone()], outputs.bias(panel));
                        gate_row(gate, (&ups[range], outputs.bias(panels + panel)), out_row);
                    }
                },
            );
        }
        Ok(())
    })
}

/// `SiLU(gate) ⊙ up` of one row of one panel, each with its biases if there are any.
#[inline(always)]
fn gate_row(
    (gates, gate_bias): (&[f32], &[f32]),
    (ups, up_bias): (&[f32], &[f32]),
    out_row: &mut [f32],
) {
    if gate_bias.is_empty() {
        for ((out, gate), up) in out_row.iter_mut().zip(gates).zip(ups) {
            *out = silu(*gate) * up;
        }
        return;
    }
    let biases = gate_bias.iter().zip(up_bias);
    for (((out, gate), up), (gate_bias, up_bias)) in
        out_row.iter_mut().zip(gates).zip(ups).zip(biases)
    {
        *out = silu(gate + gate_bias) * (up + up_bias);
    }
}
