//! Linear layers as operations use them: panels of outputs times blocks of rows, in whatever element type a layer multiplies.

use super::context::Context;
use super::int8::{Int8Linear, Int8Panel, Int8Rows};
use super::microkernel::{Kernels, RowBlock, multiply};
use super::outputs::Outputs;
use super::packed::{PackedLinear, PanelValues};
use super::products::Rows;
use crate::ComputeError;

/// One or more linear layers on the same input, prepared for the engine; outputs stand side by side.
pub struct PackedLayer(Weights);

enum Weights {
    Floats(PackedLinear),
    Int8(Int8Linear),
}

impl From<PackedLinear> for PackedLayer {
    fn from(weights: PackedLinear) -> Self {
        Self(Weights::Floats(weights))
    }
}

impl From<Int8Linear> for PackedLayer {
    fn from(weights: Int8Linear) -> Self {
        Self(Weights::Int8(weights))
    }
}

impl PackedLayer {
    pub(super) fn outputs(&self) -> &Outputs {
        match &self.0 {
            Weights::Floats(weights) => weights.outputs(),
            Weights::Int8(weights) => weights.outputs(),
        }
    }

    /// The layer on the rows `x`, of as many floats each as it has inputs.
    pub(super) fn on<'a>(
        &'a self,
        context: Context<'a>,
        x: &'a [f32],
    ) -> Result<LayerOnRows<'a>, ComputeError> {
        let operands = match &self.0 {
            Weights::Floats(weights) => {
                let k = weights.outputs().inputs();
                let rows = weights.products().rows(context, x, k)?;
                OnRows::Floats(weights, rows)
            }
            Weights::Int8(weights) => OnRows::Int8(weights, weights.rows(context, x)?),
        };
        Ok(LayerOnRows { context, operands })
    }
}

/// A layer and the rows that it is applied to, in its element type.
pub(super) struct LayerOnRows<'a> {
    context: Context<'a>,
    operands: OnRows<'a>,
}

enum OnRows<'a> {
    Floats(&'a PackedLinear, Rows<'a>),
    Int8(&'a Int8Linear, Int8Rows<'a>),
}

impl LayerOnRows<'_> {
    /// The outputs of a panel.
    pub(super) fn panel(&self, panel: usize) -> Result<LayerPanel<'_>, ComputeError> {
        Ok(match &self.operands {
            OnRows::Floats(weights, rows) => {
                let products = weights.products();
                let values = weights.panel(self.context.pool, panel)?;
                LayerPanel {
                    values: Values::Floats(products.kernels, values),
                    rows,
                    stride: products.operands.floats(weights.outputs().inputs()),
                }
            }
            OnRows::Int8(weights, rows) => LayerPanel {
                values: Values::Int8(weights.panel(self.context, panel, rows)?),
                rows: &rows.values,
                stride: rows.stride,
            },
        })
    }
}

/// A panel of a layer and the rows that it is applied to.
pub(super) struct LayerPanel<'a> {
    values: Values<'a>,
    rows: &'a [f32],
    /// Floats from one row to the next.
    stride: usize,
}

enum Values<'a> {
    Floats(Kernels, PanelValues<'a>),
    Int8(Int8Panel<'a>),
}

impl LayerPanel<'_> {
    /// The products of `count` rows from `first` on, without biases, at `out` and `out_stride` floats further for each row.
    ///
    /// # Safety
    /// The panel's outputs of each of these rows must be writable, and be nobody else's.
    #[allow(unsafe_code)]
    pub(super) unsafe fn multiply(
        &self,
        first: usize,
        count: usize,
        out: *mut f32,
        out_stride: usize,
    ) -> Result<(), ComputeError> {
        let block = RowBlock {
            x: self.rows[first * self.stride..(first + count) * self.stride].as_ptr(),
            x_stride: self.stride,
            out,
            out_stride,
            count,
            accumulate: false,
        };
        // SAFETY: panels are whole, and `rows` holds `count` rows of their length; the caller vouches for `out`.
        unsafe {
            match &self.values {
                Values::Floats(kernels, values) => multiply(*kernels, values.whole(), block),
                Values::Int8(panel) => panel.multiply(first, block)?,
            }
        }
        Ok(())
    }
}
