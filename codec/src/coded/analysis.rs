//! Pictures to coefficients, and coefficients to bytes.

use flextok_compute::Threads;
use flextok_container::CodedCanvas;
use flextok_plain::canvas::{grid_of, pixels_of};
use flextok_plain::lot::LappedTransform;
use flextok_tokens::{Band, Grid, Tables, encode};
#[cfg(any(test, feature = "metrics"))]
use flextok_tokens::{Measured, encode_measured};
use image::{DynamicImage, RgbImage};

use crate::picture::{pad_image, shrink_image};
use crate::{Error, Size};

/// The coefficients of a picture on its canvas.
pub(crate) struct Analysis {
    grid: Grid,
    /// In the order of [`LappedTransform::forward`].
    coefficients: Vec<f32>,
}

impl Analysis {
    /// Brings a picture to the canvas of a picture of `size`, and transforms it.
    ///
    /// # Errors
    /// [`Error::Picture`] or [`Error::Plain`] if memory is exhausted, [`Error::Container`] for an impossible canvas.
    pub(crate) fn new(
        image: &DynamicImage,
        background: [u8; 3],
        size: Size,
        canvas: CodedCanvas,
        threads: &Threads,
    ) -> Result<Self, Error> {
        let grid = grid_of(size, canvas)?;
        let picture = on_canvas(image, background, size, (canvas, grid), threads)?;
        Self::of_canvas(&picture, grid, threads)
    }

    /// Transforms a picture that [`on_canvas`] has made.
    pub(crate) fn of_canvas(
        picture: &RgbImage,
        grid: Grid,
        threads: &Threads,
    ) -> Result<Self, Error> {
        let transform = LappedTransform::new(grid.rows(), grid.columns());
        let coefficients = threads.install(|| transform.forward(picture.as_raw()))?;
        Ok(Self { grid, coefficients })
    }

    #[cfg(test)]
    pub(crate) fn grid(&self) -> Grid {
        self.grid
    }

    /// At most `limit` bytes; each prefix of them is a coarser picture.
    pub(crate) fn encode(&self, tables: &Tables, limit: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = encode(tables, self.grid, &self.source(), limit)?;
        if bytes.is_empty() {
            // A file has at least one byte, and any decodes.
            bytes.push(0);
        }
        Ok(bytes)
    }

    /// As [`Analysis::encode`], with the squared error on the canvas of each cut.
    #[cfg(any(test, feature = "metrics"))]
    pub(crate) fn encode_measured(&self, tables: &Tables, limit: usize) -> Result<Measured, Error> {
        Ok(encode_measured(tables, self.grid, &self.source(), limit)?)
    }

    fn source(&self) -> impl Fn(Band, &mut [f32]) {
        let columns = self.grid.columns();
        move |band, values| {
            for (row, values) in values.chunks_exact_mut(columns).enumerate() {
                let plane = ((row * 3 + band.colour()) * 32 + band.v()) * 32 + band.u();
                values.copy_from_slice(&self.coefficients[plane * columns..][..columns]);
            }
        }
    }
}

/// The picture in the whole blocks of `grid`.
pub(crate) fn on_canvas(
    image: &DynamicImage,
    background: [u8; 3],
    size: Size,
    (canvas, grid): (CodedCanvas, Grid),
    threads: &Threads,
) -> Result<RgbImage, Error> {
    let pixels = pixels_of(grid);
    match canvas {
        CodedCanvas::Long(_) => Ok(shrink_image(image, background, pixels, threads)?),
        CodedCanvas::Own if Size::new(image.width(), image.height()) == size => {
            Ok(pad_image(image, background, pixels)?)
        }
        // Pixels that stand for a picture of another size.
        CodedCanvas::Own => {
            let picture = shrink_image(image, background, size, threads)?;
            Ok(pad_image(&picture.into(), background, pixels)?)
        }
    }
}
