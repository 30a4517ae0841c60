//! Files of this program's own codec: one for each budget, and their decodes, with the time of both.

use std::time::{Duration, Instant};

use flextok::container::{self, KeepMetadata, TokenFile};
use flextok::image::{DynamicImage, RgbImage};
use flextok::{Codec, DecodeOptions, EncodeOptions, Error};

use super::plan::Plan;
use super::results::Unit;
use super::set::Subject;

/// The file of one budget.
pub(crate) struct OwnFile {
    pub(crate) budget: u32,
    pub(crate) file: TokenFile,
    pub(crate) bytes: Vec<u8>,
    /// Of the encoder; for a network that of the one file which all budgets are cuts of.
    pub(crate) time: Duration,
}

/// A decode with the time that it took; of several that went through a network together its share.
pub(crate) struct Decode {
    pub(crate) picture: RgbImage,
    pub(crate) time: Duration,
}

/// A file of each budget that has one.
///
/// A network encodes the picture once and the file is cut; for a coded payload it is encoded anew for each budget,
/// since its canvas depends on the bytes.
pub(crate) fn files(plan: &Plan, subject: &Subject) -> Result<Vec<OwnFile>, Error> {
    let image = DynamicImage::ImageRgb8(subject.original.clone());
    let codec = &plan.model.codec;
    let whole = match codec.config() {
        Some(_) => {
            let mut options = EncodeOptions::default();
            if let (Unit::Tokens, Some(&most)) = (plan.unit, plan.budgets.last()) {
                options = options.with_tokens(most);
            }
            Some(timed(|| codec.encode_file(&image, &options))?)
        }
        None => None,
    };
    let mut files = Vec::with_capacity(plan.budgets.len());
    for &budget in &plan.budgets {
        let made = match &whole {
            Some((whole, time)) => cut(whole, plan.unit, budget).map(|file| (file, *time)),
            None => {
                let options = EncodeOptions::default().with_bytes(budget.into());
                timed(|| codec.encode_file(&image, &options))
            }
        };
        let (file, time) = match made {
            Err(Error::Container(container::Error::CannotFit { .. })) => continue,
            made => made?,
        };
        files.push(OwnFile {
            budget,
            bytes: file.to_bytes()?,
            file,
            time,
        });
    }
    Ok(files)
}

fn cut(whole: &TokenFile, unit: Unit, budget: u32) -> Result<TokenFile, Error> {
    Ok(match unit {
        Unit::Tokens => whole.cut_layers(budget, KeepMetadata::No)?,
        Unit::Bytes => whole.fit(budget.into(), KeepMetadata::No)?,
    })
}

/// The pictures of some files: through a network together, of a coded payload one after the other.
pub(crate) fn decodes(
    codec: &Codec,
    files: &[OwnFile],
    options: &DecodeOptions,
) -> Result<Vec<Decode>, Error> {
    if codec.config().is_none() {
        let decode = |file: &OwnFile| {
            let (picture, time) = timed(|| codec.decode_file(&file.file, options))?;
            Ok(Decode { picture, time })
        };
        return files.iter().map(decode).collect();
    }
    let bytes: Vec<&[u8]> = files.iter().map(|file| &*file.bytes).collect();
    let (pictures, time) = timed(|| codec.decode_batch(&bytes, options))?;
    let time = time / u32::try_from(files.len()).unwrap_or(u32::MAX).max(1);
    let decode = |picture| Decode { picture, time };
    Ok(pictures.into_iter().map(decode).collect())
}

fn timed<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<(T, Duration), Error> {
    let start = Instant::now();
    let made = work()?;
    Ok((made, start.elapsed()))
}
