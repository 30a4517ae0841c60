//! Token files without a model, and image files.

use std::path::PathBuf;

use flextok::container::{self, KeepMetadata, TokenFile};
use flextok::info::FileInfo;
use flextok::picture::{LoadNote, LoadOptions, load as loader};
use flextok::{Error, Limits};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::errors::{OrRaise, usage};
use crate::interrupt::detached;
use crate::options::limits;
use crate::pixels;

/// What a token file, whole or cut, says about itself, as JSON.
#[pyfunction]
pub(crate) fn inspect(py: Python<'_>, file: PyBackedBytes) -> PyResult<String> {
    let info = py.detach(|| {
        let parsed = TokenFile::parse(&file)?;
        Ok::<_, Error>(FileInfo::new(&parsed, file.len() as u64))
    });
    serde_json::to_string(&info.or_raise(py)?)
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// A complete file of the first tokens of each canvas, or of what fits in some bytes.
#[pyfunction]
pub(crate) fn cut<'py>(
    py: Python<'py>,
    file: PyBackedBytes,
    tokens: Option<u32>,
    bytes: Option<u64>,
    keep_metadata: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let parsed = TokenFile::parse(&file).or_raise(py)?;
    let keep = match keep_metadata {
        true => KeepMetadata::Yes,
        false => KeepMetadata::No,
    };
    let cut = match (tokens, bytes) {
        (Some(_), None) if parsed.header().as_coded().is_some() => {
            let problem = "the file has no tokens of equal size; give bytes instead of tokens";
            return Err(usage(py, problem));
        }
        (Some(tokens), None) => parsed.cut_layers(tokens, keep),
        (None, Some(bytes)) => parsed.fit(bytes, keep),
        _ => return Err(usage(py, "give one of tokens and bytes")),
    };
    let cut: Result<Vec<u8>, container::Error> = cut.and_then(|cut| cut.to_bytes());
    Ok(PyBytes::new(py, &cut.or_raise(py)?))
}

/// The ids of each canvas of a token file.
#[pyfunction]
pub(crate) fn tokens(py: Python<'_>, file: PyBackedBytes) -> PyResult<Vec<Vec<u16>>> {
    let parsed = TokenFile::parse(&file).or_raise(py)?;
    let Some(ids) = parsed.header().as_ids() else {
        return Err(usage(
            py,
            "the file has a coded payload and no token ids; those of FlexTok models have them",
        ));
    };
    let layers = parsed.layers() as usize;
    let canvases = 0..ids.canvases();
    Ok(canvases
        .map(|canvas| parsed.canvas_ids(canvas).take(layers).collect())
        .collect())
}

/// The picture of an image file, given by its path or its bytes, as an array [H, W, C], and notes about it.
#[pyfunction]
pub(crate) fn load<'py>(
    py: Python<'py>,
    path: Option<PathBuf>,
    bytes: Option<PyBackedBytes>,
    color_management: bool,
    bounds: Vec<(String, u64)>,
) -> PyResult<(Bound<'py, PyAny>, Vec<String>)> {
    let bounds: Limits = limits(bounds);
    let options = LoadOptions {
        color_management,
        ..bounds.load_options()
    };
    let loaded = detached(py, None, || match (&path, &bytes) {
        (Some(path), _) => loader::open(path, &options),
        (None, Some(bytes)) => loader::decode_bytes(bytes, &options),
        (None, None) => loader::decode_bytes(&[], &options),
    })?;
    let loaded = loaded.or_raise(py)?;
    // Transparency is in the array.
    let notes = loaded
        .notes
        .iter()
        .filter(|note| **note != LoadNote::Transparent);
    let notes = notes.map(LoadNote::to_string).collect();
    Ok((pixels::any_array(py, loaded.image)?, notes))
}
