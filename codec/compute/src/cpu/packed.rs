//! Weights in the layout of the microkernels: panels of neighbouring outputs, in the element type they are stored in.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::buffer::{Buffer, Pool, Pooled};
use super::microkernel::Panel;
use super::outputs::{Outputs, Source, read_row};
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

/// One or more weight matrices `[out, k]` on the same input, packed into panels; outputs stand side by side.
pub(super) struct PackedLinear {
    values: Values,
    outputs: Outputs,
    products: Products,
}

/// Whether panels keep a 16-bit type that weights are stored in. Without an instruction that converts it, converting a
/// panel for every use costs more than twice the memory does.
const KEEPS_HALVES: bool = !cfg!(target_family = "wasm");

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
        let outputs = Outputs::new(k, sizes, panel_width, bias);
        let len = k * panel_width * outputs.panels();
        let kept = if KEEPS_HALVES { dtype } else { DType::F32 };
        let values = match (products.operands, kept) {
            (Operands::Pairs | Operands::Widened, _) => {
                let mut packed = zeroed(k.div_ceil(2) * panel_width * outputs.panels())?;
                outputs.pack(&mut packed, source, |row, pair| {
                    word([row[2 * pair], row.get(2 * pair + 1).map_or(0.0, |&odd| odd)])
                })?;
                Values::Pairs(packed)
            }
            (Operands::Single, DType::F32) => {
                let mut buffer = Buffer::zeros(len)?;
                outputs.pack(&mut buffer, source, |row, k| row[k])?;
                Values::F32(buffer)
            }
            (Operands::Single, DType::F16) => {
                let mut packed = zeroed(len)?;
                outputs.pack(&mut packed, source, |row, k| f16::from_f32(row[k]))?;
                Values::F16(packed)
            }
            (Operands::Single, DType::BF16) => {
                let mut packed = zeroed(len)?;
                outputs.pack(&mut packed, source, |row, k| bf16::from_f32(row[k]))?;
                Values::Bf16(packed)
            }
        };
        Ok(Self {
            values,
            outputs,
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
        let fill = |output: usize, row: &mut [f32], _: &mut [f32]| read_row(parts, output, row);
        let source = Source {
            fill: &fill,
            scratch: 0,
        };
        Self::pack(products, dtype, k, &sizes, bias, &source)
    }

    pub(super) fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// The kernels that its panels are for, and the form of the other operand.
    pub(super) fn products(&self) -> Products {
        self.products
    }

    /// A panel's values in the form that the kernels take, from a converted copy where they are stored in another.
    pub(super) fn panel<'a>(
        &'a self,
        pool: &'a Pool,
        panel: usize,
    ) -> Result<PanelValues<'a>, ComputeError> {
        let k = self.products.operands.floats(self.outputs.inputs());
        let panel_width = self.outputs.panel_width();
        let len = k * panel_width;
        let range = panel * len..(panel + 1) * len;
        let view = |values: *const f32| Panel {
            values,
            stride: panel_width,
            k,
            width: self.outputs.columns(panel).width,
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
                let words = words[range.start / 2..range.end / 2].chunks_exact(panel_width);
                for (rows, words) in converted.chunks_exact_mut(2 * panel_width).zip(words) {
                    let (odd, even) = rows.split_at_mut(panel_width);
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
