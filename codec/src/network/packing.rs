//! Several sequences in the rows of one tensor, so that a layer's weights are read once for all of them.

use flextok_compute::backend::Sequence;

/// The rows of sequences of equally many patches each: the patches of all of them, then the registers of all of them.
pub(super) struct Packing {
    pub(super) sequences: Vec<Sequence>,
    /// Rows of patches, which are the first ones.
    pub(super) patches: usize,
    /// All rows.
    pub(super) rows: usize,
}

impl Packing {
    /// Sequences of `patches` patches each and as many registers as `registers` gives.
    pub(super) fn new(patches: usize, registers: &[usize]) -> Self {
        let all_patches = patches * registers.len();
        let mut next = all_patches;
        let sequence = |(index, &count): (usize, &usize)| {
            let suffix = next..next + count;
            next = suffix.end;
            Sequence {
                prefix: index * patches..(index + 1) * patches,
                suffix,
            }
        };
        let sequences = registers.iter().enumerate().map(sequence).collect();
        Self {
            sequences,
            patches: all_patches,
            rows: next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_of_all_come_before_registers_of_all() {
        let packing = Packing::new(4, &[2, 0, 3]);
        assert_eq!((packing.patches, packing.rows), (12, 17));
        let rows: Vec<_> = packing
            .sequences
            .iter()
            .map(|sequence| (sequence.prefix.clone(), sequence.suffix.clone()))
            .collect();
        assert_eq!(rows, [(0..4, 12..14), (4..8, 14..14), (8..12, 14..17)]);
    }
}
