//! Errors of the library as the exceptions of `flextok/_errors.py`.

use std::io;

use flextok::compute::StorageError;
use flextok::{Error, ErrorKind, LimitKind};
use pyo3::prelude::*;

/// Results with an error of the library that become results with an exception.
pub(crate) trait OrRaise<T> {
    /// The value, or the error as an exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T, E: Into<Error>> OrRaise<T> for Result<T, E> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| exception(py, &error.into()))
    }
}

/// An impossible request that the library does not see.
pub(crate) fn usage(py: Python<'_>, message: &str) -> PyErr {
    raised(py, "UsageError", message).map_or_else(|error| error, PyErr::from_value)
}

/// The exception of an error.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    described(py, error).unwrap_or_else(|failure| failure)
}

/// An exception about one input of a batch, as the library words it.
pub(crate) fn in_batch(py: Python<'_>, error: PyErr, index: Option<usize>) -> PyResult<PyErr> {
    if let Some(index) = index {
        let exception = error.value(py);
        let message = format!("input {index} of the batch, counted from 0: {exception}");
        exception.setattr("args", (message,))?;
        exception.setattr("index", index)?;
    }
    Ok(error)
}

fn described(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let refused = system(error);
    let exception = raised(py, class(error, refused), &error.to_string())?;
    if let Some(number) = refused.and_then(io::Error::raw_os_error) {
        exception.setattr("errno", number)?;
    }
    exception.setattr("limit", error.limit().and_then(field))?;
    if let Error::InBatch { index, .. } = error {
        exception.setattr("index", index)?;
    }
    Ok(PyErr::from_value(exception))
}

fn raised<'py>(py: Python<'py>, class: &str, message: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("flextok._errors")?
        .getattr(class)?
        .call1((message,))
}

/// The class of an error; `refused` is what the operating system said.
fn class(error: &Error, refused: Option<&io::Error>) -> &'static str {
    match (refused.map(io::Error::kind), error) {
        (Some(io::ErrorKind::NotFound), _) => return "NotFoundError",
        (Some(_), _) => return "IoError",
        (None, Error::InBatch { error, .. }) => return class(error, None),
        (None, Error::Background(error)) => return class(error, None),
        (None, Error::WrongModel { .. }) => return "WrongModelError",
        (None, _) => {}
    }
    match error.kind() {
        ErrorKind::Usage => "UsageError",
        ErrorKind::Corrupt => "CorruptError",
        ErrorKind::Unsupported => "UnsupportedError",
        ErrorKind::Model => "ModelError",
        ErrorKind::Limit => "LimitError",
        ErrorKind::Image => "ImageError",
        ErrorKind::Io => "IoError",
        ErrorKind::Cancelled => "CancelledError",
        ErrorKind::Resources => "ResourcesError",
        ErrorKind::Device => "DeviceError",
        // A kind that this version has no class for.
        _ => "Error",
    }
}

/// What the operating system said, where that is the reason.
fn system(error: &Error) -> Option<&io::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(reason) = next {
        let found = match reason.downcast_ref::<StorageError>() {
            // Transparent: its own source is the one behind that.
            Some(StorageError::Io(found)) => Some(found),
            _ => reason.downcast_ref::<io::Error>(),
        };
        if let Some(found) = found {
            // Others are made by readers about what they read.
            return found.raw_os_error().is_some().then_some(found);
        }
        next = reason.source();
    }
    None
}

/// The key of a limit in `flextok.Limits`; none of those that cannot be raised there.
pub(crate) fn field(limit: LimitKind) -> Option<&'static str> {
    Some(match limit {
        LimitKind::Pixels => "pixels",
        LimitKind::Side => "side",
        LimitKind::ImageBytes => "image_bytes",
        LimitKind::ImageMemory => "image_memory",
        LimitKind::CanvasPixels => "canvas_pixels",
        LimitKind::TileMemory => "tile_memory",
        LimitKind::Steps => "steps",
        LimitKind::PayloadBytes => "payload_bytes",
        LimitKind::WeightsBytes => "weights_bytes",
        LimitKind::DeviceMemory => "device_memory",
        LimitKind::Container => return None,
    })
}
