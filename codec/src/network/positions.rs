//! Position embeddings: the stored tables, in all their forms, as rows for a grid of patches or a line of registers.

use super::NetworkError;
use crate::config::{PositionConfig, PositionKind, PositionScaling};
use crate::weights::Weights;

/// A composed table of `[rows, columns]` embeddings; registers are one row.
pub(crate) struct PositionTable {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
    width: usize,
    scaling: PositionScaling,
}

impl PositionTable {
    /// Reads the table `name` (network.md section 3) and composes its separable forms.
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        config: &PositionConfig,
        width: usize,
    ) -> Result<Self, NetworkError> {
        let (rows, columns) = match *config.max_sizes.as_slice() {
            [rows, columns] => (rows, columns),
            _ => (1, config.max_sizes.iter().product()),
        };
        let planar = config.max_sizes.len() == 2;
        let separable = config.kind != PositionKind::Full;
        let stored = weights.try_shape(name);
        // A separable table is stored as long as its longest side; a full line may carry a leading dimension more.
        let expected = match (planar, separable) {
            (true, true) => vec![2, 1, width, rows.max(columns)],
            (true, false) => vec![1, width, rows, columns],
            (false, false) if stored.is_some_and(|shape| shape.len() == 3) => {
                vec![1, width, columns]
            }
            (false, _) => vec![1, 1, width, columns],
        };
        let stored = weights.tensor(name, &expected)?.to_f32();
        let length = rows.max(columns);
        let mut values = vec![0.0; rows * columns * width];
        for (position, embedding) in values.chunks_exact_mut(width).enumerate() {
            let (row, column) = (position / columns, position % columns);
            for (channel, value) in embedding.iter_mut().enumerate() {
                let side =
                    |axis: usize, index: usize| stored[(axis * width + channel) * length + index];
                *value = match (planar, config.kind) {
                    (true, PositionKind::SeparableSum) => side(0, row) + side(1, column),
                    (true, PositionKind::SeparableProduct) => side(0, row) * side(1, column),
                    _ => stored[channel * rows * columns + position],
                };
            }
        }
        Ok(Self {
            values,
            rows,
            columns,
            width,
            scaling: config.scaling,
        })
    }

    /// Embeddings `[rows·columns, width]` of a grid, cropped or resized as the model asks.
    pub(crate) fn grid(&self, rows: usize, columns: usize) -> Result<Vec<f32>, NetworkError> {
        if (rows, columns) == (self.rows, self.columns) {
            return Ok(self.values.clone());
        }
        match self.scaling {
            PositionScaling::Crop if rows > self.rows || columns > self.columns => {
                Err(NetworkError::Grid {
                    rows,
                    columns,
                    table: vec![self.rows, self.columns],
                })
            }
            PositionScaling::Crop => Ok((0..rows)
                .flat_map(|row| {
                    let start = row * self.columns * self.width;
                    self.values[start..start + columns * self.width]
                        .iter()
                        .copied()
                })
                .collect()),
            PositionScaling::Interpolate => Ok(self.interpolate(rows, columns)),
        }
    }

    /// Bilinear resize with aligned corners.
    fn interpolate(&self, rows: usize, columns: usize) -> Vec<f32> {
        let source = |index: usize, size: usize, stored: usize| {
            let position = if size > 1 {
                index as f32 * ((stored - 1) as f32 / (size - 1) as f32)
            } else {
                0.0
            };
            let low = (position as usize).min(stored - 1);
            (low, (low + 1).min(stored - 1), position - low as f32)
        };
        let at = |row: usize, column: usize| {
            &self.values[(row * self.columns + column) * self.width..][..self.width]
        };
        let mut out = Vec::with_capacity(rows * columns * self.width);
        for row in 0..rows {
            let (top, bottom, down) = source(row, rows, self.rows);
            for column in 0..columns {
                let (left, right, along) = source(column, columns, self.columns);
                let corners = at(top, left)
                    .iter()
                    .zip(at(top, right))
                    .zip(at(bottom, left))
                    .zip(at(bottom, right));
                out.extend(corners.map(|(((a, b), c), d)| {
                    let (upper, lower) =
                        (a * (1.0 - along) + b * along, c * (1.0 - along) + d * along);
                    upper * (1.0 - down) + lower * down
                }));
            }
        }
        out
    }
}
