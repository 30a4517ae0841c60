//! A codec in the process that made it, and in those that fork from it.
//!
//! The threads of a codec do not survive a fork: in the child, work handed to them would wait for ever. So a child that uses
//! the codec of its parent opens its own, from the same arguments.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use flextok::{Codec, CodecBuilder, Device, Error};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::errors::OrRaise;
#[cfg(not(feature = "embedded-model"))]
use crate::errors::usage;

/// A value that belongs to one process. In another one it is neither used nor dropped: that could wait for threads which are
/// not there.
#[derive(Debug)]
pub(crate) struct Owned<T> {
    process: u32,
    value: Option<T>,
}

impl<T> Owned<T> {
    /// A value of this process.
    pub(crate) fn new(value: T) -> Self {
        Self {
            process: std::process::id(),
            value: Some(value),
        }
    }

    /// The value, in the process that it belongs to.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value
            .as_ref()
            .filter(|_| self.process == std::process::id())
    }

    /// The value to change, in the process that it belongs to.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.value
            .as_mut()
            .filter(|_| self.process == std::process::id())
    }

    /// Drops the value now, where it belongs to this process.
    pub(crate) fn close(&mut self) {
        let value = self.value.take();
        if self.process != std::process::id() {
            std::mem::forget(value);
        }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Which model a codec has.
#[derive(Debug, Clone)]
pub(crate) enum Model {
    #[cfg(feature = "embedded-model")]
    Embedded,
    /// That in a file or directory.
    At(PathBuf),
}

impl Model {
    /// The model at a path, or the embedded one.
    #[cfg_attr(
        feature = "embedded-model",
        expect(unused_variables, reason = "only the other build can fail")
    )]
    pub(crate) fn new(py: Python<'_>, path: Option<PathBuf>) -> PyResult<Self> {
        match path {
            Some(path) => Ok(Self::At(path)),
            #[cfg(feature = "embedded-model")]
            None => Ok(Self::Embedded),
            #[cfg(not(feature = "embedded-model"))]
            None => Err(usage(
                py,
                "this build has no embedded model; give the path of a model",
            )),
        }
    }
}

/// How a codec is opened.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) model: Model,
    pub(crate) builder: CodecBuilder,
    pub(crate) device: Device,
}

impl Source {
    fn open(&self) -> Result<Codec, Error> {
        let builder = self.builder.clone().with_device(self.device);
        match &self.model {
            #[cfg(feature = "embedded-model")]
            Model::Embedded => builder.embedded(),
            Model::At(path) => builder.open(path),
        }
    }
}

/// A codec that every process opens for itself.
#[derive(Debug)]
pub(crate) struct Opened {
    source: Source,
    codec: Mutex<Owned<Arc<Codec>>>,
}

impl Opened {
    /// Opens the codec of this process.
    pub(crate) fn new(py: Python<'_>, source: Source) -> PyResult<Self> {
        let codec = py.detach(|| source.open()).or_raise(py)?;
        Ok(Self {
            source,
            codec: Mutex::new(Owned::new(Arc::new(codec))),
        })
    }

    /// The codec of this process, which is opened if it has forked since.
    pub(crate) fn get(&self, py: Python<'_>) -> PyResult<Arc<Codec>> {
        // Held only while the interpreter is locked, as it is when a process forks: so no other thread has it then.
        let mut codec = self.codec.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = codec.get() {
            return Ok(Arc::clone(there));
        }
        if self.source.device != Device::Cpu {
            return Err(PyRuntimeError::new_err(
                "a GPU cannot be used in a process forked from one that used it; start processes by `spawn` or `forkserver`",
            ));
        }
        let opened = self.source.open().map(Arc::new);
        if let Ok(opened) = &opened {
            *codec = Owned::new(Arc::clone(opened));
        }
        // Making an exception runs Python, which may let another thread in.
        drop(codec);
        opened.or_raise(py)
    }
}
