//! Weights in the layout of the microkernels: panels of neighbouring outputs, in the element type they are stored in.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

use super::buffer::{Buffer, Pool, Pooled};
use super::microkernel::Panel;
use super::products::{Operands, Products, widened, word};
use crate::backend::LinearParts;
use crate::memory::zeroed;
use crate::{ComputeError, DType, Weight};

/// Panels, one after the other, each `[k][panel width]` with zeros beyond its last output.
enum Values {
    F32(Buffer),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    /// `[k in pairs][panel width]`: for products of bf16.
    Pairs(Vec<u32>),
}

/// Which outputs a panel computes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    /// First output.
    pub(super) start: usize,
    /// Number of outputs.
    pub(super) width: usize,
}

/// One or more weight matrices `[out, k]` on the same input, packed into panels; outputs stand side by side.
pub struct PackedLinear {
    values: Values,
    columns: Vec<Columns>,
    bias: Vec<f32>,
    k: usize,
    outputs: usize,
    panel_width: usize,
    products: Products,
}

/// Whether panels keep a 16-bit type that weights are stored in. Without an instruction that converts it, converting a
/// panel for every use costs more than twice the memory does.
const KEEPS_HALVES: bool = !cfg!(target_family = "wasm");

/// Writes the `k` values of an output: `fill(output, values, scratch)`.
type Fill<'a> = dyn Fn(usize, &mut [f32], &mut [f32]) + Sync + 'a;

/// The rows of the matrices that are to be packed.
pub(super) struct Source<'a> {
    pub(super) fill: &'a Fill<'a>,
    /// Floats that `fill` needs to work in.
    pub(super) scratch: usize,
}

impl PackedLinear {
    /// Packs `sizes[i]` outputs of each part i; a panel never spans two parts. `source` gives the row of an output, in
    /// numbers that `dtype` represents exactly.
    pub(super) fn pack(
        products: Products,
        dtype: DType,
        k: usize,
        sizes: &[usize],
        bias: Vec<f32>,
        source: &Source<'_>,
    ) -> Result<Self, ComputeError> {
        let panel_width = products.kernels.panel_width();
        let mut columns = Vec::new();
        let mut outputs = 0;
        for &size in sizes {
            for start in (0..size).step_by(panel_width) {
                columns.push(Columns {
                    start: outputs + start,
                    width: panel_width.min(size - start),
                });
            }
            outputs += size;
        }
        let layout = Layout {
            columns: &columns,
            width: panel_width,
            k,
        };
        let len = k * panel_width * columns.len();
        let kept = if KEEPS_HALVES { dtype } else { DType::F32 };
        let values = match (products.operands, kept) {
            (Operands::Pairs | Operands::Widened, _) => {
                let mut packed = zeroed(k.div_ceil(2) * panel_width * columns.len())?;
                layout.pack(&mut packed, source, |row, pair| {
                    word([row[2 * pair], row.get(2 * pair + 1).map_or(0.0, |&odd| odd)])
                })?;
                Values::Pairs(packed)
            }
            (Operands::Single, DType::F32) => {
                let mut buffer = Buffer::zeros(len)?;
                layout.pack(&mut buffer, source, |row, k| row[k])?;
                Values::F32(buffer)
            }
            (Operands::Single, DType::F16) => {
                let mut packed = zeroed(len)?;
                layout.pack(&mut packed, source, |row, k| f16::from_f32(row[k]))?;
                Values::F16(packed)
            }
            (Operands::Single, DType::BF16) => {
                let mut packed = zeroed(len)?;
                layout.pack(&mut packed, source, |row, k| bf16::from_f32(row[k]))?;
                Values::Bf16(packed)
            }
        };
        Ok(Self {
            values,
            columns,
            bias,
            k,
            outputs,
            panel_width,
            products,
        })
    }

    /// Packs `[out, in]` weights with optional biases.
    pub(super) fn from_weights(
        products: Products,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<Self, ComputeError> {
        let LinearParts {
            inputs: k,
            sizes,
            bias,
        } = LinearParts::new(parts)?;
        let first = parts
            .first()
            .map_or(DType::F32, |(weight, _)| weight.dtype());
        let same = parts.iter().all(|(weight, _)| weight.dtype() == first);
        // Parts share one array; f32 holds values of all types exactly.
        let dtype = if same { first } else { DType::F32 };
        let fill = |output: usize, row: &mut [f32], _: &mut [f32]| {
            let mut output = output;
            for ((weight, _), &size) in parts.iter().zip(&sizes) {
                if output < size {
                    return weight.read_f32(output * k, row);
                }
                output -= size;
            }
        };
        let source = Source {
            fill: &fill,
            scratch: 0,
        };
        Self::pack(products, dtype, k, &sizes, bias, &source)
    }

    /// The kernels that its panels are for, and the form of the other operand.
    pub(super) fn products(&self) -> Products {
        self.products
    }

    /// Number of inputs.
    pub(super) fn inputs(&self) -> usize {
        self.k
    }

    /// Number of outputs.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of panels.
    pub(super) fn panels(&self) -> usize {
        self.columns.len()
    }

    /// Whether the weights are two parts of the same size, panel by panel.
    pub(super) fn has_equal_halves(&self) -> bool {
        let (first, second) = self.columns.split_at(self.columns.len() / 2);
        let half = self.outputs / 2;
        first.len() == second.len()
            && self.outputs.is_multiple_of(2)
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

    /// A panel's values in the form that the kernels take, from a converted copy where they are stored in another.
    pub(super) fn panel<'a>(
        &'a self,
        pool: &'a Pool,
        panel: usize,
    ) -> Result<PanelValues<'a>, ComputeError> {
        let k = self.products.operands.floats(self.k);
        let len = k * self.panel_width;
        let range = panel * len..(panel + 1) * len;
        let view = |values: *const f32| Panel {
            values,
            stride: self.panel_width,
            k,
            width: self.columns[panel].width,
        };
        Ok(match &self.values {
            Values::F32(values) => PanelValues {
                panel: view(values[range].as_ptr()),
                _converted: None,
            },
            Values::F16(values) => {
                let mut converted = pool.take_in_task(len)?;
                values[range].convert_to_f32_slice(&mut converted);
                PanelValues {
                    panel: view(converted.as_ptr()),
                    _converted: Some(converted),
                }
            }
            Values::Bf16(values) => {
                let mut converted = pool.take_in_task(len)?;
                for (out, value) in converted.iter_mut().zip(&values[range]) {
                    // bf16 is the upper half of an f32; this loop vectorises.
                    *out = f32::from_bits(u32::from(value.to_bits()) << 16);
                }
                PanelValues {
                    panel: view(converted.as_ptr()),
                    _converted: Some(converted),
                }
            }
            Values::Pairs(words) if self.products.operands == Operands::Pairs => PanelValues {
                panel: view(words[range].as_ptr().cast()),
                _converted: None,
            },
            Values::Pairs(words) => {
                let mut converted = pool.take_in_task(len)?;
                let words = words[range.start / 2..range.end / 2].chunks_exact(self.panel_width);
                for (rows, words) in converted.chunks_exact_mut(2 * self.panel_width).zip(words) {
                    let (odd, even) = rows.split_at_mut(self.panel_width);
                    for ((odd, even), &word) in odd.iter_mut().zip(even).zip(words) {
                        [*odd, *even] = widened(word);
                    }
                }
                PanelValues {
                    panel: view(converted.as_ptr()),
                    _converted: Some(converted),
                }
            }
        })
    }
}

/// A panel ready for the kernels; the pointer lives as long as this does.
pub(super) struct PanelValues<'a> {
    panel: Panel,
    _converted: Option<Pooled<'a>>,
}

impl PanelValues<'_> {
    /// The whole panel.
    pub(super) fn whole(&self) -> Panel {
        self.panel
    }

    /// Rows `start..start + k` of the panel.
    pub(super) fn rows(&self, start: usize, k: usize) -> Panel {
        assert!(start + k <= self.panel.k, "rows beyond the panel");
        Panel {
            values: self.panel.values.wrapping_add(start * self.panel.stride),
            k,
            ..self.panel
        }
    }
}

/// How the outputs of panels lie.
struct Layout<'a> {
    columns: &'a [Columns],
    /// Outputs of a full panel.
    width: usize,
    k: usize,
}

impl Layout<'_> {
    /// Transposes the outputs of each panel into place, a block of rows at a time so that both sides stay in cache:
    /// `element(row, i)` is element i of an output, of the `k` values of its row.
    fn pack<T: Send>(
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
            .par_chunks_mut(packed.len() / self.columns.len())
            .zip(self.columns)
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
                    for (inner, target) in panel.chunks_exact_mut(self.width).enumerate() {
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
