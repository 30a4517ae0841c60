//! The outputs of linear layers: which panel computes which, their biases, and how weights get into panels.

use rayon::prelude::*;

use super::buffer::Buffer;
use crate::{ComputeError, Weight};

/// Which outputs a panel computes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    /// First output.
    pub(super) start: usize,
    /// Number of outputs.
    pub(super) width: usize,
}

/// Writes the `k` values of an output: `fill(output, values, scratch)`.
type Fill<'a> = dyn Fn(usize, &mut [f32], &mut [f32]) + Sync + 'a;

/// The rows of the matrices that are to be packed.
pub(super) struct Source<'a> {
    pub(super) fill: &'a Fill<'a>,
    /// Floats that `fill` needs to work in.
    pub(super) scratch: usize,
}

/// The outputs of one or more layers on the same input, side by side, in panels of neighbours.
pub(super) struct Outputs {
    columns: Vec<Columns>,
    bias: Vec<f32>,
    k: usize,
    count: usize,
    panel_width: usize,
}

impl Outputs {
    /// `sizes[i]` outputs of each part i, of `k` inputs; a panel never spans two parts. `bias` has one for each output, or
    /// none.
    pub(super) fn new(k: usize, sizes: &[usize], panel_width: usize, bias: Vec<f32>) -> Self {
        let mut columns = Vec::new();
        let mut count = 0;
        for &size in sizes {
            for start in (0..size).step_by(panel_width) {
                columns.push(Columns {
                    start: count + start,
                    width: panel_width.min(size - start),
                });
            }
            count += size;
        }
        Self {
            columns,
            bias,
            k,
            count,
            panel_width,
        }
    }

    /// Number of inputs.
    pub(super) fn inputs(&self) -> usize {
        self.k
    }

    /// Number of outputs.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Number of panels.
    pub(super) fn panels(&self) -> usize {
        self.columns.len()
    }

    /// Outputs of a full panel.
    pub(super) fn panel_width(&self) -> usize {
        self.panel_width
    }

    /// Whether there are two parts of the same size, panel by panel.
    pub(super) fn has_equal_halves(&self) -> bool {
        let (first, second) = self.columns.split_at(self.columns.len() / 2);
        let half = self.count / 2;
        first.len() == second.len()
            && self.count.is_multiple_of(2)
            && first.iter().zip(second).all(|(a, b)| {
                b.start == a.start + half && b.width == a.width && a.start + a.width <= half
            })
    }

    /// The outputs of a panel.
    pub(super) fn columns(&self, panel: usize) -> Columns {
        self.columns[panel]
    }

    /// The biases of a panel's outputs; empty if there are none.
    pub(super) fn bias(&self, panel: usize) -> &[f32] {
        if self.bias.is_empty() {
            return &[];
        }
        let Columns { start, width } = self.columns[panel];
        &self.bias[start..start + width]
    }

    /// Transposes the outputs of each panel into place, a block of rows at a time so that both sides stay in cache:
    /// `element(row, i)` is element i of an output, of the `k` values of its row.
    pub(super) fn pack<T: Send>(
        &self,
        packed: &mut [T],
        source: &Source<'_>,
        element: impl Fn(&[f32], usize) -> T + Sync,
    ) -> Result<(), ComputeError> {
        if packed.is_empty() {
            return Ok(());
        }
        let k = self.k;
        packed
            .par_chunks_mut(packed.len() / self.panels())
            .zip(&self.columns)
            .try_for_each(|(panel, columns)| {
                // 16 outputs fill the cache line that each row of the panel writes in f32.
                const ROWS: usize = 16;
                let mut memory = Buffer::zeros(ROWS * k + source.scratch)?;
                let (rows, scratch) = memory.split_at_mut(ROWS * k);
                for first in (0..columns.width).step_by(ROWS) {
                    let count = ROWS.min(columns.width - first);
                    for (index, row) in rows.chunks_exact_mut(k).take(count).enumerate() {
                        (source.fill)(columns.start + first + index, row, scratch);
                    }
                    for (inner, target) in panel.chunks_exact_mut(self.panel_width).enumerate() {
                        let target = &mut target[first..first + count];
                        for (value, row) in target.iter_mut().zip(rows.chunks_exact(k)) {
                            *value = element(row, inner);
                        }
                    }
                }
                Ok(())
            })
    }
}

/// Row `output` of matrices `[out, k]` that stand side by side.
pub(super) fn read_row(parts: &[(&Weight, Option<&Weight>)], output: usize, row: &mut [f32]) {
    let mut output = output;
    for (weight, _) in parts {
        let size = weight.shape()[0];
        if output < size {
            return weight.read_f32(output * row.len(), row);
        }
        output -= size;
    }
}
