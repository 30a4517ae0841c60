//! The smallest budget at which a picture reaches a wanted quality: the search of `encode --target-…`.

use flextok::container::TokenFile;
use flextok::image::DynamicImage;
use flextok::rate::{Search, Target};
use flextok::{EncodeOptions, Error};

use super::plan::Plan;
use super::results::{Halt, Unit};
use super::set::Subject;

/// Where a picture reaches the target, in the run's unit.
///
/// As with `encode --target-psnr`, PSNR of a coded payload is that of the plain decode.
pub(crate) fn halt(plan: &Plan, subject: &Subject, target: Target) -> Result<Halt, Error> {
    let image = DynamicImage::ImageRgb8(subject.original.clone());
    let encoded = plan.model.codec.encode_to(
        &image,
        target,
        Search::Ladder,
        &EncodeOptions::default(),
        &plan.decode(subject),
    );
    let (budget, reached) = match encoded {
        Ok((file, reached)) => (Some(budget(plan, &file)?), reached.quality),
        Err(Error::TargetNotReached { reached, .. }) => (None, reached),
        Err(error) => return Err(error),
    };
    Ok(Halt {
        picture: subject.name.clone(),
        budget,
        reached,
    })
}

fn budget(plan: &Plan, file: &TokenFile) -> Result<u32, Error> {
    let budget = match plan.unit {
        Unit::Tokens => u64::from(file.layers()),
        Unit::Bytes => file.to_bytes()?.len() as u64,
    };
    Ok(u32::try_from(budget).unwrap_or(u32::MAX))
}
