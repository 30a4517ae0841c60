//! Loads a network's layers by name. The idiom is that of candle's `VarBuilder`: a part of the network gets a builder for
//! its own prefix, and every error names the tensor by its full path.

use std::fmt::Display;

use flextok_compute::backend::ConvKind;
use flextok_compute::{Backend, Weight};

use super::NetworkError;
use crate::weights::Weights;

/// The tensors under one prefix, and the engine that layers are prepared for.
pub(crate) struct VarBuilder<'a, B> {
    backend: &'a B,
    weights: &'a Weights,
    prefix: String,
}

impl<'a, B> VarBuilder<'a, B> {
    /// All tensors of `weights`.
    pub(crate) fn new(backend: &'a B, weights: &'a Weights) -> Self {
        Self {
            backend,
            weights,
            prefix: String::new(),
        }
    }

    /// The tensors under `part` of this prefix ("push prefix").
    pub(crate) fn pp(&self, part: impl Display) -> Self {
        Self {
            prefix: self.path(part),
            ..*self
        }
    }

    /// The full name of `name`.
    pub(crate) fn path(&self, name: impl Display) -> String {
        match self.prefix.as_str() {
            "" => name.to_string(),
            prefix => format!("{prefix}.{name}"),
        }
    }

    /// The full name of this part.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn backend(&self) -> &'a B {
        self.backend
    }

    /// The tensor `name`, which has to have the given shape.
    pub(crate) fn get(&self, shape: &[usize], name: &str) -> Result<Weight, NetworkError> {
        Ok(self.weights.tensor(&self.path(name), shape)?)
    }

    /// The shape of the tensor `name`, if it exists.
    pub(super) fn shape(&self, name: &str) -> Option<&'a [usize]> {
        self.weights.try_shape(&self.path(name))
    }

    /// The names of all tensors under this prefix, without the prefix.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        let prefix = self.path("");
        self.weights
            .names()
            .filter_map(move |name| name.strip_prefix(prefix.as_str()))
    }

    /// Outputs of the layer at this prefix: the first dimension of its weight. For layers whose sizes are not in the config.
    pub(super) fn outputs(&self) -> Result<usize, NetworkError> {
        match self.shape("weight") {
            Some(&[outputs, ..]) if outputs > 0 => Ok(outputs),
            _ => Err(NetworkError::MissingLayer {
                tensor: self.path("weight"),
            }),
        }
    }
}

/// How an engine prepares linear layers, given as weights and biases.
type Prepare<B> = fn(
    &B,
    &[(&Weight, Option<&Weight>)],
) -> Result<<B as Backend>::Linear, flextok_compute::ComputeError>;

impl<B: Backend> VarBuilder<'_, B> {
    /// The linear layer at this prefix, with a bias: `weight` is `[outputs, inputs]`. It stands at a border of the network,
    /// or makes what all of its blocks use, and is little of the work: it stays in single precision where it can.
    pub(crate) fn linear(&self, outputs: usize, inputs: usize) -> Result<B::Linear, NetworkError> {
        let weight = self.get(&[outputs, inputs], "weight")?;
        let bias = self.get(&[outputs], "bias")?;
        Ok(self
            .backend
            .precise_linear_weights(&[(&weight, Some(&bias))])?)
    }

    /// Several linear layers of a block's attention, of the same sizes and input, as one whose outputs are concatenated.
    pub(super) fn linears(
        &self,
        names: &[&str],
        sizes: (usize, usize),
        biased: bool,
    ) -> Result<B::Linear, NetworkError> {
        self.side_by_side(names, sizes, biased, B::linear_weights)
    }

    /// [`VarBuilder::linears`] of a block's MLP, which is most of its work.
    pub(super) fn coarse_linears(
        &self,
        names: &[&str],
        sizes: (usize, usize),
        biased: bool,
    ) -> Result<B::Linear, NetworkError> {
        self.side_by_side(names, sizes, biased, B::coarse_linear_weights)
    }

    fn side_by_side(
        &self,
        names: &[&str],
        (outputs, inputs): (usize, usize),
        biased: bool,
        prepare: Prepare<B>,
    ) -> Result<B::Linear, NetworkError> {
        let layers = names.iter().map(|name| {
            let vs = self.pp(name);
            let bias = biased.then(|| vs.get(&[outputs], "bias")).transpose()?;
            Ok((vs.get(&[outputs, inputs], "weight")?, bias))
        });
        let layers: Vec<_> = layers.collect::<Result<_, NetworkError>>()?;
        let parts: Vec<_> = layers.iter().map(|(w, b)| (w, b.as_ref())).collect();
        Ok(prepare(self.backend, &parts)?)
    }

    /// The convolution at this prefix, with a bias: `weight` is `[outputs, inputs, kernel, kernel]`.
    pub(crate) fn conv(
        &self,
        (outputs, inputs): (usize, usize),
        kernel: usize,
        kind: ConvKind,
    ) -> Result<B::Conv, NetworkError> {
        let weight = self.get(&[outputs, inputs, kernel, kernel], "weight")?;
        let bias = self.get(&[outputs], "bias")?;
        Ok(self.backend.conv_weights(&weight, Some(&bias), kind)?)
    }
}
