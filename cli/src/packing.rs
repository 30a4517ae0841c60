//! The token file of a row of ids.

use flextok::config::ModelConfig;
use flextok::container::{CanvasGrid, Fingerprint, Metadata, TokenFile};
use flextok::{Error, ModelName, Size};

use crate::context::Model;
use crate::exit::CliError;
use crate::rows::Named;
use crate::tokenset::About;

/// A model with token ids, and what all rows have in common.
pub(crate) struct Packer<'a> {
    pub(crate) model: &'a Model,
    pub(crate) config: &'a ModelConfig,
    most: usize,
    /// The canvas that the command line names.
    canvas: Option<Size>,
}

impl<'a> Packer<'a> {
    /// Refuses a model without token ids, and a canvas that it does not have.
    pub(crate) fn new(model: &'a Model, canvas: Option<Size>) -> Result<Self, CliError> {
        let Some((config, most)) = model.codec.config().zip(model.codec.max_tokens()) else {
            let problem = "it has no token ids; give a FlexTok model with --model";
            return Err(CliError::usage(&model.name, problem));
        };
        if let Some(canvas) = canvas {
            let checked = config.check_canvas(canvas);
            checked.map_err(|error| {
                CliError::usage("--canvas", format!("{canvas}; allowed: {error}"))
            })?;
        }
        Ok(Self {
            model,
            config,
            most: most as usize,
            canvas,
        })
    }

    /// Refuses rows of another model, or on a canvas that this one does not have, if their file says so.
    pub(crate) fn check(&self, name: &str, about: &About) -> Result<(), CliError> {
        let canvas = self.canvas(about);
        let checked = self.config.check_canvas(canvas);
        checked.map_err(|error| {
            CliError::usage(name, format!("its canvas {canvas}; allowed: {error}"))
        })?;
        let Some(model) = &about.model else {
            return Ok(());
        };
        let found = self.model.codec.name();
        let expected = fingerprint(model).map(ModelName::Ids);
        match expected {
            Some(expected) if expected == found => Ok(()),
            Some(expected) => {
                let error = Error::WrongModel { expected, found };
                Err(CliError::codec(name, error))
            }
            None => {
                let shown: String = model.chars().take(40).collect();
                let problem = format!("its model is \"{shown}\"; allowed: 8 hexadecimal digits");
                Err(CliError::Set {
                    name: name.to_owned(),
                    source: crate::tokenset::SetError::Parquet(problem),
                })
            }
        }
    }

    /// The canvas of a file's rows: what the command line says, else the file, else the model.
    pub(crate) fn canvas(&self, about: &About) -> Size {
        let of_file = about.canvas.map(|(width, height)| Size::new(width, height));
        self.canvas.or(of_file).unwrap_or(self.config.canvas)
    }

    /// The token file of a row that decodes to this size.
    pub(crate) fn pack(
        &self,
        named: &Named,
        about: &About,
        size: Size,
    ) -> Result<TokenFile, CliError> {
        let ids = named
            .row
            .ids(self.config.codebook_size(), self.most, about.tokens);
        let ids = ids.map_err(|source| CliError::Row {
            name: named.name.clone(),
            source,
        })?;
        let grid = CanvasGrid {
            columns: 1,
            rows: 1,
        };
        let canvas = Some(self.canvas(about));
        let codec = &self.model.codec;
        let packed = codec.pack(&[ids], size, canvas, grid, Metadata::default());
        packed.map_err(|error| self.model.error(&named.name, error))
    }
}

/// A fingerprint as it is shown.
fn fingerprint(text: &str) -> Option<Fingerprint> {
    let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = digits
        .then(|| u32::from_str_radix(text, 16).ok())
        .flatten()?;
    Some(Fingerprint(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_shown() {
        let shown = Fingerprint([0x01, 0xab, 0xcd, 0xef]);
        assert_eq!(fingerprint(&shown.to_string()), Some(shown));
        for text in ["", "01abcde", "01abcdef0", "+1abcdef", "x1abcdef"] {
            assert_eq!(fingerprint(text), None);
        }
    }
}
