//! Options as JavaScript gives them: plain objects, of which every name and type is checked, so that none is misspelt in
//! silence.

use js_sys::{Function, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use crate::failure::Failure;
use crate::numbers::Word;

/// An object of options.
pub(crate) struct Options(Option<Object>);

impl Options {
    /// The object `value`, or none at all, with properties of these names, separated by spaces.
    pub(crate) fn new(value: JsValue, names: &str) -> Result<Self, JsValue> {
        if value.is_undefined() || value.is_null() {
            return Ok(Self(None));
        }
        let object: Object = value
            .dyn_into()
            .map_err(|_| Failure::usage("options are given as an object".to_owned()))?;
        for key in Object::keys(&object) {
            let key = key.as_string().unwrap_or_default();
            if !names.split(' ').any(|name| name == key) {
                let allowed = names.replace(' ', ", ");
                let problem = format!("there is no option {key}; allowed: {allowed}");
                return Err(Failure::usage(problem).into());
            }
        }
        Ok(Self(Some(object)))
    }

    /// A property; undefined counts as absent.
    fn get<T>(
        &self,
        name: &str,
        kind: &str,
        read: impl FnOnce(JsValue) -> Option<T>,
    ) -> Result<Option<T>, JsValue> {
        let Some(object) = &self.0 else {
            return Ok(None);
        };
        // A getter may throw.
        let value = Reflect::get(object, &name.into())?;
        if value.is_undefined() {
            return Ok(None);
        }
        let problem = || Failure::usage(format!("option {name} is not {kind}"));
        Ok(Some(read(value).ok_or_else(problem)?))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, JsValue> {
        self.get(name, "a number", |value| value.as_f64())
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, JsValue> {
        let flag = self.get(name, "true or false", |value| value.as_bool())?;
        Ok(flag.unwrap_or(false))
    }

    pub(crate) fn function(&self, name: &str) -> Result<Option<Function>, JsValue> {
        self.get(name, "a function", |value| value.dyn_into().ok())
    }

    pub(crate) fn word(&self, name: &str) -> Result<Option<Word>, JsValue> {
        self.get(name, "a text or a number", |value| {
            let number = value.as_f64().map(Word::Number);
            number.or_else(|| value.as_string().map(Word::Text))
        })
    }
}
