//! Work without the interpreter's lock, which Ctrl-C and a caller's callback can end.

use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;

use flextok::{CancelToken, DecodeOptions, Error, Progress};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;

use crate::errors::OrRaise;

/// How often signals are looked for.
pub(crate) const POLL: Duration = Duration::from_millis(50);
/// As much as a main thread has: image decoders are used to it.
const STACK: usize = 8 << 20;

/// Does `work` while other threads of Python run. A signal whose handler raises, as that of Ctrl-C does, sets off `cancel`, and
/// once the work has ended the exception is raised.
///
/// Python handles signals on its main thread only, so that this thread has to wait there while another one works.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    cancel: Option<&CancelToken>,
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    if !is_main_thread(py)? {
        return Ok(py.detach(work));
    }
    py.detach(|| {
        thread::scope(|scope| {
            let (working, worker) = mpsc::channel::<()>();
            let job = move || {
                // Dropped at the end, however that comes.
                let _working = working;
                work()
            };
            let handle = Builder::new()
                .name("flextok-call".to_owned())
                .stack_size(STACK)
                .spawn_scoped(scope, job)
                .map_err(|error| {
                    PyMemoryError::new_err(format!("cannot start a thread: {error}"))
                })?;
            let mut interrupt = Ok(());
            while let Err(RecvTimeoutError::Timeout) = worker.recv_timeout(POLL) {
                if interrupt.is_ok() {
                    interrupt = Python::attach(|py| py.check_signals());
                    if let (Err(_), Some(cancel)) = (&interrupt, cancel) {
                        cancel.cancel();
                    }
                }
            }
            let result = handle.join().unwrap_or_else(|panic| resume_unwind(panic));
            interrupt.map(|()| result)
        })
    })
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    threading.call_method0("get_ident")?.eq(main)
}

/// A decode with its cancellation and the caller's callback, which is called after each step and ends the decode by returning
/// `False` or raising.
pub(crate) struct Watched {
    cancel: CancelToken,
    raised: Arc<Mutex<Option<PyErr>>>,
}

impl Watched {
    /// Sets `options` up for it.
    pub(crate) fn new(options: DecodeOptions, on_step: Option<Py<PyAny>>) -> (Self, DecodeOptions) {
        let watched = Self {
            cancel: CancelToken::new(),
            raised: Arc::default(),
        };
        let options = options.with_cancel(watched.cancel.clone());
        let Some(on_step) = on_step else {
            return (watched, options);
        };
        let (cancel, raised) = (watched.cancel.clone(), Arc::clone(&watched.raised));
        let report = move |Progress { step, total, .. }: Progress| {
            Python::attach(|py| match on_step.bind(py).call1((step, total)) {
                Ok(answer) => {
                    if answer.is(pyo3::types::PyBool::new(py, false).as_any()) {
                        cancel.cancel();
                    }
                }
                Err(error) => {
                    cancel.cancel();
                    let mut raised = raised.lock().unwrap_or_else(PoisonError::into_inner);
                    raised.get_or_insert(error);
                }
            });
        };
        (watched, options.with_progress(report))
    }

    /// Does the work.
    pub(crate) fn run<T: Send>(
        self,
        py: Python<'_>,
        work: impl FnOnce() -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let result = detached(py, Some(&self.cancel), work)?;
        let raised = self
            .raised
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match raised {
            Some(error) => Err(error),
            None => result.or_raise(py),
        }
    }
}
