//! Follows what modules hand to each other by name: the official modules read from and write to one dictionary of
//! tensors, so the names decide what is computed from what. Only the flow of network.md's sections 3 and 6 is
//! supported; modules that do not depend on each other may come in any order.

use std::collections::HashMap;

use super::super::error::ConfigError;
use super::super::fields::Fields;
use super::super::read::MAX_WIDTH;
use crate::literal::Value;
use crate::macros::named;

named! {
    /// What a named tensor is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Signal {
        LatentsFirst => "the latents, channels first",
        LatentsLast => "the latents, channels last",
        Patches => "patches without positions",
        PositionedPatches => "patches with positions",
        Registers => "the encoder's registers",
        PackedEncoder => "the packed sequence of patches and registers",
        EncodedSequence => "the encoder transformer's output",
        EncodedPatches => "the encoder's patch outputs",
        EncodedRegisters => "the encoder's register outputs",
        Codes => "the codes before quantisation",
        Quantised => "the quantised codes",
        ProjectedCodes => "projected codes without positions",
        PositionedCodes => "projected codes with positions",
        MaskedCodes => "projected codes after nested dropout",
        Condition => "the decoder's registers",
        NoisedFirst => "the noised latents, channels first",
        NoisedLast => "the noised latents, channels last",
        Time => "the flow time",
        TimeEmbedding => "the time embedding",
        PackedDecoder => "the packed sequence of noised patches and registers",
        DecodedSequence => "the decoder transformer's output",
        DecodedPatches => "the decoder's patch outputs",
        DecodedRegisters => "the decoder's register outputs",
        OutputLast => "the decoder's output, channels last",
        OutputFirst => "the decoder's output, channels first",
        Intermediate => "an intermediate layer's output",
        Mask => "the attention mask",
        InnerShapes => "the inner shapes of packing",
        OuterShapes => "the outer shapes of packing",
        PackingFunction => "the packing function of embeddings",
    }
}

/// What was last written under each name, and how wide the residual stream is.
#[derive(Debug, Default)]
pub(super) struct Wiring<'a> {
    held: HashMap<&'a str, Signal>,
    /// The width of all modules of a side; the first one read sets it.
    width: Option<usize>,
}

impl<'a> Wiring<'a> {
    /// Checks that `name`, which the key at `path` says is read, holds one of `allowed`.
    pub(super) fn check(
        &self,
        path: &str,
        name: &str,
        allowed: &[Signal],
    ) -> Result<Signal, ConfigError> {
        match self.held.get(name) {
            Some(signal) if allowed.contains(signal) => Ok(*signal),
            other => Err(ConfigError::Wiring {
                path: path.to_owned(),
                found: Value::Str(name.to_owned()).excerpt(),
                holds: other.map_or("nothing yet".to_owned(), ToString::to_string),
                allowed: allowed
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" or "),
            }),
        }
    }

    /// Reads the name under `key` and checks that it holds one of `allowed`.
    pub(super) fn read(
        &self,
        fields: &mut Fields<'a>,
        key: &'static str,
        allowed: &[Signal],
    ) -> Result<Signal, ConfigError> {
        let name = fields.text(key)?;
        self.check(&fields.at(key), name, allowed)
    }

    /// Begins another side: forgets the width, and everything but `signals`.
    pub(super) fn keep(&mut self, signals: &[Signal]) {
        self.held.retain(|_, signal| signals.contains(signal));
        self.width = None;
    }

    /// Reads a module's `dim`.
    pub(super) fn width(&mut self, fields: &mut Fields<'a>) -> Result<usize, ConfigError> {
        if let Some(width) = self.width {
            fields.size_is("dim", width, "the width of the modules before it")?;
            return Ok(width);
        }
        let width = fields.size("dim", 1..=MAX_WIDTH)?;
        self.width = Some(width);
        Ok(width)
    }

    /// Like [`Self::read`] for a key that may be absent or `None`; says whether it was there.
    pub(super) fn read_opt(
        &self,
        fields: &mut Fields<'a>,
        key: &'static str,
        allowed: Signal,
    ) -> Result<bool, ConfigError> {
        let Some(name) = fields.text_opt(key)? else {
            return Ok(false);
        };
        self.check(&fields.at(key), name, &[allowed])?;
        Ok(true)
    }

    /// Notes that the name under `key` now holds `signal`.
    pub(super) fn write(
        &mut self,
        fields: &mut Fields<'a>,
        key: &'static str,
        signal: Signal,
    ) -> Result<(), ConfigError> {
        self.held.insert(fields.text(key)?, signal);
        Ok(())
    }

    /// Like [`Self::write`] for a key that may be absent or `None`.
    pub(super) fn write_opt(
        &mut self,
        fields: &mut Fields<'a>,
        key: &'static str,
        signal: Signal,
    ) -> Result<(), ConfigError> {
        if let Some(name) = fields.text_opt(key)? {
            self.held.insert(name, signal);
        }
        Ok(())
    }

    /// Checks that the list of names under `key` holds exactly `expected`, in that order.
    pub(super) fn read_list(
        &self,
        fields: &mut Fields<'a>,
        key: &'static str,
        expected: [Signal; 2],
    ) -> Result<(), ConfigError> {
        let names = names(fields, key)?;
        for (name, signal) in names.iter().zip(expected) {
            self.check(&fields.at(key), name, &[signal])?;
        }
        Ok(())
    }

    /// Notes that the names listed under `key` now hold `signals`.
    pub(super) fn write_list(
        &mut self,
        fields: &mut Fields<'a>,
        key: &'static str,
        signals: [Signal; 2],
    ) -> Result<(), ConfigError> {
        for (name, signal) in names(fields, key)?.into_iter().zip(signals) {
            self.held.insert(name, signal);
        }
        Ok(())
    }
}

/// A list of two different names: patches, then registers.
fn names<'a>(fields: &mut Fields<'a>, key: &'static str) -> Result<[&'a str; 2], ConfigError> {
    let allowed = "a list of two different names: patches, then registers";
    let Some(value) = fields.get(key) else {
        return Err(fields.missing(key, allowed));
    };
    if let Value::List(items) = value
        && let [Value::Str(first), Value::Str(second)] = items.as_slice()
        && first != second
    {
        return Ok([first, second]);
    }
    Err(fields.refuse(key, value, allowed))
}
