//! The FlexTok codec for browsers: its interface to JavaScript.
//!
//! Everything is synchronous and on one thread; a page calls it from a worker. Numbers are checked, and every error is a
//! JavaScript `Error` with the library's message and its `kind`: `usage`, `corrupt`, `unsupported`, `model`, `limit`,
//! `image`, `io`, `cancelled`, `resources` or `device`. This file only connects the two languages; the work is in the
//! modules, which run and are tested on any machine.

mod failure;
mod file;
#[cfg(test)]
mod fixtures;
mod model;
mod numbers;
mod progress;
mod stream;

use failure::to_js;
use js_sys::{Function, Uint8ClampedArray};
use model::{Model, Pixels, Request};
use numbers::Budget;
use progress::Installed;
use serde_json::Value;
use stream::Stream;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** An event in the bytes fed to a `Reader`. */
export type Event =
  | { type: "header"; width: number; height: number; tokens: number; model: string; canvases: number; codebookSize: number }
  | { type: "tokens"; available: number }
  | { type: "proven"; layers: number }
  | { type: "metadata"; chunks: number }
  | { type: "complete" };

/** The result of `inspect`, with the keys of `flextok info --json`. */
export interface FileInfo {
  width: number;
  height: number;
  model: string;
  canvases: number;
  codebook_size: number;
  state: "complete" | "truncated";
  tokens_have: number;
  tokens_per_canvas: number;
  tokens_total: number;
  tokens_proven: number;
  bytes: number;
  /** Bytes to keep of the file, and bytes of the complete file that `cut` makes, for each number of tokens. */
  cuts: { tokens: number; prefix_bytes: number; complete_bytes: number }[];
}

/** Everything that is thrown here. `events`: what a `Reader` found in the same bytes before the fault. */
export interface FlextokError extends Error {
  kind: "usage" | "corrupt" | "unsupported" | "model" | "limit" | "image" | "io" | "cancelled" | "resources" | "device";
  events?: Event[];
}
"#;

/// A model, ready to encode and decode. The halves of it are prepared when they are first used.
#[wasm_bindgen]
pub struct Codec(Model);

#[wasm_bindgen]
impl Codec {
    /// The model whose `.safetensors` file is `model`.
    #[wasm_bindgen(constructor)]
    pub fn new(model: Vec<u8>) -> Result<Self, JsValue> {
        Ok(Self(Model::open(model)?))
    }

    /// What files of this model name it by: 8 hexadecimal digits.
    #[wasm_bindgen(getter)]
    pub fn fingerprint(&self) -> String {
        self.0.0.fingerprint().to_string()
    }

    /// Most tokens of a picture.
    #[wasm_bindgen(getter)]
    pub fn tokens(&self) -> u32 {
        u32::try_from(self.0.0.config().registers).unwrap_or(u32::MAX)
    }

    /// Width in pixels of the canvas that pictures are resized to.
    #[wasm_bindgen(getter, js_name = canvasWidth)]
    pub fn canvas_width(&self) -> u32 {
        self.0.0.config().canvas.width
    }

    /// Height in pixels of the canvas.
    #[wasm_bindgen(getter, js_name = canvasHeight)]
    pub fn canvas_height(&self) -> u32 {
        self.0.0.config().canvas.height
    }

    /// Steps of a decode that names no number.
    #[wasm_bindgen(getter)]
    pub fn steps(&self) -> u32 {
        self.0.0.config().sampling.steps
    }

    /// A complete `.flxt` file of a picture: RGBA, 8 bits each, row by row from the top. `tokens` or `bytes` say how much
    /// of it to keep; without either it is all. `originalWidth` and `originalHeight`: the size that the file is to say,
    /// where the pixels are those of a larger picture, shrunk.
    #[allow(clippy::too_many_arguments)] // As JavaScript calls it; the last four are mostly left out.
    pub fn encode(
        &self,
        rgba: Vec<u8>,
        width: f64,
        height: f64,
        tokens: Option<f64>,
        bytes: Option<f64>,
        #[wasm_bindgen(js_name = originalWidth, unchecked_optional_param_type = "number")]
        original_width: Option<f64>,
        #[wasm_bindgen(js_name = originalHeight, unchecked_optional_param_type = "number")]
        original_height: Option<f64>,
    ) -> Result<Vec<u8>, JsValue> {
        let original = match (original_width, original_height) {
            (None, None) => None,
            (original_width, original_height) => Some((
                original_width.unwrap_or(width),
                original_height.unwrap_or(height),
            )),
        };
        let budget = Budget::new(tokens, bytes)?;
        Ok(self.0.encode(rgba, (width, height), original, budget)?)
    }

    /// The picture of a file, whole or cut, in its original size, or the canvas if `keepCanvas` is true. `onStep` is called
    /// after each step; returning false ends the decode with an error of kind `cancelled`, and what it throws is thrown.
    pub fn decode(
        &self,
        file: &[u8],
        #[wasm_bindgen(unchecked_optional_param_type = "number")] tokens: Option<f64>,
        #[wasm_bindgen(unchecked_optional_param_type = "number")] steps: Option<f64>,
        #[wasm_bindgen(unchecked_optional_param_type = "number")] seed: Option<f64>,
        #[wasm_bindgen(js_name = keepCanvas, unchecked_optional_param_type = "boolean")]
        keep_canvas: Option<bool>,
        #[wasm_bindgen(
            js_name = onStep,
            unchecked_optional_param_type = "(step: number, total: number) => boolean"
        )]
        on_step: Option<Function>,
    ) -> Result<Picture, JsValue> {
        let request = Request {
            tokens,
            steps,
            seed,
            keep_canvas: keep_canvas.unwrap_or(false),
        };
        let report = on_step.is_some().then_some(progress::report);
        let installed = Installed::new(on_step);
        let decoded = self.0.decode(file, &request, report);
        if let Some(thrown) = installed.thrown() {
            return Err(thrown);
        }
        Ok(Picture(decoded?))
    }
}

/// A decoded picture.
#[wasm_bindgen]
pub struct Picture(Pixels);

#[wasm_bindgen]
impl Picture {
    /// Width in pixels.
    #[wasm_bindgen(getter)]
    pub fn width(&self) -> u32 {
        self.0.width
    }

    /// Height in pixels.
    #[wasm_bindgen(getter)]
    pub fn height(&self) -> u32 {
        self.0.height
    }

    /// A new array of the pixels, as `ImageData` takes it.
    #[wasm_bindgen(getter)]
    pub fn rgba(&self) -> Uint8ClampedArray {
        Uint8ClampedArray::from(self.0.rgba.as_slice())
    }

    /// Tokens that the picture was made of.
    #[wasm_bindgen(getter)]
    pub fn tokens(&self) -> u32 {
        self.0.tokens.into()
    }
}

/// Reads a file while its bytes arrive; needs no model.
#[wasm_bindgen]
#[derive(Default)]
pub struct Reader(Stream);

#[wasm_bindgen]
impl Reader {
    /// A reader at the beginning of a file.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, in pieces of any size, and returns what they tell. The sequence of events does not depend on
    /// the pieces. An error carries as `events` what preceded it.
    #[wasm_bindgen(unchecked_return_type = "Event[]")]
    pub fn feed(&mut self, bytes: &[u8]) -> Result<JsValue, JsValue> {
        Ok(to_js(&Value::Array(self.0.feed(bytes)?)))
    }

    /// Complete tokens present in each canvas.
    #[wasm_bindgen(getter)]
    pub fn layers(&self) -> u32 {
        self.0.layers().into()
    }

    /// Whether the file is all there.
    #[wasm_bindgen(getter)]
    pub fn complete(&self) -> bool {
        self.0.is_complete()
    }

    /// A copy of what was fed so far, up to a fault: what `Codec.decode` takes.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.bytes().to_vec()
    }
}

/// A complete file of the first tokens of `file`, with its own checksums and without metadata: `tokens` of them, or as
/// many as fit in `bytes`, or all complete layers.
#[wasm_bindgen]
pub fn cut(file: &[u8], tokens: Option<f64>, bytes: Option<f64>) -> Result<Vec<u8>, JsValue> {
    Ok(file::cut(file, Budget::new(tokens, bytes)?)?)
}

/// What a file, whole or cut, says about itself.
#[wasm_bindgen(unchecked_return_type = "FileInfo")]
pub fn inspect(file: &[u8]) -> Result<JsValue, JsValue> {
    Ok(to_js(&file::inspect(file)?))
}
