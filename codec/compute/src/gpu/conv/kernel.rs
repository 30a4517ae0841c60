//! The product's kernel, a tile for each cube; the parent module documents geometry and cost.

use cubecl::prelude::*;

/// Values of k that are staged at a time.
const DEPTH: usize = 16;

/// Four values side by side.
type Four<T> = Vector<T, Const<4>>;

/// The shape of a cube's tile, in vectors of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    /// Vectors of pixels.
    pub(super) rows: usize,
    /// Vectors of output channels.
    pub(super) columns: usize,
    /// Vectors of pixels that each unit computes, for one vector of channels.
    unit_rows: usize,
}

/// For many outputs.
pub(super) const WIDE: Tile = Tile {
    rows: 16,
    columns: 16,
    unit_rows: 2,
};

/// For few outputs.
pub(super) const NARROW: Tile = Tile {
    rows: 32,
    columns: 4,
    unit_rows: 1,
};

impl Tile {
    /// Units of a cube.
    pub(super) fn units(self) -> usize {
        self.rows / self.unit_rows * self.columns
    }

    /// Vectors from one value of k to the next of the staged pixels: one more than there are, so that what neighbouring
    /// units write is in different banks.
    fn x_row(self) -> usize {
        self.rows + 1
    }

    /// Vectors of pixels that each unit stages, all for one value of k, and the distance between them.
    fn x_share(self) -> (usize, usize) {
        (self.rows * DEPTH / self.units(), self.units() / DEPTH)
    }

    /// Vectors of weights that each unit stages, all of one column, and the distance between them.
    fn w_share(self) -> (usize, usize) {
        let count = (DEPTH * self.columns).div_ceil(self.units());
        (count, self.units() / self.columns)
    }

    /// Whether all of a unit's share of the weights is in the tile.
    fn w_share_is_whole(self) -> bool {
        self.w_share().0 * self.units() == DEPTH * self.columns
    }

    /// Distance between the vectors of pixels that a unit computes.
    fn row_step(self) -> usize {
        self.rows / self.unit_rows
    }
}

/// What is outside the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Border {
    Zero,
    Reflection,
}

/// What happens with a sum before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Finish {
    Store,
    Silu,
    Add,
    GatedAdd,
}

impl Finish {
    /// Whether the sum is added to what is there.
    pub(super) fn adds(self) -> bool {
        matches!(self, Self::Add | Self::GatedAdd)
    }
}

/// What a kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    /// Side of the kernel, the folded one's where the image is doubled.
    pub(super) kernel: u32,
    pub(super) border: Border,
    pub(super) doubling: bool,
    pub(super) finish: Finish,
    pub(super) tile: Tile,
}

/// The sizes of one launch.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Sizes {
    height: u32,
    width: u32,
    inputs: u32,
    /// Output pixels of one parity.
    pixels: u32,
    /// Those of them in a row.
    grid: u32,
    outputs: u32,
    /// The output that the weights begin with.
    first: u32,
    /// Vectors of outputs in the weights.
    columns: u32,
    /// Tiles side by side.
    tiles: u32,
    stride: u32,
    pad: u32,
    /// Where the gates begin.
    first_gate: u32,
}

/// Where a cube's tile lies in the product.
#[derive(CubeType)]
struct TilePosition {
    /// `2·parity_y + parity_x`.
    parity: u32,
    parity_y: u32,
    parity_x: u32,
    /// The first of the parity's pixels.
    pixel: u32,
    /// The vector of channels that this unit stages and computes.
    column: u32,
}

/// The position of this cube's tile and this unit's column.
#[cube]
fn tile_position(sizes: &Sizes, #[comptime] variant: Variant) -> TilePosition {
    let cube = CUBE_POS as u32;
    // Cubes side by side share their pixels and differ in output channels, so that the image comes from the cache.
    let column_tile = cube % sizes.tiles;
    let mut row_tile = cube / sizes.tiles;
    let mut parity = 0u32;
    if comptime![variant.doubling] {
        parity = row_tile % 4;
        row_tile /= 4;
    }
    let columns = comptime!(variant.tile.columns as u32);
    TilePosition {
        parity,
        parity_y: parity / 2,
        parity_x: parity % 2,
        pixel: row_tile * comptime!(variant.tile.rows as u32 * 4),
        column: column_tile * columns + UNIT_POS % columns,
    }
}

/// The source of the position `tile_position` of an axis that has `pad` pixels of border before `size` pixels, and
/// whether there is one.
#[cube]
fn source(tile_position: u32, pad: u32, size: u32, #[comptime] border: Border) -> (u32, bool) {
    if comptime![border == Border::Reflection] {
        let mut index = tile_position - pad;
        if tile_position < pad {
            index = pad - tile_position;
        }
        // The border pixel itself is not repeated: `size` maps to `size − 2`.
        if index >= size {
            index = 2 * (size - 1) - index;
        }
        (index, true.runtime())
    } else {
        // Before the image, the difference wraps around to more than any size.
        let index = tile_position - pad;
        (index, index < size)
    }
}

/// The rows and columns of the image, border included, at which the kernel begins for the pixels that this unit stages.
#[cube]
fn find_pixels(
    ys: &mut Array<u32>,
    xs: &mut Array<u32>,
    tile_position: &TilePosition,
    sizes: &Sizes,
    #[comptime] tile: Tile,
) {
    let first = UNIT_POS / comptime!(DEPTH as u32);
    let (count, step) = comptime!(tile.x_share());
    #[unroll]
    for index in 0..count {
        #[unroll]
        for lane in 0..4usize {
            let vector = first + comptime!((index * step) as u32);
            let mut pixel = tile_position.pixel + vector * 4 + comptime!(lane as u32);
            if pixel >= sizes.pixels {
                // Computed like any other, but not stored.
                pixel = sizes.pixels - 1;
            }
            let at = comptime!(index * 4 + lane);
            ys[at] = pixel / sizes.grid * sizes.stride + tile_position.parity_y;
            xs[at] = pixel % sizes.grid * sizes.stride + tile_position.parity_x;
        }
    }
}

/// Stages the pixels for the values of k from `start` on: this unit one value for its share of the tile's pixels.
#[cube]
fn stage_pixels<X: Float>(
    x: &[X],
    staged: &mut Shared<[Four<f32>]>,
    ys: &Array<u32>,
    xs: &Array<u32>,
    sizes: &Sizes,
    start: u32,
    depth: u32,
    #[comptime] variant: Variant,
) {
    let (border, kernel) = comptime!((variant.border, variant.kernel));
    let (count, step) = comptime!(variant.tile.x_share());
    let line = UNIT_POS as usize % DEPTH;
    let vector = UNIT_POS as usize / DEPTH;
    // k counts (tap row, tap column, channel), channels fastest, as the weights do. Neighbouring units have
    // neighbouring k, hence neighbouring channels of one pixel.
    let k = start + line as u32;
    let tap = k / sizes.inputs;
    let channel = k % sizes.inputs;
    let tap_y = tap / kernel;
    let tap_x = tap % kernel;
    #[unroll]
    for index in 0..count {
        let mut values = Four::<f32>::new(0.0f32);
        #[unroll]
        for lane in 0..4usize {
            let at = comptime!(index * 4 + lane);
            let (row, in_rows) = source(ys[at] + tap_y, sizes.pad, sizes.height, border);
            let (column, in_columns) = source(xs[at] + tap_x, sizes.pad, sizes.width, border);
            // Beyond `depth` both operands are zero, so that `multiply_add` needs no bounds.
            if in_rows && in_columns && k < depth {
                let at = (row * sizes.width + column) * sizes.inputs + channel;
                values.insert(lane, f32::cast_from(x[at as usize]));
            }
        }
        staged[line * comptime!(variant.tile.x_row()) + vector + comptime!(index * step)] = values;
    }
}

/// Stages the weights for the values of k from `start` on: this unit its column for some of the values.
#[cube]
fn stage_weights<W: Float>(
    weights: &[Four<W>],
    staged: &mut Shared<[Four<f32>]>,
    tile_position: &TilePosition,
    sizes: &Sizes,
    start: u32,
    depth: u32,
    #[comptime] tile: Tile,
) {
    let columns = comptime!(tile.columns);
    let (count, step) = comptime!(tile.w_share());
    // Each parity's folded kernel is a block of `depth` rows.
    let first = tile_position.parity * depth * sizes.columns;
    #[unroll]
    for index in 0..count {
        let line = UNIT_POS as usize / columns + comptime!(index * step);
        if comptime!(tile.w_share_is_whole()) || line < DEPTH {
            let k = start + line as u32;
            let mut values = Four::<f32>::new(0.0f32);
            if k < depth && tile_position.column < sizes.columns {
                let at = first + k * sizes.columns + tile_position.column;
                values = Four::<f32>::cast_from(weights[at as usize]);
            }
            staged[line * columns + UNIT_POS as usize % columns] = values;
        }
    }
}

/// Adds the products of what is staged to this unit's sums, a vector of channels for each of its pixels.
#[cube]
fn multiply_add(
    pixels: &Shared<[Four<f32>]>,
    weights: &Shared<[Four<f32>]>,
    sums: &mut Array<Four<f32>>,
    #[comptime] tile: Tile,
) {
    let column = UNIT_POS as usize % comptime!(tile.columns);
    let unit_row = UNIT_POS as usize / comptime!(tile.columns);
    #[unroll]
    for line in 0..DEPTH {
        // One outer product per value of k: a vector of channels from the weights times single pixels.
        let w = weights[comptime!(line * tile.columns) + column];
        #[unroll]
        for row in 0..comptime!(tile.unit_rows) {
            let values = pixels[comptime!(line * tile.x_row() + row * tile.row_step()) + unit_row];
            #[unroll]
            for lane in 0..4usize {
                let at = comptime!(row * 4 + lane);
                sums[at] = fma(Four::<f32>::new(values.extract(lane)), w, sums[at]);
            }
        }
    }
}

/// Adds the bias to this unit's sums, applies the epilogue, and writes those of pixels and outputs that there are.
#[cube]
fn store<G: Float, O: Float>(
    sums: &Array<Four<f32>>,
    bias: &[f32],
    gates: &[G],
    out: &mut [O],
    tile_position: &TilePosition,
    sizes: &Sizes,
    #[comptime] variant: Variant,
) {
    let tile = comptime!(variant.tile);
    let unit_row = UNIT_POS / comptime!(tile.columns as u32);
    #[unroll]
    for row in 0..comptime!(tile.unit_rows) {
        #[unroll]
        for lane in 0..4usize {
            let vector = unit_row + comptime!((row * tile.row_step()) as u32);
            let pixel = tile_position.pixel + vector * 4 + comptime!(lane as u32);
            let mut target = pixel;
            if comptime![variant.doubling] {
                let (y, x) = (pixel / sizes.grid, pixel % sizes.grid);
                // `pixel` numbers the pixels of one parity; they lie two apart in rows of twice the grid's width.
                target = (y * 2 + tile_position.parity_y) * 2 * sizes.grid
                    + x * 2
                    + tile_position.parity_x;
            }
            let sum = sums[comptime!(row * 4 + lane)];
            #[unroll]
            for part in 0..4usize {
                let output = sizes.first + tile_position.column * 4 + comptime!(part as u32);
                // A last tile may reach beyond the weights, and their last vector beyond the outputs.
                let there = tile_position.column < sizes.columns && output < sizes.outputs;
                if pixel < sizes.pixels && there {
                    let at = (target * sizes.outputs + output) as usize;
                    let mut y = sum.extract(part) + bias[output as usize];
                    if comptime![variant.finish == Finish::Silu] {
                        y /= 1.0 + (-y).exp();
                    }
                    if comptime![variant.finish == Finish::GatedAdd] {
                        y *= f32::cast_from(gates[(sizes.first_gate + output) as usize]);
                    }
                    if comptime![variant.finish.adds()] {
                        y += f32::cast_from(out[at]);
                    }
                    out[at] = O::cast_from(y);
                }
            }
        }
    }
}

/// A tile of the product for each cube.
#[cube(launch)]
pub(super) fn conv_kernel<X: Float, W: Float, G: Float, O: Float>(
    x: &[X],
    weights: &[Four<W>],
    bias: &[f32],
    gates: &[G],
    out: &mut [O],
    sizes: Sizes,
    #[comptime] variant: Variant,
    #[define(X)] _x_type: ElemType,
    #[define(W)] _weights_type: ElemType,
    #[define(G)] _gates_type: ElemType,
    #[define(O)] _out_type: ElemType,
) {
    let tile = comptime!(variant.tile);
    let mut pixels = Shared::<[Four<f32>]>::new_slice(comptime!(DEPTH * tile.x_row()));
    let mut columns = Shared::<[Four<f32>]>::new_slice(comptime!(DEPTH * tile.columns));
    let tile_position = tile_position(&sizes, variant);
    let mut ys = Array::<u32>::new(comptime!(tile.x_share().0 * 4));
    let mut xs = Array::<u32>::new(comptime!(tile.x_share().0 * 4));
    find_pixels(&mut ys, &mut xs, &tile_position, &sizes, tile);
    // f32 also for f16 operands: thousands of products are added up, far beyond what 11 bits of mantissa carry.
    let mut sums = Array::<Four<f32>>::new(comptime!(tile.unit_rows * 4));
    #[unroll]
    for index in 0..comptime!(tile.unit_rows * 4) {
        sums[index] = Four::<f32>::new(0.0f32);
    }
    let depth = comptime!(variant.kernel * variant.kernel) * sizes.inputs;
    let mut start = 0u32;
    while start < depth {
        stage_pixels(x, &mut pixels, &ys, &xs, &sizes, start, depth, variant);
        stage_weights(
            weights,
            &mut columns,
            &tile_position,
            &sizes,
            start,
            depth,
            tile,
        );
        sync_cube();
        // The barrier before completes the staging; the one after keeps fast units from staging over operands in use.
        multiply_add(&pixels, &columns, &mut sums, tile);
        sync_cube();
        start += comptime!(DEPTH as u32);
    }
    store(&sums, bias, gates, out, &tile_position, &sizes, variant);
}
