//! The figures of a decode against its original.

use std::path::Path;

use flextok::Threads;
use flextok::image::RgbImage;
use flextok::metrics::{self, CompareError, Lpips};

use super::results::Figures;
use super::set;
use crate::context::Context;
use crate::exit::CliError;
use crate::message;

/// What measures.
pub(crate) struct Meter {
    threads: Threads,
    pub(crate) lpips: Option<Lpips>,
    /// CRC-32 of the file of LPIPS' weights.
    pub(crate) lpips_crc32: Option<u32>,
}

impl Meter {
    /// Measures on these threads, LPIPS with the network in a file.
    pub(crate) fn new(
        threads: &Threads,
        lpips: Option<&Path>,
        context: &Context,
    ) -> Result<Self, CliError> {
        let mut meter = Self {
            threads: threads.clone(),
            lpips: None,
            lpips_crc32: None,
        };
        if let Some(path) = lpips {
            let network = Lpips::open(path, threads.clone());
            let name = message::name(path);
            meter.lpips = Some(network.map_err(|error| CliError::codec(name, error))?);
            meter.lpips_crc32 = Some(set::checksum(path, context)?);
        }
        Ok(meter)
    }

    /// The figures of a decode of the original's size.
    pub(crate) fn figures(
        &self,
        original: &RgbImage,
        decode: &RgbImage,
    ) -> Result<Figures, CompareError> {
        let found = metrics::compare(original, decode, &self.threads)?;
        let lpips = match &self.lpips {
            Some(network) => lpips(network, original, decode)?,
            None => None,
        };
        Ok(Figures {
            psnr: found.psnr,
            ssim_gaussian11: found.ssim,
            ssim_uniform7: found.ssim_uniform7,
            mae: found.mae,
            ssimulacra2: found.ssimulacra2,
            lpips,
        })
    }
}

/// LPIPS of two pictures; none where it is not defined for pictures as small.
pub(crate) fn lpips(
    network: &Lpips,
    first: &RgbImage,
    second: &RgbImage,
) -> Result<Option<f64>, CompareError> {
    match network.distance(first, second) {
        Err(CompareError::TooSmall { .. }) => Ok(None),
        distance => distance.map(Some),
    }
}
