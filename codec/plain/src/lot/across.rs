//! The horizontal part of the transform, of one colour of a row of blocks.
//!
//! Its lines are the 32 lines of the row of blocks one after the other, `[32][32·columns]`: seen from here, segments of 32
//! values, one for each line and block. The frequencies are `[32 frequencies][segments]`. A vector holds one value of
//! each of several segments that follow one another, so that sums over a segment become sums of whole vectors.

use alloc::vec::Vec;

use pulp::Simd;

use super::kernel;
use super::tables::{Matrix, Tables};
use super::{BLOCK, LAP};
use crate::Error;
use crate::memory::with_capacity;

/// Segments that are worked on at a time, at least the lanes of any vector.
const SEGMENTS: usize = 16;

/// Segments that are held: those in hand, and those that follow.
const WINDOW: usize = 2 * SEGMENTS;

/// Each value of the segments in hand, then of those that follow.
type Window = [[f32; WINDOW]; BLOCK];

/// Where rows of blocks have boundaries.
pub(super) struct Across {
    /// 1 if the segment with this number, modulo the columns, has another block of its line behind it, else 0.
    inner: Vec<f32>,
    columns: usize,
}

impl Across {
    pub(super) fn new(columns: usize) -> Result<Self, Error> {
        let mut inner = with_capacity(columns + SEGMENTS)?;
        inner.extend((1..=columns + SEGMENTS).map(|next| f32::from(next % columns != 0)));
        Ok(Self { inner, columns })
    }

    /// Lines to frequencies.
    #[inline(always)]
    pub(super) fn analyse<S: Simd>(
        &self,
        simd: S,
        tables: &Tables,
        lines: &[f32],
        frequencies: &mut [f32],
    ) {
        let segments = BLOCK * self.columns;
        let mut window: Window = [[0.0; WINDOW]; BLOCK];
        load(lines, &mut window);
        for first in (0..segments).step_by(SEGMENTS) {
            shift(&mut window);
            if first + SEGMENTS < segments {
                load(&lines[(first + SEGMENTS) * BLOCK..], &mut window);
            }
            self.filter(simd, &tables.filter, &mut window, first);
            for lane in (0..SEGMENTS).step_by(S::F32_LANES) {
                let samples = kernel::load_all(simd, &window.as_flattened()[lane..], WINDOW);
                let coefficients = kernel::dct(simd, tables, &samples);
                kernel::store_all::<S>(&mut frequencies[first + lane..], segments, &coefficients);
            }
        }
    }

    /// Frequencies to lines.
    #[inline(always)]
    pub(super) fn synthesise<S: Simd>(
        &self,
        simd: S,
        tables: &Tables,
        frequencies: &[f32],
        lines: &mut [f32],
    ) {
        let segments = BLOCK * self.columns;
        let mut window: Window = [[0.0; WINDOW]; BLOCK];
        for first in (0..=segments).step_by(SEGMENTS) {
            shift(&mut window);
            if first < segments {
                for lane in (0..SEGMENTS).step_by(S::F32_LANES) {
                    let coefficients =
                        kernel::load_all(simd, &frequencies[first + lane..], segments);
                    let samples = kernel::dct_back(simd, tables, &coefficients);
                    let behind = &mut window.as_flattened_mut()[SEGMENTS + lane..];
                    kernel::store_all::<S>(behind, WINDOW, &samples);
                }
            }
            if let Some(before) = first.checked_sub(SEGMENTS) {
                self.filter(simd, &tables.filter_back, &mut window, before);
                store(&window, &mut lines[before * BLOCK..]);
            }
        }
    }

    /// The filter over the boundaries behind the segments in hand, of which `first` is the first.
    #[inline(always)]
    fn filter<S: Simd>(&self, simd: S, matrix: &Matrix<LAP>, window: &mut Window, first: usize) {
        let inner = &self.inner[first % self.columns..][..SEGMENTS];
        for lane in (0..SEGMENTS).step_by(S::F32_LANES) {
            let is_inner =
                simd.less_than_f32s(simd.splat_f32s(0.0), kernel::load::<S>(&inner[lane..]));
            let mut around = [simd.splat_f32s(0.0); BLOCK];
            for i in 0..LAP {
                around[i] = kernel::load::<S>(&window[LAP + i][lane..]);
                around[LAP + i] = kernel::load::<S>(&window[i][1 + lane..]);
            }
            let before = around;
            kernel::filter(simd, matrix, &mut around);
            for i in 0..LAP {
                let [a, b] = [i, LAP + i].map(|i| simd.select_f32s(is_inner, around[i], before[i]));
                kernel::store::<S>(&mut window[LAP + i][lane..], a);
                kernel::store::<S>(&mut window[i][1 + lane..], b);
            }
        }
    }
}

/// The segments that follow become those in hand.
#[inline(always)]
fn shift(window: &mut Window) {
    for values in window {
        values.copy_within(SEGMENTS.., 0);
    }
}

/// Takes the first segments of some lines as those that follow.
#[inline(always)]
fn load(lines: &[f32], window: &mut Window) {
    let (segments, _) = lines.as_chunks::<BLOCK>();
    for (lane, segment) in segments[..SEGMENTS].iter().enumerate() {
        for (values, &value) in window.iter_mut().zip(segment) {
            values[SEGMENTS + lane] = value;
        }
    }
}

/// Writes the segments in hand to the start of some lines.
#[inline(always)]
fn store(window: &Window, lines: &mut [f32]) {
    let (segments, _) = lines.as_chunks_mut::<BLOCK>();
    for (lane, segment) in segments[..SEGMENTS].iter_mut().enumerate() {
        for (value, values) in segment.iter_mut().zip(window) {
            *value = values[lane];
        }
    }
}
