//! A file that is still arriving: what `flextok.ProgressiveDecoder` holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flextok::progressive::{Pictures, ProgressiveOptions, ProgressivePicture, Refresh};
use flextok::{CancelToken, ModelName, ProgressiveDecoder};
use numpy::PyArray3;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::codec::Core;
use crate::errors::OrRaise;
use crate::interrupt::{POLL, detached};
use crate::options::Decode;
use crate::pixels;
use crate::process::Owned;

/// A progressive decoder of the library.
#[pyclass(frozen, module = "flextok._flextok")]
pub(crate) struct Progressive {
    /// Its lock is taken only while the interpreter is not locked.
    state: Mutex<Owned<State>>,
    cancel: CancelToken,
}

struct State {
    decoder: ProgressiveDecoder,
    pictures: Pictures,
}

/// Of a header: width, height, model, whether there are token ids, units of payload and bytes of a unit.
type About = (u32, u32, String, bool, u64, u64);

#[pymethods]
impl Progressive {
    /// `refresh` is one of `powers` and `manual`, or `units` or `seconds` with a number.
    #[new]
    fn new(
        py: Python<'_>,
        core: &Core,
        options: Decode,
        refresh: (String, f64),
        warm_start: Option<f32>,
    ) -> PyResult<Self> {
        let refresh = match (refresh.0.as_str(), refresh.1) {
            ("manual", _) => Refresh::Manual,
            ("units", units) => Refresh::Units(units as u64),
            ("seconds", seconds) => {
                Refresh::Interval(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
            }
            _ => Refresh::PowersOfTwo,
        };
        let cancel = CancelToken::new();
        let (decode, _) = options.options(py)?;
        let mut options = ProgressiveOptions::default()
            .with_refresh(refresh)
            .with_decode(decode.with_cancel(cancel.clone()));
        options.warm_start = warm_start;
        let decoder = ProgressiveDecoder::new(core.codec(py)?, options).or_raise(py)?;
        let pictures = decoder.pictures();
        Ok(Self {
            state: Mutex::new(Owned::new(State { decoder, pictures })),
            cancel,
        })
    }

    /// Takes the next bytes.
    fn feed(&self, py: Python<'_>, bytes: PyBackedBytes) -> PyResult<()> {
        self.with(py, |state| state.decoder.feed(&bytes))?
            .or_raise(py)
    }

    /// Requests a picture of what there is; whether there is any.
    fn request(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |state| state.decoder.request())
    }

    /// The latest picture.
    fn picture(&self, py: Python<'_>) -> PyResult<Option<Picture>> {
        let picture = self.with(py, |state| state.decoder.picture())?;
        Ok(picture.map(Picture))
    }

    /// The next picture that was not returned here before; none at the end of the file or of the time.
    fn wait(&self, py: Python<'_>, seconds: Option<f64>) -> PyResult<Option<Picture>> {
        let end = seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .and_then(|time| Instant::now().checked_add(time));
        // Not under the lock: another thread feeds meanwhile.
        let mut pictures = self.with(py, |state| state.pictures.clone())?;
        let found = loop {
            let now = Instant::now();
            let rest = end.map_or(POLL, |end| end.saturating_duration_since(now).min(POLL));
            let waited = py.detach(|| pictures.wait_for(rest)).or_raise(py)?;
            // Without a picture it returns early only where none will come.
            let is_over = now.elapsed() < rest;
            if waited.is_some() || is_over || end.is_some_and(|end| Instant::now() >= end) {
                break waited;
            }
            py.check_signals()?;
        };
        self.with(py, |state| state.pictures = pictures)?;
        Ok(found.map(Picture))
    }

    /// Ends the input and waits for the last picture; whether the file is complete.
    fn finish(&self, py: Python<'_>) -> PyResult<(bool, Picture)> {
        let ended = self.with(py, |state| state.decoder.end())?;
        // Not under the lock: other threads look at pictures meanwhile.
        let mut pictures = self.with(py, |state| state.pictures.clone())?;
        let waited = loop {
            let start = Instant::now();
            match py.detach(|| pictures.wait_for(POLL)) {
                Err(error) => break Err(error),
                Ok(None) if start.elapsed() < POLL => break Ok(()),
                Ok(_) => py.check_signals().inspect_err(|_| self.cancel.cancel())?,
            }
        };
        ended.or_raise(py)?;
        waited.or_raise(py)?;
        self.with(py, |state| state.pictures = pictures)?;
        let work = || self.locked(|state| state.decoder.finish());
        let finished = detached(py, Some(&self.cancel), work)?.ok_or_else(gone)?;
        let (state, picture) = finished.or_raise(py)?;
        let is_complete = state == flextok::container::State::Complete;
        Ok((is_complete, Picture(picture)))
    }

    /// Ends the decoder's thread; it cannot be used any more.
    fn close(&self, py: Python<'_>) {
        self.cancel.cancel();
        py.detach(|| self.lock().close());
    }

    /// Units of payload that can be shown.
    #[getter]
    fn units(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |state| state.decoder.units())
    }

    /// What the header says, once it is there.
    #[getter]
    fn header(&self, py: Python<'_>) -> PyResult<Option<About>> {
        self.with(py, |state| {
            let header = state.decoder.header()?;
            let (size, unit) = (header.size(), header.unit());
            let model = ModelName::of(header).to_string();
            let is_ids = header.as_ids().is_some();
            let units = header.payload_bytes() / unit;
            Some((size.width, size.height, model, is_ids, units, unit))
        })
    }
}

impl Progressive {
    fn lock(&self) -> MutexGuard<'_, Owned<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where it is closed, or was made in another process.
    fn locked<T>(&self, work: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.lock().get_mut().map(work)
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut State) -> T + Send,
    ) -> PyResult<T> {
        py.detach(|| self.locked(work)).ok_or_else(gone)
    }
}

fn gone() -> PyErr {
    PyRuntimeError::new_err(
        "this progressive decoder is closed, or was made in the process that this one was forked from",
    )
}

/// A picture of a file that may still be arriving.
#[pyclass(frozen, module = "flextok._flextok")]
pub(crate) struct Picture(Arc<ProgressivePicture>);

#[pymethods]
impl Picture {
    /// A new array [H, W, 3].
    fn array<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let picture = py.detach(|| self.0.image.clone());
        pixels::array(py, picture)
    }

    /// Units of payload that it shows.
    #[getter]
    fn units(&self) -> u64 {
        self.0.units
    }

    /// The look of a coded payload.
    #[getter]
    fn look(&self) -> Option<String> {
        self.0.look.map(|look| look.to_string())
    }
}
