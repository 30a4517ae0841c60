//! The codec for browsers: its interface to JavaScript.
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
mod options;
mod progress;
mod stream;

use failure::to_js;
use js_sys::Uint8ClampedArray;
use model::{Model, Order, Pixels, Request};
use numbers::{Budget, number_of};
use options::Options;
use progress::Installed;
use serde_json::Value;
use stream::Stream;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** An event in the bytes fed to a `Reader`. */
export type Event =
  | {
      type: "header";
      width: number;
      height: number;
      /** What names the model. */
      model: string;
      /** Bytes of a coder, or token ids. */
      payload: "coded" | "ids";
      /** Units of payload of the whole file: bytes of a coded one, or tokens of each canvas. */
      units: number;
      /** Bytes of payload of a unit. */
      unitBytes: number;
    }
  /** Bytes of payload so far. */
  | { type: "payload"; available: number }
  /** Bytes of payload that a checksum covers. */
  | { type: "proven"; payload: number }
  | { type: "metadata"; chunks: number }
  | { type: "complete" };

/** The result of `inspect`, with the keys of `flextok info --json`. */
export type FileInfo = {
  width: number;
  height: number;
  model: string;
  state: "complete" | "truncated";
  bytes: number;
  /** Bytes to keep of the file, and bytes of the complete file that `cut` makes: for each number of tokens, or for powers of
   * two of bytes of payload and for all of them. */
  cuts: { tokens?: number; payload_bytes: number; prefix_bytes: number; complete_bytes: number }[];
} & (
  | {
      payload: "coded";
      /** Width and height in pixels. */
      canvas: [number, number];
      /** Whether the canvas is the picture in its own size, filled up to whole blocks. */
      canvas_is_own: boolean;
      bytes_have: number;
      bytes_total: number;
      bytes_proven: number;
    }
  | {
      payload: "ids";
      canvases: number;
      codebook_size: number;
      tokens_per_canvas: number;
      tokens_have: number;
      tokens_total: number;
      tokens_proven: number;
    }
);

export interface EncodeOptions {
  /** The most bytes that the file may have. Default: 1024, or all tokens of a model that has them. */
  bytes?: number;
  /** Tokens of the file, for FlexTok models. */
  tokens?: number;
  /** Choose the canvas for a later cut to this many bytes, for coded payloads. */
  cutAt?: number;
  /** The picture's own size, or this many blocks of 32 pixels along the long side, 1 to 255; for coded payloads. Default: what
   * suits the bytes. */
  canvas?: "own" | number;
  /** The size that the file declares, where the pixels are those of a larger picture, shrunk. */
  originalWidth?: number;
  originalHeight?: number;
}

export interface DecodeOptions {
  /** The most to use of the payload: bytes of a coded one, or tokens of each canvas. */
  units?: number;
  /** For FlexTok models. */
  steps?: number;
  seed?: number;
  /** The canvas, not resized to the size of the picture. */
  keepCanvas?: boolean;
  /** For coded payloads: `plain`, the digits alone; or of the learned decoder `faithful`, `sharp`, or a number between, from 0
   * to 1, also as a text. Default: 0.5 where the model has that decoder, else `plain`. */
  look?: "plain" | "faithful" | "sharp" | number | `${number}`;
  /** Called after each step; returning false ends the decode with an error of kind `cancelled`, and what it throws is thrown. */
  onStep?: (step: number, total: number) => boolean;
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
    /// The model whose `.safetensors` file is `model`. If that has only tables, `decoder` is the file of its learned decoder.
    #[wasm_bindgen(constructor)]
    pub fn new(model: Vec<u8>, decoder: Option<Vec<u8>>) -> Result<Self, JsValue> {
        Ok(Self(Model::open(model, decoder)?))
    }

    /// What files of this model name it by.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.0.0.name().to_string()
    }

    /// Most tokens of a picture; undefined for a model with a coded payload.
    #[wasm_bindgen(getter)]
    pub fn tokens(&self) -> Option<u32> {
        self.0.0.max_tokens()
    }

    /// Whether there is a learned decoder, and with it looks other than `plain`.
    #[wasm_bindgen(getter)]
    pub fn learned(&self) -> bool {
        self.0.0.has_learned_decoder()
    }

    /// A complete `.flxt` file of a picture: RGBA, 8 bits each, row by row from the top.
    pub fn encode(
        &self,
        rgba: Vec<u8>,
        width: f64,
        height: f64,
        #[wasm_bindgen(unchecked_optional_param_type = "EncodeOptions")] options: JsValue,
    ) -> Result<Vec<u8>, JsValue> {
        let names = "bytes tokens cutAt canvas originalWidth originalHeight";
        let options = Options::new(options, names)?;
        let sides = (
            options.number("originalWidth")?,
            options.number("originalHeight")?,
        );
        let order = Order {
            budget: Budget::new(
                "tokens",
                options.number("tokens")?,
                options.number("bytes")?,
            )?,
            original: match sides {
                (None, None) => None,
                (own_width, own_height) => {
                    Some((own_width.unwrap_or(width), own_height.unwrap_or(height)))
                }
            },
            cut_at: options.number("cutAt")?,
            canvas: options.word("canvas")?,
        };
        Ok(self.0.encode(rgba, (width, height), &order)?)
    }

    /// The picture of a file, whole or cut, in its original size.
    pub fn decode(
        &self,
        file: &[u8],
        #[wasm_bindgen(unchecked_optional_param_type = "DecodeOptions")] options: JsValue,
    ) -> Result<Picture, JsValue> {
        let options = Options::new(options, "units steps seed keepCanvas look onStep")?;
        let request = Request {
            units: options.number("units")?,
            steps: options.number("steps")?,
            seed: options.number("seed")?,
            keep_canvas: options.flag("keepCanvas")?,
            look: options.word("look")?,
        };
        let on_step = options.function("onStep")?;
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

    /// The look that it has: `plain`, or of the learned decoder a number from 0, faithful, to 1, sharp.
    #[wasm_bindgen(getter, unchecked_return_type = "\"plain\" | number")]
    pub fn look(&self) -> JsValue {
        number_of(self.0.look).map_or_else(|| "plain".into(), JsValue::from)
    }

    /// Units of payload that the picture was made of: bytes of a coded one, or tokens of each canvas.
    #[wasm_bindgen(getter)]
    pub fn units(&self) -> f64 {
        self.0.units as f64
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

    /// Takes the next bytes, in pieces of any size, and returns what they tell, events of one kind merged. An error
    /// carries as `events` what preceded it.
    #[wasm_bindgen(unchecked_return_type = "Event[]")]
    pub fn feed(&mut self, bytes: &[u8]) -> Result<JsValue, JsValue> {
        Ok(to_js(&Value::Array(self.0.feed(bytes)?)))
    }

    /// Units of payload so far: bytes of a coded one, or tokens that every canvas has. After a fault, those that checksums
    /// prove.
    #[wasm_bindgen(getter)]
    pub fn units(&self) -> f64 {
        self.0.units() as f64
    }

    /// Units that a checksum covers.
    #[wasm_bindgen(getter)]
    pub fn proven(&self) -> f64 {
        self.0.proven() as f64
    }

    /// Whether the file is all there.
    #[wasm_bindgen(getter)]
    pub fn complete(&self) -> bool {
        self.0.is_complete()
    }

    /// A copy of what was fed so far, after a fault of what is proven of it: what `Codec.decode` takes.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.bytes().to_vec()
    }
}

/// A complete file of the first part of `file`, with its own checksums and without metadata: `units` of payload (bytes of a
/// coded one, or tokens of each canvas), or as many as fit in `bytes`, or all that are there.
#[wasm_bindgen]
pub fn cut(file: &[u8], units: Option<f64>, bytes: Option<f64>) -> Result<Vec<u8>, JsValue> {
    Ok(file::cut(file, Budget::new("units", units, bytes)?)?)
}

/// What a file, whole or cut, says about itself.
#[wasm_bindgen(unchecked_return_type = "FileInfo")]
pub fn inspect(file: &[u8]) -> Result<JsValue, JsValue> {
    Ok(to_js(&file::inspect(file)?))
}
