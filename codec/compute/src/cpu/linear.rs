//! Linear layers and the gated MLP: panels of outputs times blocks of rows, with the epilogue while they are in cache.

use super::buffer::{CpuTensor, Pool};
use super::math::silu;
use super::microkernel::{Kernels, RowBlock, SharedMut, multiply};
use super::packed::PackedLinear;
use crate::backend::{Epilogue, ModulationVector};
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;

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
    pub(super) fn for_each(&self, task: impl Fn(usize, Range<usize>) + Sync + Send) {
        (0..self.panels * self.row_tasks)
            .into_par_iter()
            .with_max_len(1)
            .for_each(|index| {
                let start = self.rows.start + index % self.row_tasks * self.rows_per_task;
                let end = self.rows.end.min(start + self.rows_per_task);
                task(index / self.row_tasks, start..end);
            });
    }
}

/// What the operations of this file need of the engine.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) kernels: Kernels,
    pub(super) arch: Arch,
    pub(super) pool: &'a Pool,
    pub(super) threads: usize,
}

/// See [`crate::Backend::linear`].
pub(super) fn linear(
    context: Context<'_>,
    x: &CpuTensor,
    rows: Range<usize>,
    weights: &PackedLinear,
    epilogue: &Epilogue<'_, CpuTensor>,
    out: &mut CpuTensor,
) {
    let (k, columns) = (weights.inputs(), weights.outputs());
    let x_values = &x.values()[rows.start * k..rows.end * k];
    assert_eq!(
        (x.columns(), out.columns()),
        (k, columns),
        "linear layer on other widths"
    );
    assert!(
        out.values().len() >= rows.end * columns,
        "linear layer on more rows than its output has"
    );
    let target = SharedMut::new(out.values_mut());
    Tiling::new(rows.clone(), weights.panels(), context.threads).for_each(|panel, task_rows| {
        let place = weights.columns(panel);
        let values = weights.panel(context.pool, panel);
        let direct = matches!(epilogue, Epilogue::Store | Epilogue::Silu);
        let mut scratch = (!direct).then(|| context.pool.take(CHUNK * place.width));
        for first in task_rows.clone().step_by(CHUNK) {
            let count = CHUNK.min(task_rows.end - first);
            let (products, stride) = match &mut scratch {
                Some(scratch) => (scratch.as_mut_ptr(), place.width),
                None => (target.at(first * columns + place.start), columns),
            };
            let block = RowBlock {
                x: x_values[(first - rows.start) * k..].as_ptr(),
                x_stride: k,
                out: products,
                out_stride: stride,
                count,
                accumulate: false,
            };
            // SAFETY: the panel is whole; `count` rows of `k` floats follow in `x_values`; the products go to a scratch
            // of CHUNK·width, or to this task's own panel columns and rows of `out`, whose size was checked above.
            #[allow(unsafe_code)]
            unsafe {
                multiply(context.kernels, values.whole(), block);
            }
            for index in 0..count {
                let row = first + index;
                // SAFETY: row and columns belong to this task alone.
                #[allow(unsafe_code)]
                let out_row = unsafe { target.slice(row * columns + place.start, place.width) };
                let products = scratch
                    .as_deref()
                    .map(|all| &all[index * place.width..(index + 1) * place.width]);
                let range = place.start..place.start + place.width;
                context.arch.dispatch(Finish {
                    epilogue,
                    bias: weights.bias(panel),
                    row,
                    range,
                    products,
                    out_row,
                });
            }
        }
    });
}

/// The epilogue of one row of one panel.
struct Finish<'a, 'b> {
    epilogue: &'a Epilogue<'b, CpuTensor>,
    bias: &'a [f32],
    row: usize,
    range: Range<usize>,
    products: Option<&'a [f32]>,
    out_row: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Finish<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self {
            epilogue,
            bias,
            row,
            range,
            products,
            out_row,
        } = self;
        let products = products.unwrap_or(&[]);
        let bias_at = |index: usize| if bias.is_empty() { 0.0 } else { bias[index] };
        match epilogue {
            Epilogue::Store if bias.is_empty() => {}
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
                let start = row * other.columns();
                let other = &other.values()[start + range.start..start + range.end];
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
                let gate = modulation_row(gate, row, range);
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
    weights: &PackedLinear,
    out: &mut CpuTensor,
) {
    let (k, columns) = (weights.inputs(), weights.outputs() / 2);
    let panels = weights.panels() / 2;
    let x_values = &x.values()[rows.start * k..rows.end * k];
    assert_eq!(
        (x.columns(), out.columns()),
        (k, columns),
        "gated MLP on other widths"
    );
    assert!(
        out.values().len() >= rows.end * columns,
        "gated MLP on more rows than its output has"
    );
    let target = SharedMut::new(out.values_mut());
    Tiling::new(rows.clone(), panels, context.threads).for_each(|panel, task_rows| {
        let place = weights.columns(panel);
        let gate = weights.panel(context.pool, panel);
        let up = weights.panel(context.pool, panels + panel);
        let mut scratch = context.pool.take(2 * CHUNK * place.width);
        let (gates, ups) = scratch.split_at_mut(CHUNK * place.width);
        for first in task_rows.clone().step_by(CHUNK) {
            let count = CHUNK.min(task_rows.end - first);
            let x = x_values[(first - rows.start) * k..].as_ptr();
            for (values, products) in [(&gate, &mut *gates), (&up, &mut *ups)] {
                let out = products.as_mut_ptr();
                let block = RowBlock {
                    x,
                    x_stride: k,
                    out,
                    out_stride: place.width,
                    count,
                    accumulate: false,
                };
                // SAFETY: both panels are whole and of the same width, since the parts have the same size; `count` rows
                // of `k` floats follow in `x_values`; each half of the scratch has CHUNK·width floats.
                #[allow(unsafe_code)]
                unsafe {
                    multiply(context.kernels, values.whole(), block);
                }
            }
            for index in 0..count {
                // SAFETY: row and columns belong to this task alone and are inside `out`, whose size was checked above.
                #[allow(unsafe_code)]
                let out_row =
                    unsafe { target.slice((first + index) * columns + place.start, place.width) };
                let range = index * place.width..(index + 1) * place.width;
                context.arch.dispatch(Gate {
                    gates: &gates[range.clone()],
                    gate_bias: weights.bias(panel),
                    ups: &ups[range],
                    up_bias: weights.bias(panels + panel),
                    out_row,
                });
            }
        }
    });
}

/// `SiLU(gate) ⊙ up` of one row of one panel.
struct Gate<'a> {
    gates: &'a [f32],
    gate_bias: &'a [f32],
    ups: &'a [f32],
    up_bias: &'a [f32],
    out_row: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        if self.gate_bias.is_empty() {
            for ((out, gate), up) in self.out_row.iter_mut().zip(self.gates).zip(self.ups) {
                *out = silu(*gate) * up;
            }
            return;
        }
        let biases = self.gate_bias.iter().zip(self.up_bias);
        for (((out, gate), up), (gate_bias, up_bias)) in self
            .out_row
            .iter_mut()
            .zip(self.gates)
            .zip(self.ups)
            .zip(biases)
        {
            *out = silu(gate + gate_bias) * (up + up_bias);
        }
    }
}
