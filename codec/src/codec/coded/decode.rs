//! Files to pictures: the digits alone, or what the learned decoder makes of them.

use std::ops::ControlFlow;

use flextok_container::{Coded, Header, TokenFile};
use flextok_tokens::Grid;
use image::RgbImage;

use super::engine::Job;
use super::{CodedCodec, LearnedEngine};
use crate::codec::{CancelToken, DecodeOptions, Look, Progress, limit};
use crate::coded::{self, Plain};
use crate::error::{Error, LimitKind};
use crate::network::with_capacity;
use crate::picture::Canvas;
use crate::{ModelName, Size};

impl CodedCodec {
    pub(in crate::codec) fn decode_file(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<RgbImage, Error> {
        let header = file.header();
        let coded = self.coded_of(header)?;
        let grid = coded::grid_of(header.size(), coded.canvas)?;
        let pixels = self.pixels(file, grid, options)?;
        if options.keep_canvas {
            return Ok(pixels);
        }
        coded::picture_of(pixels, header.size(), (coded.canvas, grid), &self.threads)
    }

    /// The canvas of a file, not clamped. The file has passed [`CodedCodec::check_header`].
    pub(in crate::codec) fn decode_canvas(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<Canvas, Error> {
        let header = file.header();
        let grid = coded::grid_of(header.size(), self.coded_of(header)?.canvas)?;
        check_cancelled(options)?;
        let plain = coded::plain_of(&self.tables, grid, file.payload(), &self.threads)?;
        let size = plain.size;
        let samples = match self.learned(options) {
            Some(learned) => self.clean(&plain, learned, options, |sample| sample)?,
            None => {
                report(options, 1, 1);
                plain.samples
            }
        };
        Ok(Canvas::new(size, samples)?)
    }

    /// The canvas that a file's payload decodes to. The file has passed [`CodedCodec::check_header`].
    fn pixels(
        &self,
        file: &TokenFile,
        grid: Grid,
        options: &DecodeOptions,
    ) -> Result<RgbImage, Error> {
        check_cancelled(options)?;
        let Some(learned) = self.learned(options) else {
            let pixels = coded::canvas_of(&self.tables, grid, file.payload(), &self.threads)?;
            report(options, 1, 1);
            return Ok(pixels);
        };
        let plain = coded::plain_of(&self.tables, grid, file.payload(), &self.threads)?;
        let samples = self.clean(&plain, learned, options, coded::in_8_bits)?;
        let Size { width, height } = plain.size;
        Ok(RgbImage::from_raw(width, height, samples).unwrap_or_default())
    }

    /// What the learned decoder makes of a plain canvas, `[height, width, 3]`, each sample converted.
    fn clean<T: Copy + Default + Send>(
        &self,
        plain: &Plain,
        (engine, look): (&dyn LearnedEngine, f32),
        options: &DecodeOptions,
        convert: impl Fn(f32) -> T + Sync,
    ) -> Result<Vec<T>, Error> {
        let mut samples = with_capacity(plain.samples.len())?;
        samples.resize(plain.samples.len(), T::default());
        let width = plain.size.width as usize;
        let mut put = |row: usize, column: usize, clean: &[f32]| {
            let line = &mut samples[3 * (row * width + column)..][..clean.len()];
            for (sample, &clean) in line.iter_mut().zip(clean) {
                *sample = convert(clean);
            }
        };
        let mut on_tile = |done, total| {
            if done > 0 {
                report(options, done, total);
            }
            match is_cancelled(options) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let job = Job {
            plain,
            look,
            memory: self.limits.tile_memory,
        };
        engine.clean(&job, &mut on_tile, &mut put)?;
        Ok(samples)
    }

    /// The learned decoder and how it is to look, where the options and the model select it.
    fn learned(&self, options: &DecodeOptions) -> Option<(&dyn LearnedEngine, f32)> {
        match (&self.learned, options.look.unwrap_or_default()) {
            (Some(engine), Look::Learned(look)) => Some((&**engine, look)),
            _ => None,
        }
    }

    /// The look that the options select.
    pub(in crate::codec) fn look(&self, options: &DecodeOptions) -> Look {
        let learned = self.learned(options);
        learned.map_or(Look::Plain, |(_, look)| Look::Learned(look))
    }

    /// Checks whether a file of these tables can be decoded.
    pub(in crate::codec) fn check_header(
        &self,
        header: &Header,
        options: &DecodeOptions,
    ) -> Result<(), Error> {
        self.check_options(options)?;
        let coded = self.coded_of(header)?;
        let grid = coded::grid_of(header.size(), coded.canvas)?;
        let needed = match self.look(options) {
            Look::Plain => coded::memory(grid),
            Look::Learned(_) => coded::memory_of_floats(grid),
        };
        limit(LimitKind::ImageMemory, needed, self.limits.image_memory)
    }

    fn coded_of(&self, header: &Header) -> Result<Coded, Error> {
        header.as_coded().copied().ok_or_else(|| Error::WrongModel {
            expected: ModelName::of(header),
            found: ModelName::Coded(self.name),
        })
    }
}

fn is_cancelled(options: &DecodeOptions) -> bool {
    options
        .cancel
        .as_ref()
        .is_some_and(CancelToken::is_cancelled)
}

fn check_cancelled(options: &DecodeOptions) -> Result<(), Error> {
    match is_cancelled(options) {
        true => Err(Error::Cancelled { done: 0, total: 1 }),
        false => Ok(()),
    }
}

fn report(options: &DecodeOptions, step: u32, total: u32) {
    if let Some(progress) = &options.progress {
        progress(Progress { step, total });
    }
}
