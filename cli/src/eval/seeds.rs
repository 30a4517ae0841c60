//! Several decodes of a file from different noise: how much of their error is chance.

use flextok::image::RgbImage;
use flextok::metrics::{CompareError, Lpips};
use flextok::uncertainty::Measured;
use flextok::{DecodeOptions, Error, LimitKind};

use super::meter;
use super::own::OwnFile;
use super::plan::Plan;
use super::results::Uncertainty;
use super::set::Subject;
use crate::context::Context;
use crate::exit::CliError;

/// Decodes a file from so many seeds, the first that of the run and the others those that follow it.
///
/// The decodes are kept only where LPIPS compares each with each.
pub(crate) fn uncertainty(
    (plan, context): (&Plan, &Context),
    (subject, file): (&Subject, &OwnFile),
    (seeds, lpips): (u32, Option<&Lpips>),
) -> Result<Uncertainty, CliError> {
    let failed = |error| plan.model.error(&subject.name, error);
    let most = context.limits.image_memory;
    let kept = u64::from(seeds) * 3 * subject.size().area();
    if lpips.is_some() && kept > most {
        return Err(failed(Error::Limit {
            limit: LimitKind::ImageMemory,
            actual: kept,
            allowed: most,
        }));
    }
    let options = plan.decode(subject);
    let mut measured = Measured::new(subject.original.clone(), most).map_err(failed)?;
    let mut decodes = Vec::new();
    for index in 0..seeds {
        let decode = decode(plan, file, &options, index).map_err(failed)?;
        measured.add(&decode).map_err(failed)?;
        if lpips.is_some() {
            decodes.push(decode);
        }
    }
    let found = measured.uncertainty().map_err(failed)?;
    let pairwise_lpips = match lpips {
        Some(network) => pairwise(network, &decodes),
        None => Ok(None),
    };
    Ok(Uncertainty {
        picture: subject.name.clone(),
        budget: file.budget,
        seeds,
        mse: found.mse,
        bias2: found.bias2,
        variance: found.variance,
        pairwise_mse: found.pairwise_mse,
        pairwise_lpips: pairwise_lpips.map_err(|source| CliError::Compare {
            name: subject.name.clone(),
            source,
        })?,
        psnr_mean: found.psnr_mean,
        psnr_sample: found.psnr_sample,
    })
}

fn decode(
    plan: &Plan,
    file: &OwnFile,
    options: &DecodeOptions,
    index: u32,
) -> Result<RgbImage, Error> {
    // The plan has checked that there are as many.
    let seed = options.seed.unwrap_or(0).saturating_add(index.into());
    let options = options.clone().with_seed(seed);
    plan.model.codec.decode_file(&file.file, &options)
}

/// The mean distance of two decodes; none where LPIPS is not defined for pictures as small.
fn pairwise(network: &Lpips, decodes: &[RgbImage]) -> Result<Option<f64>, CompareError> {
    let (mut sum, mut count) = (0.0, 0.0);
    for (index, first) in decodes.iter().enumerate() {
        for second in &decodes[..index] {
            match meter::lpips(network, first, second)? {
                Some(distance) => sum += distance,
                None => return Ok(None),
            }
            count += 1.0;
        }
    }
    Ok((count > 0.0).then(|| sum / count))
}
