//! Position embeddings: the stored tables, in all their forms, as rows for a grid of patches or a sequence of registers.

use super::builder::VarBuilder;
use super::{NetworkError, with_capacity};
use crate::config::{PositionConfig, PositionKind, PositionScaling};

/// A table of embeddings for `rows` × `columns` positions, as stored: a separable table is far smaller than all of
/// its sums or products, so only those of the current grid are computed. Registers are one row.
pub(crate) struct PositionTable {
    stored: Vec<f32>,
    /// How row and column embeddings are combined; always `Full` for registers.
    kind: PositionKind,
    rows: usize,
    columns: usize,
    width: usize,
    scaling: PositionScaling,
}

impl PositionTable {
    /// Reads the table of the position module at `vs` (network.md section 3).
    pub(crate) fn load<B>(
        vs: &VarBuilder<'_, B>,
        config: &PositionConfig,
        width: usize,
    ) -> Result<Self, NetworkError> {
        let (rows, columns) = match *config.max_sizes.as_slice() {
            [rows, columns] => (rows, columns),
            _ => (1, config.max_sizes.iter().product()),
        };
        let planar = config.max_sizes.len() == 2;
        let separable = config.kind != PositionKind::Full;
        let name = "posembs";
        let stored = vs.shape(name);
        // A separable table is stored as long as its longest side; a full line may carry a leading dimension more.
        let expected = match (planar, separable) {
            (true, true) => vec![2, 1, width, rows.max(columns)],
            (true, false) => vec![1, width, rows, columns],
            (false, false) if stored.is_some_and(|shape| shape.len() == 3) => {
                vec![1, width, columns]
            }
            (false, _) => vec![1, 1, width, columns],
        };
        let stored = vs.get(&expected, name)?.to_f32()?;
        let kind = if planar {
            config.kind
        } else {
            PositionKind::Full
        };
        let scaling = config.scaling;
        Ok(Self {
            stored,
            kind,
            rows,
            columns,
            width,
            scaling,
        })
    }

    /// The embedding of one position.
    fn embedding(&self, row: usize, column: usize) -> impl Iterator<Item = f32> + '_ {
        // Stored channel by channel, while a row of the network's input has the channels side by side.
        let length = self.rows.max(self.columns);
        let side = move |axis: usize, channel: usize, index: usize| {
            self.stored[(axis * self.width + channel) * length + index]
        };
        (0..self.width).map(move |channel| match self.kind {
            PositionKind::Full => self.stored[(channel * self.rows + row) * self.columns + column],
            PositionKind::SeparableSum => side(0, channel, row) + side(1, channel, column),
            PositionKind::SeparableProduct => side(0, channel, row) * side(1, channel, column),
        })
    }

    /// Embeddings `[rows·columns, width]` of a grid, cropped or resized as the model specifies.
    pub(crate) fn grid(&self, rows: usize, columns: usize) -> Result<Vec<f32>, NetworkError> {
        let same = (rows, columns) == (self.rows, self.columns);
        match self.scaling {
            PositionScaling::Crop if rows > self.rows || columns > self.columns => {
                Err(NetworkError::PositionTable {
                    rows,
                    columns,
                    table: vec![self.rows, self.columns],
                })
            }
            PositionScaling::Interpolate if !same => self.interpolate(rows, columns),
            _ => {
                let mut out = with_capacity(rows * columns * self.width)?;
                for position in 0..rows * columns {
                    out.extend(self.embedding(position / columns, position % columns));
                }
                Ok(out)
            }
        }
    }

    /// Bilinear resize with aligned corners: the first and last positions of both grids coincide.
    fn interpolate(&self, rows: usize, columns: usize) -> Result<Vec<f32>, NetworkError> {
        let source = |index: usize, size: usize, stored: usize| {
            let position = if size > 1 {
                index as f32 * ((stored - 1) as f32 / (size - 1) as f32)
            } else {
                0.0
            };
            let low = (position as usize).min(stored - 1);
            (low, (low + 1).min(stored - 1), position - low as f32)
        };
        let mut out = with_capacity(rows * columns * self.width)?;
        for row in 0..rows {
            let (top, bottom, down) = source(row, rows, self.rows);
            for column in 0..columns {
                let (left, right, along) = source(column, columns, self.columns);
                let corners = self
                    .embedding(top, left)
                    .zip(self.embedding(top, right))
                    .zip(self.embedding(bottom, left))
                    .zip(self.embedding(bottom, right));
                out.extend(corners.map(|(((a, b), c), d)| {
                    let (upper, lower) =
                        (a * (1.0 - along) + b * along, c * (1.0 - along) + d * along);
                    upper * (1.0 - down) + lower * down
                }));
            }
        }
        Ok(out)
    }
}
