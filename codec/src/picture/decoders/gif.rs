//! The blocks of a GIF file (GIF89a): what stands beside its first frame, and whether it is all there.

/// What a file holds, as far as it goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Frames that have begun.
    pub(super) frames: usize,
    /// Frames whose last block is there.
    pub(super) complete: usize,
    /// Whether the file ends before its trailer.
    pub(super) cut: bool,
    /// The XMP packet, wherever it stands.
    pub(super) xmp: Option<Vec<u8>>,
}

/// The application that XMP packets are blocks of (XMP specification, part 3, section 1.1.2).
const XMP: &[u8] = b"XMP DataXMP";
/// The packet is followed by bytes that lead a reader that takes its letters for lengths to the end of the block.
const TRAILER: usize = 258;

/// Walks the blocks up to the trailer, or to what is no block.
pub(super) fn layout(gif: &[u8], most_xmp: usize) -> Layout {
    let mut layout = Layout::default();
    let mut rest = gif.get(10..).unwrap_or_default();
    // The flags, two numbers, a table of colours, and the blocks.
    let mut more = skip_table(&mut rest, 2).map(|()| true);
    while more == Some(true) {
        more = block(&mut rest, &mut layout, most_xmp);
    }
    layout.cut = more.is_none();
    layout
}

/// One block, and whether another follows; nothing where the file ends.
fn block(rest: &mut &[u8], layout: &mut Layout, most_xmp: usize) -> Option<bool> {
    match take(rest, 1)? {
        [0x2c] => {
            layout.frames += 1;
            take(rest, 8)?;
            skip_table(rest, 0)?;
            take(rest, 1)?; // the least size of a code
            skip_data(rest)?;
            layout.complete += 1;
        }
        [0x21] => {
            let application = take(rest, 1)? == [0xff];
            let start = *rest;
            if application && start.get(1..12) == Some(XMP) && layout.xmp.is_none() {
                take(rest, 12)?;
                let packet = *rest;
                skip_data(rest)?;
                let length = packet.len() - rest.len();
                let packet = length
                    .checked_sub(TRAILER)
                    .and_then(|end| packet.get(..end));
                layout.xmp = packet
                    .filter(|packet| packet.len() <= most_xmp)
                    .map(<[u8]>::to_vec);
            } else {
                skip_data(rest)?;
            }
        }
        // Zeros between blocks are read over by everyone.
        [0] => {}
        // The trailer, or damage.
        _ => return Some(false),
    }
    Some(true)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

/// The flags and `more` bytes behind them, and the table of colours that the flags tell of.
fn skip_table(rest: &mut &[u8], more: usize) -> Option<()> {
    let flags = *take(rest, 1)?.first()?;
    take(rest, more)?;
    if flags & 0x80 != 0 {
        take(rest, 3 << ((flags & 7) + 1))?;
    }
    Some(())
}

/// Blocks of data up to the empty one.
fn skip_data(rest: &mut &[u8]) -> Option<()> {
    loop {
        let length = usize::from(*take(rest, 1)?.first()?);
        if length == 0 {
            return Some(());
        }
        take(rest, length)?;
    }
}

#[cfg(test)]
pub(in crate::picture) fn xmp_block(packet: &[u8]) -> Vec<u8> {
    let ramp: Vec<u8> = [1].into_iter().chain((0..=255).rev()).chain([0]).collect();
    [&[0x21, 0xff, 11], XMP, packet, &ramp].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::fixtures;

    #[test]
    fn frames_and_the_trailer_of_real_files() {
        let gif = fixtures::bytes("animated.gif");
        let whole = layout(&gif, 0);
        assert!(whole.frames > 1 && whole.complete == whole.frames && !whole.cut);
        let mut before = Layout::default();
        for cut in 0..gif.len() {
            let part = layout(&gif[..cut], 0);
            assert!(part.cut, "{cut}");
            assert!(part.complete <= part.frames && part.frames <= part.complete + 1);
            assert!(part.frames >= before.frames && part.complete >= before.complete);
            before = part;
        }
        assert_eq!(before.complete, whole.complete);
    }

    #[test]
    fn packets_stand_anywhere() {
        let gif = fixtures::bytes("animated.gif");
        let block = xmp_block(b"<x>a packet</x>");
        let end = gif.len() - 1;
        // Behind the header and its table of colours, or before the trailer.
        let first = 13 + (3 << ((gif[10] & 7) + 1)) * usize::from(gif[10] >> 7);
        for at in [first, end] {
            let with = [&gif[..at], &block, &gif[at..]].concat();
            let found = layout(&with, 100);
            assert_eq!(found.xmp.as_deref(), Some(&b"<x>a packet</x>"[..]));
            assert!(!found.cut && found.frames == layout(&gif, 0).frames);
            assert_eq!(layout(&with, 5).xmp, None);
            for cut in 0..with.len() {
                layout(&with[..cut], 100);
            }
        }
    }
}
