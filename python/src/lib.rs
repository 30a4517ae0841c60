//! The codec for Python: the part of the package `flextok` that is not Python.
//!
//! The package in `package/flextok` has the classes that people use, with their signatures, types and documentation, and makes
//! an array of each kind of picture. Here arrays become pictures and pictures arrays, the interpreter is released while the
//! codec works, and errors become exceptions. Names here are private to the package.

mod codec;
mod errors;
mod files;
mod interrupt;
mod options;
mod pixels;
mod process;
mod progressive;

use pyo3::prelude::*;

/// The extension module.
#[pymodule]
mod _flextok {
    #[pymodule_export]
    use super::codec::Core;
    #[pymodule_export]
    use super::files::{cut, inspect, load, tokens};
    #[pymodule_export]
    use super::progressive::{Picture, Progressive};
    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
