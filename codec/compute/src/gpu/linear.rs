//! Linear layers and the gated MLP: a product by `cubek`, then one kernel that finishes it.
//!
//! Weights are `[outputs, inputs]`, so a product reads both sides along their rows. Weights that are larger than the
//! device's largest buffer are split by outputs. The finishing kernel has one unit per output element, in cubes of 256
//! units, and moves each product once; a product that needs no finish is written to its place directly. Sums are in f32
//! also for operands of 16 bits. Which of `cubek`'s kernels runs follows from the element type and the device's matrix units.

use std::ops::Range;

use cubecl::prelude::*;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::launch_ref;
use cubek::matmul::multi_level::Strategy as Routine;
use cubek::matmul::strategy::Strategy;
use cubek::std::InputBinding;

use super::engine::GpuEngine;
use super::self_test::{CHANNELS, POSITIONS, Results, activations, full, weight};
use super::tensor::{Element, GpuTensor};
use crate::backend::{Epilogue, LinearParts, ModulationVector};
use crate::{Backend, ComputeError, Weight};

/// Outputs of split weights come in multiples of this, so that every part's column begins where a buffer's part may.
const SPLIT: usize = 128;

/// The weights of linear layers on the same input, side by side.
#[derive(Debug)]
pub struct GpuLinear {
    inputs: usize,
    outputs: usize,
    /// Outputs of each layer.
    parts: Vec<usize>,
    /// `[outputs, inputs]`, cut where a buffer would grow too large.
    pieces: Vec<GpuTensor>,
    /// `[outputs]` in f32.
    bias: Option<GpuTensor>,
}

impl GpuLinear {
    pub(super) fn new(
        engine: &GpuEngine,
        parts: &[(&Weight, Option<&Weight>)],
    ) -> Result<Self, ComputeError> {
        let LinearParts {
            inputs,
            sizes,
            bias,
        } = LinearParts::new(parts)?;
        let outputs = sizes.iter().sum();
        Ok(Self {
            inputs,
            outputs,
            pieces: upload_pieces(engine, parts, inputs)?,
            parts: sizes,
            bias: (!bias.is_empty())
                .then(|| engine.upload_f32(&bias, &[outputs]))
                .transpose()?,
        })
    }

    /// Number of outputs.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }
}

/// The weights one after the other, in pieces that fit a buffer.
fn upload_pieces(
    engine: &GpuEngine,
    parts: &[(&Weight, Option<&Weight>)],
    inputs: usize,
) -> Result<Vec<GpuTensor>, ComputeError> {
    let row = (inputs * engine.element().size()) as u64;
    let fitting = (engine.buffer_limit() / row.max(1)) as usize;
    let outputs: usize = parts.iter().map(|(weight, _)| weight.shape()[0]).sum();
    let piece_rows = if fitting >= outputs {
        outputs
    } else {
        // A piece of fewer outputs than this does not fit either, which its upload reports with the numbers.
        (fitting / SPLIT * SPLIT).max(SPLIT)
    };
    let mut pieces = Vec::new();
    let mut values: Vec<f32> = Vec::new();
    let mut upload = |values: &[f32]| {
        let shape = [values.len() / inputs, inputs];
        pieces.push(engine.upload_rounded(values, &shape)?);
        Ok::<_, ComputeError>(())
    };
    for (weight, _) in parts {
        let weight = weight.to_f32()?;
        let (len, shape) = (weight.len(), vec![weight.len()]);
        values
            .try_reserve(len)
            .map_err(|_| ComputeError::OutOfMemory { shape })?;
        values.extend(weight);
        let mut done = 0;
        while values.len() - done >= piece_rows * inputs {
            upload(&values[done..done + piece_rows * inputs])?;
            done += piece_rows * inputs;
        }
        values.drain(..done);
    }
    if !values.is_empty() {
        upload(&values)?;
    }
    Ok(pieces)
}

/// Products `x[rows] · weightsᵀ`, written to `out` from byte `offset` on; each of its rows has `stride` elements.
fn multiply(
    engine: &GpuEngine,
    (x, rows): (&GpuTensor, Range<usize>),
    weights: &GpuLinear,
    (out, offset): (&GpuTensor, usize),
) -> Result<(), ComputeError> {
    let (k, stride) = (weights.inputs, weights.outputs);
    let start = rows.start * k * x.element.size();
    let picked;
    let (source, start) = if x.element == engine.element()
        && start.is_multiple_of(engine.alignment())
    {
        (x, start)
    } else {
        // Operands have the weights' type, and begin where a part of a buffer may.
        picked = engine.scratch(&[rows.len(), k], engine.element())?;
        super::elementwise::copy_rows(engine, &as_rows(x, k), rows.start, &picked, 0, rows.len());
        (&*picked, 0)
    };
    let kinds = MatmulGlobalElems {
        lhs: source.element.kind(),
        rhs: engine.element().kind(),
        out: out.element.kind(),
    };
    let mut column = 0;
    for piece in &weights.pieces {
        let outputs = piece.rows();
        let lhs = InputBinding::new(source.matrix(start, (rows.len(), k), k), kinds.lhs);
        let mut rhs = InputBinding::new(piece.matrix(0, (outputs, k), k), kinds.rhs);
        // Weights are `[outputs, inputs]`: the transposed view costs no copy.
        rhs.swap_dims(0, 1);
        let target = out.matrix(
            offset + column * out.element.size(),
            (rows.len(), outputs),
            stride,
        );
        let moved = rows.len() * k * source.element.size()
            + piece.bytes()
            + rows.len() * outputs * out.element.size();
        engine.count(moved);
        let launch = |routine| {
            let mut elements = MatmulElems::from_globals(&kinds);
            let (lhs, rhs, target) = (lhs.clone(), rhs.clone(), target.clone());
            let strategy = Strategy::MultiLevel(routine);
            launch_ref(&strategy, engine.client(), lhs, rhs, target, &mut elements)
        };
        let mut launched = launch(routine(engine));
        if launched.is_err() && engine.element() != Element::F32 {
            // Matrix units that do not take this shape; whether they do depends on shape and device only.
            launched = launch(Routine::SimpleUnit(Default::default()));
        }
        launched.map_err(|error| {
            let (rows, columns) = (rows.len(), outputs);
            engine.refused(&format!(
                "no product of [{rows}, {k}] and [{columns}, {k}]: {error:?}"
            ))
        })?;
        column += outputs;
    }
    Ok(())
}

/// The kernel for a product: matrix units where operands have 16 bits and the device has them, else plain multiply-adds, which
/// for f32 are exact where matrix units would round operands to fewer bits.
fn routine(engine: &GpuEngine) -> Routine {
    let units = &engine.client().features().matmul.cmma;
    if engine.element() != Element::F32 && !units.is_empty() {
        Routine::SimpleCyclicCmma(Default::default())
    } else {
        Routine::SimpleUnit(Default::default())
    }
}

/// A view of a tensor as rows of `columns` elements, whatever its shape.
fn as_rows(x: &GpuTensor, columns: usize) -> GpuTensor {
    GpuTensor {
        handle: x.handle.clone(),
        shape: vec![x.len() / columns.max(1), columns],
        element: x.element,
        capacity: x.capacity,
        _reserved: std::sync::Arc::clone(&x._reserved),
    }
}

/// What the finishing kernel does with a product, bias included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Finish {
    Store,
    Silu,
    Plus,
    Residual,
    Gated,
}

/// The finishing kernel: `products` is `[rows, width]`, `out` has rows of the same width, of which `first` is the first.
/// `other` is what is added row by row (its rows repeat), or the modulation table from which the gate is taken: at
/// `offset_first` for rows before `split`, at `offset_second` from there on.
#[cube(launch)]
fn finish_kernel<P: Float, M: Float, O: Float>(
    products: &[P],
    bias: &[f32],
    other: &[M],
    out: &mut [O],
    width: u32,
    elements: u32,
    first: u32,
    split: u32,
    offset_first: u32,
    offset_second: u32,
    #[comptime] finish: Finish,
    #[comptime] has_bias: bool,
    #[define(P)] _products_type: ElemType,
    #[define(M)] _other_type: ElemType,
    #[define(O)] _out_type: ElemType,
) {
    if ABSOLUTE_POS >= elements as usize {
        terminate!();
    }
    let column = ABSOLUTE_POS % width as usize;
    let row = ABSOLUTE_POS / width as usize + first as usize;
    // Products begin with the first of the given rows, the output with row 0.
    let at = row * width as usize + column;
    let mut y = f32::cast_from(products[ABSOLUTE_POS]);
    if comptime![has_bias] {
        y += bias[column];
    }
    if comptime![finish == Finish::Silu] {
        y = y / (1.0 + (-y).exp());
    } else if comptime![finish == Finish::Plus] {
        // `other` has the output's width, so the remainder wraps around whole rows.
        y += f32::cast_from(other[at % other.len()]);
    } else if comptime![finish == Finish::Residual] {
        y += f32::cast_from(out[at]);
    } else if comptime![finish == Finish::Gated] {
        let mut gate = offset_first as usize;
        if row >= split as usize {
            gate = offset_second as usize;
        }
        y = f32::cast_from(out[at]) + f32::cast_from(other[gate + column]) * y;
    }
    out[at] = O::cast_from(y);
}

/// Where a modulation vector's two groups begin in its table.
pub(super) fn offsets(vector: &ModulationVector<'_, GpuTensor>) -> (u32, u32) {
    let row = vector.row * vector.table.columns();
    ((row + vector.first) as u32, (row + vector.second) as u32)
}

/// See [`crate::Backend::linear`].
pub(super) fn linear(
    engine: &GpuEngine,
    x: &GpuTensor,
    rows: Range<usize>,
    weights: &GpuLinear,
    epilogue: &Epilogue<'_, GpuTensor>,
    out: &mut GpuTensor,
) -> Result<(), ComputeError> {
    check(x, rows.clone(), weights, (out, weights.outputs));
    if rows.is_empty() {
        return Ok(());
    }
    let width = weights.outputs;
    let offset = rows.start * width * out.element.size();
    let plain = matches!(epilogue, Epilogue::Store) && weights.bias.is_none();
    if plain && offset.is_multiple_of(engine.alignment()) {
        return multiply(engine, (x, rows), weights, (out, offset));
    }
    let products = engine.scratch(&[rows.len(), width], engine.element())?;
    multiply(engine, (x, rows.clone()), weights, (&products, 0))?;
    let (finish, other, split, gates) = match epilogue {
        Epilogue::Store => (Finish::Store, &*products, 0, (0, 0)),
        Epilogue::Silu => (Finish::Silu, &*products, 0, (0, 0)),
        Epilogue::Plus(other) => (Finish::Plus, *other, 0, (0, 0)),
        Epilogue::Residual => (Finish::Residual, &*products, 0, (0, 0)),
        Epilogue::GatedResidual(gate) => (Finish::Gated, gate.table, gate.split, offsets(gate)),
    };
    let elements = products.len();
    let reads = usize::from(matches!(finish, Finish::Residual | Finish::Gated));
    let bytes = elements * (products.element.size() + (1 + reads) * out.element.size());
    let Some((count, dim)) = engine.elementwise(elements, bytes) else {
        return Ok(());
    };
    finish_kernel::launch(
        engine.client(),
        count,
        dim,
        products.arg(),
        // A kernel without a bias does not look at it, but an argument must be bound.
        weights.bias.as_ref().unwrap_or(&products).arg(),
        other.arg(),
        out.arg(),
        width as u32,
        elements as u32,
        rows.start as u32,
        split.min(u32::MAX as usize) as u32,
        gates.0,
        gates.1,
        finish,
        weights.bias.is_some(),
        products.element.kind(),
        other.element.kind(),
        out.element.kind(),
    );
    Ok(())
}

/// `out[first + r] = SiLU(products[r][c] + bias[c]) · (products[r][hidden + c] + bias[hidden + c])`.
#[cube(launch)]
fn swiglu_kernel<P: Float, O: Float>(
    products: &[P],
    bias: &[f32],
    out: &mut [O],
    hidden: u32,
    elements: u32,
    first: u32,
    #[comptime] has_bias: bool,
    #[define(P)] _products_type: ElemType,
    #[define(O)] _out_type: ElemType,
) {
    if ABSOLUTE_POS >= elements as usize {
        terminate!();
    }
    let hidden = hidden as usize;
    let column = ABSOLUTE_POS % hidden;
    let row = ABSOLUTE_POS / hidden;
    // A row of products holds all gates and then all ups.
    let mut gate = f32::cast_from(products[row * 2 * hidden + column]);
    let mut up = f32::cast_from(products[row * 2 * hidden + hidden + column]);
    if comptime![has_bias] {
        gate += bias[column];
        up += bias[hidden + column];
    }
    let activated = gate / (1.0 + (-gate).exp()) * up;
    out[ABSOLUTE_POS + first as usize * hidden] = O::cast_from(activated);
}

/// See [`crate::Backend::swiglu`].
pub(super) fn swiglu(
    engine: &GpuEngine,
    x: &GpuTensor,
    rows: Range<usize>,
    weights: &GpuLinear,
    out: &mut GpuTensor,
) -> Result<(), ComputeError> {
    let hidden = weights.outputs / 2;
    assert_eq!(
        weights.parts,
        [hidden, hidden],
        "gated MLP of parts of different sizes"
    );
    check(x, rows.clone(), weights, (out, hidden));
    if rows.is_empty() {
        return Ok(());
    }
    let products = engine.scratch(&[rows.len(), weights.outputs], engine.element())?;
    multiply(engine, (x, rows.clone()), weights, (&products, 0))?;
    let elements = rows.len() * hidden;
    let bytes = products.len() * products.element.size() + elements * out.element.size();
    let Some((count, dim)) = engine.elementwise(elements, bytes) else {
        return Ok(());
    };
    swiglu_kernel::launch(
        engine.client(),
        count,
        dim,
        products.arg(),
        weights.bias.as_ref().unwrap_or(&products).arg(),
        out.arg(),
        hidden as u32,
        elements as u32,
        rows.start as u32,
        weights.bias.is_some(),
        products.element.kind(),
        out.element.kind(),
    );
    Ok(())
}

/// Panics unless the input has these rows of the weights' width, and the output as many of `width`.
fn check(
    x: &GpuTensor,
    rows: Range<usize>,
    weights: &GpuLinear,
    (out, width): (&GpuTensor, usize),
) {
    assert_eq!(
        (x.columns(), out.columns()),
        (weights.inputs, width),
        "a layer of other widths"
    );
    assert!(
        x.rows() >= rows.end && out.rows() >= rows.end,
        "a layer on more rows than its tensors have"
    );
}

/// See [`super::self_test`].
pub(super) fn self_test<B: Backend>(engine: &B) -> Result<Results, ComputeError> {
    let x = activations(engine, 1, &[POSITIONS, CHANNELS])?;
    let part = |seed| weight(seed, &[CHANNELS, CHANNELS]);
    let (first, second, third) = (part(3)?, part(4)?, part(5)?);
    let layers = engine.linear_weights(&[(&first, None), (&second, None), (&third, None)])?;
    let mut product = engine.zeros(&[POSITIONS, 3 * CHANNELS])?;
    engine.linear(&x, 0..POSITIONS, &layers, Epilogue::Store, &mut product)?;

    let layers = engine.linear_weights(&[(&first, None), (&second, None)])?;
    let mut hidden = engine.zeros(&[POSITIONS, CHANNELS])?;
    engine.swiglu(&x, 0..POSITIONS, &layers, &mut hidden)?;

    let bias = weight(15, &[CHANNELS])?;
    let layer = engine.linear_weights(&[(&third, Some(&bias))])?;
    let table = full(engine, 2, &[1, 2 * CHANNELS])?;
    let gate = ModulationVector {
        table: &table,
        row: 0,
        split: POSITIONS / 2,
        first: 0,
        second: CHANNELS,
    };
    let mut gated = full(engine, 16, &[POSITIONS, CHANNELS])?;
    engine.linear(
        &x,
        0..POSITIONS,
        &layer,
        Epilogue::GatedResidual(gate),
        &mut gated,
    )?;
    Ok(vec![
        ("the product", engine.download(&product)?),
        ("the gated MLP", engine.download(&hidden)?),
        ("a gated residual", engine.download(&gated)?),
    ])
}
