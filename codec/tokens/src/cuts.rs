//! The squared error of every cut of a stream, from its digits and the intervals that they leave.

use alloc::vec::Vec;

use crate::coder::{Encoder, Interval};
use crate::order::Layer;
use crate::value::value;

/// Digits that are collected before those whose bytes are settled are taken out.
const WAITING: usize = 4096;

/// Receives the digits of coefficients that are not zero, in coding order.
pub(crate) trait Record {
    /// A digit was coded, and the coefficient's magnitude is `magnitude` now. It was zero before if it `is_new`.
    fn digit(
        &mut self,
        encoder: &Encoder,
        layer: &Layer,
        coefficient: f32,
        magnitude: u32,
        is_new: bool,
    );

    /// All digits of a layer were coded.
    fn layer_ends(&mut self, encoder: &Encoder);
}

/// Measures nothing.
pub(crate) struct Unmeasured;

impl Record for Unmeasured {
    fn digit(&mut self, _: &Encoder, _: &Layer, _: f32, _: u32, _: bool) {}
    fn layer_ends(&mut self, _: &Encoder) {}
}

/// Measures the squared error of every cut.
pub(crate) struct Cuts {
    /// The error of all digits so far.
    error: f64,
    /// Digits whose bytes are not settled, and the error after them.
    waiting: Vec<(Interval, f64)>,
    /// The error of the digits whose bytes are settled.
    settled: f64,
    /// The errors of the first 0, 1, 2 … bytes.
    errors: Vec<f64>,
}

impl Cuts {
    /// Starts with the squared error of no digit.
    pub(crate) fn new(energy: f64) -> Self {
        Self {
            error: energy,
            waiting: Vec::new(),
            settled: energy,
            errors: Vec::new(),
        }
    }

    /// Takes in the digits that the first `settled` bytes of a stream decide about.
    fn settle(&mut self, stream: &[u8], settled: usize) {
        let ready = self
            .waiting
            .iter()
            .take_while(|(interval, _)| interval.bytes + 4 <= settled)
            .count();
        for (interval, error) in self.waiting.drain(..ready) {
            let needed = interval.bytes_needed(stream);
            if needed > self.errors.len() {
                self.errors.resize(needed, self.settled);
            }
            self.settled = error;
        }
    }

    /// The errors of the first 0, 1, 2 … bytes of the whole stream, up to `limit` of them.
    pub(crate) fn finish(mut self, stream: &[u8], limit: usize) -> Vec<f64> {
        self.settle(stream, usize::MAX);
        let count = stream.len().min(limit) + 1;
        self.errors
            .resize(count.max(self.errors.len()), self.settled);
        self.errors.truncate(count);
        self.errors
    }
}

impl Record for Cuts {
    #[inline]
    fn digit(
        &mut self,
        encoder: &Encoder,
        layer: &Layer,
        coefficient: f32,
        magnitude: u32,
        is_new: bool,
    ) {
        let coefficient = f64::from(coefficient.abs());
        let before = if is_new {
            0.0
        } else {
            value(magnitude >> 1, layer.plane - 1)
        };
        let [before, after] =
            [before, value(magnitude, layer.plane)].map(|value| coefficient - f64::from(value));
        self.error += after * after - before * before;
        self.waiting.push((encoder.interval(), self.error));
    }

    fn layer_ends(&mut self, encoder: &Encoder) {
        if self.waiting.len() >= WAITING {
            let bytes = encoder.bytes();
            // A carry changes the last byte that is not 255, and those behind it.
            let settled = bytes.iter().rposition(|&byte| byte != 255).unwrap_or(0);
            self.settle(bytes, settled);
        }
    }
}
