//! A page's callback while a decode runs.
//!
//! The library takes callbacks that may be called from any thread, and a JavaScript function is not such a thing. The
//! module has one thread, so the function waits in a place of that thread, where the library's callback finds it.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::JsValue;

#[derive(Default)]
struct Callback {
    function: Option<Function>,
    /// What it threw.
    thrown: Option<JsValue>,
}

thread_local! {
    static CURRENT: RefCell<Callback> = RefCell::default();
}

/// The callback of one decode; that of a decode around it comes back when this is dropped.
pub(crate) struct Installed(Callback);

impl Installed {
    pub(crate) fn new(function: Option<Function>) -> Self {
        let callback = Callback {
            function,
            thrown: None,
        };
        Self(CURRENT.replace(callback))
    }

    /// The exception that the callback threw, if it did.
    pub(crate) fn thrown(&self) -> Option<JsValue> {
        CURRENT.with_borrow_mut(|current| current.thrown.take())
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        CURRENT.replace(std::mem::take(&mut self.0));
    }
}

/// Tells the page of a step and returns whether to go on: not after `false` or an exception.
pub(crate) fn report(step: u32, total: u32) -> bool {
    // Not held while the function runs: it may start a decode of its own.
    let function = CURRENT.with_borrow(|current| current.function.clone());
    let Some(function) = function else {
        return true;
    };
    match function.call2(&JsValue::UNDEFINED, &step.into(), &total.into()) {
        Ok(answer) => answer.as_bool() != Some(false),
        Err(thrown) => {
            CURRENT.with_borrow_mut(|current| current.thrown = Some(thrown));
            false
        }
    }
}
