//! A model on an engine: what `flextok.Codec` holds.

use std::path::PathBuf;

use flextok::image::{DynamicImage, RgbImage};
use flextok::{Codec, Device, EncodeOptions, Error, Precision, Size, picture};
use numpy::{PyArray2, PyArray3, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::{OrRaise, in_batch, usage};
use crate::interrupt::{Watched, detached};
use crate::options::{Decode, Encode, Sides, limits};
use crate::pixels;
use crate::process::{Model, Opened, Source};

/// A codec of the library.
#[pyclass(frozen, module = "flextok._flextok")]
pub(crate) struct Core(Opened);

impl Core {
    /// The codec of this process.
    pub(crate) fn codec(&self, py: Python<'_>) -> PyResult<std::sync::Arc<Codec>> {
        self.0.get(py)
    }
}

#[pymethods]
impl Core {
    #[new]
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        device: &str,
        precision: &str,
        threads: usize,
        mmap: bool,
        bounds: Vec<(String, u64)>,
    ) -> PyResult<Self> {
        let device: Device = device
            .parse()
            .map_err(|error| usage(py, &format!("{error}")))?;
        let precision: Precision = precision
            .parse()
            .map_err(|error| usage(py, &format!("{error}")))?;
        let builder = Codec::builder()
            .with_precision(precision)
            .with_threads(threads)
            .with_mmap(mmap)
            .with_limits(limits(bounds));
        let model = Model::new(py, path)?;
        let source = Source {
            model,
            builder,
            device,
        };
        Ok(Self(Opened::new(py, source)?))
    }

    /// Complete files of pictures in arrays [H, W, C]. `offset` is the number of pictures of the batch before these; without
    /// one there is a single picture, and errors have no number.
    fn encode<'py>(
        &self,
        py: Python<'py>,
        arrays: Vec<Bound<'py, PyAny>>,
        options: Encode<'py>,
        offset: Option<usize>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let (codec, options, pictures) = self.prepare(py, arrays, options, offset)?;
        let work = || numbered(codec.encode_batch(&pictures, &options), offset);
        let files = detached(py, None, work)?.or_raise(py)?;
        Ok(files.iter().map(|file| PyBytes::new(py, file)).collect())
    }

    /// The tokens [N, K] of pictures in arrays [H, W, C]; `offset` as for `encode`.
    fn tokenize<'py>(
        &self,
        py: Python<'py>,
        arrays: Vec<Bound<'py, PyAny>>,
        options: Encode<'py>,
        offset: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray2<u16>>> {
        let (codec, options, pictures) = self.prepare(py, arrays, options, offset)?;
        let work = || numbered(codec.tokenize_batch(&pictures, &options), offset);
        let rows = detached(py, None, work)?.or_raise(py)?;
        PyArray2::from_vec2(py, &rows).map_err(|error| usage(py, &error.to_string()))
    }

    /// The pictures [H, W, 3] of files, whole or cut. `single`: errors have no number.
    fn decode<'py>(
        &self,
        py: Python<'py>,
        files: Vec<PyBackedBytes>,
        options: Decode,
        single: bool,
    ) -> PyResult<Vec<Bound<'py, PyArray3<u8>>>> {
        let codec = self.codec(py)?;
        let (options, on_step) = options.options(py)?;
        let (watched, options) = Watched::new(options, on_step);
        let offset = (!single).then_some(0);
        let work = || numbered(codec.decode_batch(&files, &options), offset);
        arrays(py, watched.run(py, work)?)
    }

    /// The pictures [H, W, 3] that rows of tokens describe, resized to the sizes that are given.
    fn detokenize<'py>(
        &self,
        py: Python<'py>,
        rows: Vec<PyReadonlyArray1<'py, u16>>,
        sizes: Option<Vec<Sides>>,
        options: Decode,
    ) -> PyResult<Vec<Bound<'py, PyArray3<u8>>>> {
        let codec = self.codec(py)?;
        let rows: Vec<Vec<u16>> = rows.iter().map(|row| row.as_array().to_vec()).collect();
        let sizes: Vec<Size> = sizes.into_iter().flatten().map(Size::from).collect();
        for size in &sizes {
            let within = codec
                .limits()
                .check_size(size.width.into(), size.height.into());
            within.or_raise(py)?;
        }
        let (options, on_step) = options.options(py)?;
        let (watched, options) = Watched::new(options, on_step);
        let work = || {
            let canvases = codec.detokenize_batch(&rows, &options)?;
            if sizes.is_empty() {
                return Ok(canvases);
            }
            let sized = canvases
                .iter()
                .zip(&sizes)
                .map(|(canvas, size)| Ok(picture::restore(canvas, *size, codec.threads())?));
            sized.collect()
        };
        arrays(py, watched.run(py, work)?)
    }

    /// A file of the tokens of one canvas.
    fn pack<'py>(
        &self,
        py: Python<'py>,
        row: PyReadonlyArray1<'py, u16>,
        size: Sides,
        canvas: Option<Sides>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let codec = self.codec(py)?;
        let (row, canvas) = (row.as_array().to_vec(), canvas.map(Size::from));
        let file = codec.pack(
            &[row],
            size.into(),
            canvas,
            flextok::container::CanvasGrid::SINGLE,
            flextok::container::Metadata::default(),
        );
        Ok(PyBytes::new(
            py,
            &file.or_raise(py)?.to_bytes().or_raise(py)?,
        ))
    }

    /// What there is to know about the model and the engine.
    fn about<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let codec = self.codec(py)?;
        let (engine, config) = (codec.engine(), codec.config());
        let about = PyDict::new(py);
        about.set_item("model", codec.name().to_string())?;
        about.set_item("max_tokens", codec.max_tokens())?;
        about.set_item(
            "codebook_size",
            config.map(|config| config.quantizer.codebook_size()),
        )?;
        let canvas = config.map(|config| (config.canvas.width, config.canvas.height));
        about.set_item("canvas", canvas)?;
        about.set_item("learned", codec.has_learned_decoder())?;
        about.set_item("backend", engine.backend)?;
        about.set_item("device_name", &engine.name)?;
        about.set_item("precision", engine.precision.to_string())?;
        about.set_item("decode_precision", engine.decode_precision.to_string())?;
        about.set_item("fallback", &engine.fallback)?;
        about.set_item("threads", codec.threads().count())?;
        Ok(about)
    }

    /// Most pictures that go through a network together.
    #[classattr]
    const IMAGES_PER_PASS: usize = Codec::IMAGES_PER_PASS;
}

impl Core {
    fn prepare<'py>(
        &self,
        py: Python<'py>,
        arrays: Vec<Bound<'py, PyAny>>,
        options: Encode<'py>,
        offset: Option<usize>,
    ) -> PyResult<(std::sync::Arc<Codec>, EncodeOptions, Vec<DynamicImage>)> {
        let (codec, options) = (self.codec(py)?, options.options(py)?);
        let pictures = arrays.iter().enumerate().map(|(index, array)| {
            let picture = pixels::picture(array, codec.limits());
            picture.or_else(|error| Err(in_batch(py, error, offset.map(|offset| offset + index))?))
        });
        let pictures = pictures.collect::<PyResult<_>>()?;
        Ok((codec, options, pictures))
    }
}

/// The result with the number that its input has in the whole batch, or without one where there is no batch.
fn numbered<T>(result: Result<T, Error>, offset: Option<usize>) -> Result<T, Error> {
    result.map_err(|error| match (error, offset) {
        (Error::InBatch { error, .. }, None) => *error,
        (Error::InBatch { index, error }, Some(offset)) => Error::InBatch {
            index: index + offset,
            error,
        },
        (other, _) => other,
    })
}

fn arrays(py: Python<'_>, pictures: Vec<RgbImage>) -> PyResult<Vec<Bound<'_, PyArray3<u8>>>> {
    let arrays = pictures
        .into_iter()
        .map(|picture| pixels::array(py, picture));
    arrays.collect()
}
