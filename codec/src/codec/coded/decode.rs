//! Files to pictures: the digits alone, or what the learned decoder makes of them.

use std::ops::ControlFlow;

use flextok_container::{Coded, Header, TokenFile};
use flextok_tokens::Grid;
use image::RgbImage;

use super::CodedCodec;
use super::engine::Job;
use crate::codec::{CancelToken, DecodeOptions, Look, Progress, limit};
use crate::coded::{self, Plain};
use crate::error::{Error, LimitKind};
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
        coded::picture_of(pixels, header.size(), coded.canvas, &self.threads)
    }

    /// The canvas of a file, not clamped. The file has passed [`CodedCodec::check_header`].
    pub(in crate::codec) fn decode_canvas(
        &self,
        file: &TokenFile,
        options: &DecodeOptions,
    ) -> Result<Canvas, Error> {
        let header = file.header();
        let grid = coded::grid_of(header.size(), self.coded_of(header)?.canvas)?;
        check_cancelled(options, 1)?;
        let plain = coded::plain_of(&self.tables, grid, file.payload(), &self.threads)?;
        if let Look::Learned(look) = self.look(options) {
            let mut samples = coded::zeros(plain.samples.len())?;
            let width = plain.size.width as usize;
            self.clean(&plain, look, options, &mut |row, column, clean| {
                samples[3 * (row * width + column)..][..clean.len()].copy_from_slice(clean);
            })?;
            return Ok(Canvas::new(plain.size, samples)?);
        }
        report(options, 1, 1);
        Ok(Canvas::new(plain.size, plain.samples)?)
    }

    /// The canvas that a file's payload decodes to. The file has passed [`CodedCodec::check_header`].
    fn pixels(
        &self,
        file: &TokenFile,
        grid: Grid,
        options: &DecodeOptions,
    ) -> Result<RgbImage, Error> {
        check_cancelled(options, 1)?;
        if let Look::Learned(look) = self.look(options) {
            let plain = coded::plain_of(&self.tables, grid, file.payload(), &self.threads)?;
            let mut samples = coded::zeros(plain.samples.len())?;
            let width = plain.size.width as usize;
            self.clean(&plain, look, options, &mut |row, column, clean| {
                let line = &mut samples[3 * (row * width + column)..][..clean.len()];
                for (sample, clean) in line.iter_mut().zip(clean) {
                    *sample = coded::in_8_bits(*clean);
                }
            })?;
            let Size { width, height } = plain.size;
            return Ok(RgbImage::from_raw(width, height, samples).unwrap_or_default());
        }
        let pixels = coded::canvas_of(&self.tables, grid, file.payload(), &self.threads)?;
        report(options, 1, 1);
        Ok(pixels)
    }

    /// What the learned decoder makes of a plain canvas.
    fn clean(
        &self,
        plain: &Plain,
        look: f32,
        options: &DecodeOptions,
        put: super::engine::Put<'_>,
    ) -> Result<(), Error> {
        let Some(engine) = &self.learned else {
            // `look` has given none.
            return Ok(());
        };
        let job = Job {
            plain,
            look,
            memory: self.limits.tile_memory,
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
        engine.clean(&job, &mut on_tile, put)
    }

    /// The look that the options select.
    pub(in crate::codec) fn look(&self, options: &DecodeOptions) -> Look {
        match &self.learned {
            Some(_) => options.look.unwrap_or_default(),
            None => Look::Plain,
        }
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

fn check_cancelled(options: &DecodeOptions, total: u32) -> Result<(), Error> {
    match is_cancelled(options) {
        true => Err(Error::Cancelled { done: 0, total }),
        false => Ok(()),
    }
}

fn report(options: &DecodeOptions, step: u32, total: u32) {
    if let Some(progress) = &options.progress {
        progress(Progress { step, total });
    }
}
