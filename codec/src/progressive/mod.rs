//! Decoding while the file arrives: better and better pictures without waiting for the rest.
//!
//! [`ProgressiveDecoder`] is fed bytes in pieces of any size and decodes on a thread of its own. [`ProgressiveReader`] is
//! its half without a thread, for event loops and WebAssembly: it says what is due as a [`PictureJob`], which can be run
//! anywhere. [`Refresh`] decides when a picture is due.
//!
//! The events and the last picture depend on the bytes alone and not on the pieces in which they came; the
//! last picture is that of [`Codec::decode`](crate::Codec::decode) of all of them. Which pictures come before it depends on
//! when the bytes came and how fast the machine is.
//!
//! # Drafts
//! The learned decoder of a coded payload takes ten times as long as the digits. So [`ProgressiveDecoder`] shows each
//! picture plain at once, and again with the look of the options unless a newer one is due by then; the last picture always
//! has it. [`PictureJob::draft`] is the same for event loops.
//!
//! # Warm starts
//! A picture of more tokens can start from the latents of the one before, at a time t₀ of the flow, instead of from noise
//! (t₀ = 1): [`ProgressiveOptions::with_warm_start`]. It takes about t₀ of the steps, so it is quicker, but **it does not
//! look better, and it is off by default**. A small network on the four photos of `tests/photos`, each picture started
//! from the one with half its tokens; mean PSNR in dB / SSIM on the canvas:
//!
//! | steps | tokens | from noise | t₀ = 0.9 | t₀ = 0.75 | t₀ = 0.5 | t₀ = 0.25 |
//! |---|---|---|---|---|---|---|
//! | 1 | 2 | 14.41 / 0.387 | 14.05 / 0.381 | 13.76 / 0.358 | 13.80 / 0.362 | 13.90 / 0.378 |
//! | 1 | 8 | 15.37 / 0.412 | 15.23 / 0.402 | 14.29 / 0.364 | 13.53 / 0.286 | 13.86 / 0.342 |
//! | 1 | 32 | 16.77 / 0.436 | 16.72 / 0.428 | 16.25 / 0.402 | 13.51 / 0.233 | 13.85 / 0.270 |
//! | 1 | 128 | 19.23 / 0.483 | 19.04 / 0.475 | 18.70 / 0.450 | 13.92 / 0.214 | 13.74 / 0.193 |
//! | 1 | 256 | 19.25 / 0.485 | 19.06 / 0.476 | 18.78 / 0.453 | 13.60 / 0.203 | 13.29 / 0.156 |
//! | 8 | 2 | 13.10 / 0.290 | 12.51 / 0.260 | 12.05 / 0.223 | 12.10 / 0.204 | 12.47 / 0.235 |
//! | 8 | 8 | 14.32 / 0.307 | 13.53 / 0.259 | 11.54 / 0.168 | 10.65 / 0.094 | 11.75 / 0.143 |
//! | 8 | 32 | 15.83 / 0.329 | 15.34 / 0.290 | 12.22 / 0.152 | 9.76 / 0.053 | 10.99 / 0.086 |
//! | 8 | 128 | 17.74 / 0.359 | 17.22 / 0.326 | 13.69 / 0.165 | 9.43 / 0.042 | 10.34 / 0.057 |
//! | 8 | 256 | 17.78 / 0.361 | 17.28 / 0.330 | 13.94 / 0.174 | 9.24 / 0.039 | 10.03 / 0.048 |
//!
//! From noise wins at every number of tokens, for 1, 8 and 25 steps: what the picture before got wrong is kept and added
//! to, the more so the smaller t₀ is. Fewer steps from noise are both quicker and better than a warm start. Another model
//! may differ: `cargo run --release -p flextok --features metrics --example warm_start -- MODEL PHOTO…`
//! measures it. Even with warm starts the last picture starts from noise.

mod background;
mod decoder;
mod job;
mod reader;
mod refresh;

pub use background::Pictures;
pub use decoder::ProgressiveDecoder;
pub use flextok_container::Event;
pub use job::{PictureJob, ProgressivePicture};
pub use reader::{ProgressiveOptions, ProgressiveReader};
pub use refresh::Refresh;
