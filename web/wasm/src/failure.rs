//! Errors for JavaScript: an `Error` with the library's message and kind.

use flextok::{Error, ErrorKind};
use serde_json::Value;
use wasm_bindgen::JsValue;

/// The contents of an exception.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// What the caller can do about it: `ErrorKind`, in lower case.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// Events that a reader found in the same bytes before the fault.
    pub(crate) events: Vec<Value>,
}

impl Failure {
    /// An impossible request.
    pub(crate) fn usage(message: String) -> Self {
        Self {
            kind: ErrorKind::Usage.name(),
            message,
            events: Vec::new(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind().name(),
            message: error.to_string(),
            events: Vec::new(),
        }
    }
}

impl From<flextok::container::Error> for Failure {
    fn from(error: flextok::container::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let error = js_sys::Error::new(&failure.message);
        set(&error, "kind", &failure.kind.into());
        if !failure.events.is_empty() {
            set(&error, "events", &to_js(&Value::Array(failure.events)));
        }
        error.into()
    }
}

/// Plain data as JavaScript objects.
pub(crate) fn to_js(value: &Value) -> JsValue {
    // JSON.parse reads whatever serde_json writes.
    js_sys::JSON::parse(&value.to_string()).unwrap_or(JsValue::NULL)
}

fn set(object: &js_sys::Error, key: &str, value: &JsValue) {
    // A new error object takes every property.
    let _ = js_sys::Reflect::set(object, &key.into(), value);
}
