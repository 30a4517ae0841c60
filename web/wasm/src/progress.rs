//! A page's progress callback during a decode.
//!
//! The library requires callbacks that can be called from any thread, which a JavaScript function cannot. The module
//! has one thread, so the function is kept in a thread-local variable, where the library's callback finds it.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::JsValue;

#[derive(Default)]
struct Callback {
    function: Option<Function>,
    /// The exception that it threw.
    thrown: Option<JsValue>,
}

thread_local! {
    static CURRENT: RefCell<Callback> = RefCell::default();
}

/// Installs the callback of one decode; dropping it restores that of an enclosing decode.
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

/// Reports a step to the page and returns whether to continue: false if the callback returned `false` or threw.
pub(crate) fn report(step: u32, total: u32) -> bool {
    // The borrow ends before the call: the function may start a decode of its own.
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
