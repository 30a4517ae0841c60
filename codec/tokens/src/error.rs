//! What can be wrong with tables, grids and coefficients: one variant per rule, with the values involved.

use crate::Band;

/// Why tables, a grid or coefficients were refused, or that memory is exhausted. No bytes of a stream are ever refused.
///
/// Messages are single lower-case lines that state the value found and what is allowed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A side of the grid has no block, or more than 255.
    #[error("a grid of {rows}x{columns} blocks is not possible: 1 to 255 a side")]
    GridSize {
        /// Blocks high.
        rows: usize,
        /// Blocks wide.
        columns: usize,
    },
    /// The number of coefficients is not that of the grid.
    #[error("{found} coefficients were given for a grid that has {expected}")]
    CoefficientCount {
        /// Coefficients that were given.
        found: usize,
        /// Coefficients of the grid.
        expected: usize,
    },
    /// A coefficient is infinite or not a number.
    #[error("a coefficient of {band}, number {index}, is {value}: only finite ones can be coded")]
    NonFinite {
        /// The band that the coefficient belongs to.
        band: Band,
        /// Its place in the band.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// The system does not have the memory that a grid needs.
    #[error("out of memory: {bytes} bytes more are needed")]
    OutOfMemory {
        /// Bytes that were not there.
        bytes: usize,
    },
    /// A table has another number of elements than its shape says.
    #[error("table {table} has {found} elements instead of {expected}: use an intact model")]
    TableLength {
        /// Name of the table.
        table: &'static str,
        /// Elements it has.
        found: usize,
        /// Elements it needs.
        expected: usize,
    },
    /// An element of a table is out of range.
    #[error(
        "element {index} of table {table} is {found}, allowed are {min} to {max}: use an intact model"
    )]
    TableValue {
        /// Name of the table.
        table: &'static str,
        /// Index of the element.
        index: usize,
        /// Its value.
        found: i64,
        /// Least value there.
        min: i64,
        /// Largest value there.
        max: i64,
    },
    /// A row of the table `order` has no gain at its first plane, one before that or after a gap, or gains that rise.
    #[error(
        "row {row} of table order is wrong at plane {plane}: gains start at plane {first}, without a gap, \
         and never rise; use an intact model"
    )]
    TableOrder {
        /// The row, 0 to 143.
        row: usize,
        /// The plane at fault.
        plane: usize,
        /// The first plane of the row.
        first: usize,
    },
}
