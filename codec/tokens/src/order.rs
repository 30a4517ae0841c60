//! The order of layers: which class gets its next plane when, by counting and as it is needed.

use alloc::vec;
use alloc::vec::Vec;

use crate::grid::FREQUENCIES;
use crate::memory::{filled, with_capacity};
use crate::tables::{SIZES, Step, Tables, first_plane, octave_eighths};
use crate::value::power_of_two;
use crate::{Band, Error, Grid};

/// What a layer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// One frequency of a colour's means: one coefficient.
    Mean {
        /// The colour.
        colour: usize,
        /// Vertical frequency · columns + horizontal frequency.
        index: usize,
    },
    /// A band other than the means: a coefficient in each block.
    Band(Band),
}

/// One plane of one class, with what follows from the plane and the class's expected size alone.
///
/// Sizes are in sixteenths of an octave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    /// The class.
    pub(crate) class: Class,
    /// What the plane gains per bit, in the unit of the tables.
    pub(crate) slope: i32,
    /// The plane; its threshold is 2^(20 − plane).
    pub(crate) plane: i32,
    /// In a class's first plane a one is followed by the magnitude, with at most this many zeros.
    pub(crate) first: Option<u32>,
    /// log₂(threshold before the plane ÷ expected size).
    pub(crate) before: i16,
    /// log₂(threshold after the plane ÷ expected size).
    pub(crate) after: i16,
}

impl Layer {
    fn new(class: Class, step: Step, size: u8) -> Self {
        let plane = i32::from(step.plane);
        let first = first_plane(size.into());
        let size = 2 * octave_eighths(size);
        Self {
            class,
            slope: step.slope.into(),
            plane,
            first: (first == usize::from(step.plane)).then_some(first as u32 + 1),
            before: (16 * (21 - plane) - size) as i16,
            after: (16 * (20 - plane) - size) as i16,
        }
    }

    /// 1 ÷ the threshold after the plane.
    pub(crate) fn per_threshold(&self) -> f32 {
        power_of_two(self.plane - 20)
    }
}

/// The layers of a grid, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    grid: Grid,
    /// Classes of each expected size, as numbers that rise as the classes are numbered.
    classes: Vec<u32>,
    /// Where each size's classes start; one more for the end.
    starts: Vec<usize>,
    steps: Vec<Step>,
    /// The steps that have not begun start here.
    next: usize,
    /// The first step of those in hand, which have the same slope and plane.
    step: Step,
    /// Their classes, each with its size in the low byte, and the first of them that has not had its layer.
    group: Vec<u32>,
    at: usize,
}

impl Order {
    pub(crate) fn new(tables: &Tables, grid: Grid) -> Result<Self, Error> {
        let sizes = sizes(tables, grid)?;
        let mut starts = vec![0; SIZES + 1];
        for &size in &sizes {
            starts[usize::from(size) + 1] += 1;
        }
        for size in 0..SIZES {
            starts[size + 1] += starts[size];
        }
        let mut ends = starts.clone();
        let mut classes = filled(0, sizes.len())?;
        for (class, &size) in sizes.iter().enumerate() {
            let end = &mut ends[usize::from(size)];
            classes[*end] = class as u32;
            *end += 1;
        }
        Ok(Self {
            grid,
            starts,
            steps: tables.steps().to_vec(),
            next: 0,
            step: tables.steps()[0],
            // A group has each class once at most, and a stable sort works in half as much again.
            group: with_capacity(classes.len())?,
            classes,
            at: 0,
        })
    }

    /// Takes the next steps of equal slope and plane in hand, until they have classes.
    fn refill(&mut self) {
        self.group.clear();
        self.at = 0;
        while self.group.is_empty() && self.next < self.steps.len() {
            self.step = self.steps[self.next];
            let first = self.next;
            while let Some(step) = self.steps.get(self.next)
                && (step.slope, step.plane) == (self.step.slope, self.step.plane)
            {
                let size = usize::from(step.size);
                let classes = &self.classes[self.starts[size]..self.starts[size + 1]];
                self.group.extend(
                    classes
                        .iter()
                        .map(|&class| class << 8 | u32::from(step.size)),
                );
                self.next += 1;
            }
            if self.next > first + 1 {
                // A sort that merges sorted runs.
                self.group.sort();
            }
        }
    }

    fn class(&self, number: usize) -> Class {
        let blocks = self.grid.blocks();
        let of_colour = blocks + FREQUENCIES - 1;
        let (colour, index) = (number / of_colour, number % of_colour);
        match index.checked_sub(blocks) {
            None => Class::Mean { colour, index },
            Some(band) => Class::Band(Band::from_index(colour * FREQUENCIES + band + 1)),
        }
    }
}

impl Iterator for Order {
    type Item = Layer;

    fn next(&mut self) -> Option<Layer> {
        if self.at == self.group.len() {
            self.refill();
        }
        let &class = self.group.get(self.at)?;
        self.at += 1;
        let [size, ..] = class.to_le_bytes();
        Some(Layer::new(
            self.class((class >> 8) as usize),
            self.step,
            size,
        ))
    }
}

/// The indices of all classes' expected sizes. Classes are numbered by colour, the means before the bands.
fn sizes(tables: &Tables, grid: Grid) -> Result<Vec<u8>, Error> {
    let mut sizes = with_capacity(3 * (grid.blocks() + FREQUENCIES - 1))?;
    for colour in 0..crate::grid::COLOURS {
        tables.mean_sizes(colour, grid.rows(), grid.columns(), &mut sizes);
        let bands = colour * FREQUENCIES + 1..(colour + 1) * FREQUENCIES;
        sizes.extend(bands.map(|band| tables.band_size(band)));
    }
    Ok(sizes)
}
