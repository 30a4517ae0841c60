//! The closed formulas against a walk through the file.

use super::*;

/// Marks of a file by walking it as the specification tells: for each layer the offsets before
/// it, after it, and after its checkpoint.
fn walk(header: u64, canvases: u64, layers: u16) -> Vec<(u64, u64, u64)> {
    let mut at = header;
    (1..=layers)
        .map(|layer| {
            let start = at;
            at += 2 * canvases;
            let whole = at;
            if [4, 16, 64, 256].contains(&layer) || layer == layers {
                at += 4;
            }
            (start, whole, at)
        })
        .collect()
}

extern crate std;
use std::vec::Vec;

#[test]
fn formula_agrees_with_a_walk() {
    for (header, canvases) in [(21, 1), (24, 1), (28, 6), (25, 65_536), (25, 1 << 32)] {
        for layers in 1..=256 {
            let layout = Layout::new(header, canvases, layers).unwrap();
            let marks = walk(header, canvases, layers);
            assert_eq!(layout.layer_end(0), Some(header));
            for (layer, &(start, whole, end)) in (1..).zip(&marks) {
                assert_eq!(layout.checkpoint_end(layer - 1), Some(start));
                assert_eq!(layout.layer_end(layer), Some(whole));
                assert_eq!(layout.checkpoint_end(layer), Some(end));
                assert_eq!(layout.has_checkpoint(layer), end != whole);
                let first = canvases * u64::from(layer - 1);
                assert_eq!(layout.token_offset(first), Some(start));
                assert_eq!(layout.token_offset(first + canvases - 1), Some(whole - 2));
                // A cut file has the length of a file that never was longer.
                let cut = walk(header, canvases, layer).last().unwrap().2;
                assert_eq!(layout.cut_len(layer), Some(cut));
                assert_eq!(layout.layers_within(cut), Some(layer));
                let less = (layer > 1).then(|| layer - 1);
                assert_eq!(layout.layers_within(cut - 1), less);
            }
            assert_eq!(Some(layout.tokens_end()), marks.last().map(|mark| mark.2));
            assert_eq!(layout.layer_end(layers + 1), None);
            assert_eq!(layout.checkpoint_end(layers + 1), None);
            assert_eq!(layout.cut_len(0), None);
            assert_eq!(layout.cut_len(layers + 1), None);
            assert_eq!(layout.token_offset(layout.total_tokens()), None);
        }
    }
}

#[test]
fn tokens_within_counts_whole_tokens() {
    for (header, canvases, layers) in [(21, 1, 1), (21, 1, 70), (25, 3, 17), (25, 2, 16)] {
        let layout = Layout::new(header, canvases, layers).unwrap();
        let marks = walk(header, canvases, layers);
        for bytes in 0..layout.tokens_end() + 9 {
            let tokens = marks.iter().map(|&(start, whole, _)| {
                // Bytes of this layer that the prefix holds.
                bytes.clamp(start, whole) - start
            });
            let expected: u64 = tokens.map(|bytes| bytes / 2).sum();
            assert_eq!(layout.tokens_within(bytes), expected, "{bytes} bytes");
        }
    }
}

#[test]
fn next_checkpoint_skips_to_the_end_of_short_streams() {
    let of = |layers| {
        let layout = Layout::new(21, 1, layers).unwrap();
        let next = |layer: &u16| layout.next_checkpoint(*layer);
        std::iter::successors(layout.next_checkpoint(0), next).collect::<Vec<_>>()
    };
    assert_eq!(of(1), [1]);
    assert_eq!(of(4), [4]);
    assert_eq!(of(5), [4, 5]);
    assert_eq!(of(63), [4, 16, 63]);
    assert_eq!(of(64), [4, 16, 64]);
    assert_eq!(of(255), [4, 16, 64, 255]);
    assert_eq!(of(256), [4, 16, 64, 256]);
}

#[test]
fn numbers_out_of_range_are_refused() {
    for (header, canvases, layers) in [
        (20, 1, 1),
        (29, 1, 1),
        (21, 0, 1),
        (21, (1 << 32) + 1, 1),
        (21, 1, 0),
        (21, 1, 257),
    ] {
        let result = Layout::new(header, canvases, layers);
        assert!(matches!(result, Err(Error::InvalidHeader { .. })));
    }
}
