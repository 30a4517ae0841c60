//! The figures of a decode against its original.

use std::path::Path;

use flextok::Threads;
use flextok::image::RgbImage;
use flextok::metrics::{self, CompareError, Lpips};

use super::results::Figures;
use super::set;
use crate::context::Context;
use crate::exit::CliError;

/// What measures.
pub(crate) struct Meter {
    threads: Threads,
    lpips: Option<Lpips>,
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
            let name = path.display().to_string();
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
        let lpips = self
            .lpips
            .as_ref()
            .map(|network| network.distance(original, decode));
        let lpips = match lpips {
            // It has none, as SSIMULACRA 2 has none for pictures that are smaller still.
            Some(Err(CompareError::TooSmall { .. })) | None => None,
            Some(lpips) => Some(lpips?),
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
