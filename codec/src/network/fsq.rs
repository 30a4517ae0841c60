//! Codebook indices to codes (network.md section 4); the other direction is an operation of the engines.

/// The code of each index, `[ids, levels]`: `(digit − level div 2) / (level div 2)`, first channel fastest.
pub(crate) fn codes(ids: &[u16], levels: &[u32]) -> Vec<f32> {
    let mut codes = Vec::with_capacity(ids.len() * levels.len());
    for &id in ids {
        let mut rest = u32::from(id);
        for &level in levels {
            // An even number of levels has one more below zero than above: 8 levels reach from −1 to 0.75.
            let half = (level / 2) as f32;
            codes.push(((rest % level) as f32 - half) / half);
            rest /= level;
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::codes;

    #[test]
    fn digits_are_spread_over_minus_one_to_one() {
        assert_eq!(codes(&[0], &[8, 5]), [-1.0, -1.0]);
        assert_eq!(codes(&[39], &[8, 5]), [0.75, 1.0]);
        assert_eq!(codes(&[8 * 2 + 4], &[8, 5]), [0.0, 0.0]);
    }
}
