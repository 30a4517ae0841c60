//! Properties of the public interface over arbitrary files, bytes, cuts and pieces.

use flextok_container::{
    CanvasGrid, Chunk, Coded, CodedCanvas, Error, Fingerprint, Header, Ids, KeepMetadata, Limits,
    Metadata, Payload, Reader, Size, State, TablesName, TokenFile,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn grids(most: u32) -> impl Strategy<Value = CanvasGrid> {
    (1..=most, 1..=most).prop_map(|(columns, rows)| CanvasGrid { columns, rows })
}

fn ids() -> impl Strategy<Value = Payload> {
    let grid = prop_oneof![Just(CanvasGrid::SINGLE), grids(4)];
    let tokens = prop_oneof![1..=20_u32, 1..=700_u32];
    let canvas = option::of(grids(256));
    (any::<[u8; 4]>(), tokens, 2..=65_536_u32, canvas, grid).prop_map(
        |(model, tokens, codebook_size, canvas, grid)| {
            Payload::Ids(Ids {
                model: Fingerprint(model),
                tokens,
                codebook_size,
                canvas,
                grid,
            })
        },
    )
}

fn coded() -> impl Strategy<Value = Payload> {
    let tables = prop_oneof![
        (1..=255_u8).prop_map(|n| TablesName::Number(n.try_into().expect("not 0"))),
        any::<[u8; 4]>().prop_map(|model| TablesName::Model(Fingerprint(model))),
    ];
    let bytes = prop_oneof![1..=140_u64, 1..=9000_u64];
    (tables, 1..=255_u8, bytes).prop_map(|(tables, blocks, bytes)| {
        let canvas = CodedCanvas::Long(blocks.try_into().expect("not 0"));
        Payload::Coded(Coded {
            tables,
            canvas,
            bytes,
        })
    })
}

fn headers() -> impl Strategy<Value = Header> {
    let dimension = || prop_oneof![1..=200_u32, 1..=20_000_u32, 1..=1_048_576_u32];
    let payload = prop_oneof![coded(), ids()];
    (dimension(), dimension(), payload).prop_map(|(width, height, payload)| {
        Header::new(Size { width, height }, payload).expect("numbers in range")
    })
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let text = || option::of("\\PC{0,12}");
    let other = (prop_oneof![Just(0_u8), 5..64_u8], vec(any::<u8>(), 0..20))
        .prop_map(|(kind, payload)| Chunk::new(kind, payload).expect("an undefined type"));
    (text(), text(), text(), text(), vec(other, 0..3)).prop_map(
        |(encoder, title, capture_time, color_profile, other)| Metadata {
            encoder,
            title,
            capture_time,
            color_profile,
            other,
        },
    )
}

fn files() -> impl Strategy<Value = TokenFile> {
    (headers(), metadata(), any::<u64>()).prop_map(|(header, metadata, seed)| {
        let mut state = seed;
        let codebook = header.as_ids().map_or(65_536, |ids| ids.codebook_size);
        let ids = (0..header.payload_bytes().div_ceil(2)).flat_map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (((state >> 33) % u64::from(codebook)) as u16).to_le_bytes()
        });
        let payload = ids.take(header.payload_bytes() as usize).collect();
        TokenFile::new(header, payload, metadata).expect("a valid file")
    })
}

fn feed_in_pieces(bytes: &[u8], sizes: &[usize]) -> Result<TokenFile, Error> {
    let mut reader = Reader::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        reader.feed(piece)?;
        rest = after;
    }
    reader.finish()
}

proptest! {
    #[test]
    fn what_is_written_is_read(file in files()) {
        let bytes = file.to_bytes()?;
        let read = TokenFile::parse(&bytes)?;
        prop_assert_eq!(&read, &file);
        prop_assert_eq!(read.to_bytes()?, bytes.clone());
        let limit = Limits::default().max_file_bytes();
        prop_assert!(bytes.len() as u64 <= limit);
        prop_assert_eq!(TokenFile::read_from(bytes.as_slice(), &Limits::default())?, file);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        // Random bytes never get beyond the magic number; give them a chance.
        let begun = [0x02, 0x92, 0x1f].map(|kind| [&[0xf6, 0xdc, kind], &bytes[..]].concat());
        for input in begun.into_iter().chain([bytes]) {
            if let Ok(file) = TokenFile::parse(&input) {
                prop_assert!(input.len() as u64 >= file.header().byte_len());
            }
        }
    }

    /// One byte changed in any way: a burst of at most 8 bits, which every check finds.
    #[test]
    fn a_changed_byte_never_passes(
        file in files(),
        at in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let mut bytes = file.to_bytes()?;
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        let read = TokenFile::parse(&bytes);
        // An even number of flips in the byte that has the parity can move the header's check.
        prop_assert!(read.is_err() || (at == 2 && !read.is_ok_and(|file| file.is_complete())));
        if let Ok(salvage) = TokenFile::salvage(&bytes, &Limits::default()) {
            prop_assert!(at == 2 || file.payload().starts_with(salvage.file.payload()));
        }
    }

    #[test]
    fn pieces_do_not_matter(
        file in files(),
        sizes in vec(1..50_usize, 1..8),
        keep in any::<prop::sample::Index>(),
        damage in option::of((any::<prop::sample::Index>(), 1..=255_u8)),
    ) {
        let mut bytes = file.to_bytes()?;
        if let Some((at, change)) = damage {
            let at = at.index(bytes.len());
            bytes[at] ^= change;
        }
        bytes.truncate(keep.index(bytes.len() + 1));
        prop_assert_eq!(feed_in_pieces(&bytes, &sizes), TokenFile::parse(&bytes));
    }

    #[test]
    fn a_cut_stream_goes_on_where_it_stopped(
        file in files(),
        at in any::<prop::sample::Index>(),
    ) {
        let bytes = file.to_bytes()?;
        let (head, tail) = bytes.split_at(at.index(bytes.len()));
        let mut reader = Reader::new();
        reader.feed(head)?;
        let total = file.header().payload_bytes();
        match (reader.partial(), TokenFile::parse(head)) {
            (Some(partial), Ok(parsed)) => {
                let have = file.header().layout().payload_within(head.len() as u64);
                let half = if file.header().as_ids().is_some() { have % 2 } else { 0 };
                let have = have - half;
                prop_assert_eq!(parsed.state(), State::Truncated { have, total });
                prop_assert_eq!(partial, parsed);
            }
            (None, Err(Error::NeedMore { have, needed })) => {
                prop_assert_eq!(have, head.len() as u64);
                prop_assert!(needed > have && needed <= file.header().byte_len());
            }
            other => prop_assert!(false, "{:?}", other),
        }
        reader.feed(tail)?;
        prop_assert_eq!(reader.finish()?, file);
    }

    #[test]
    fn cutting_a_prefix_is_cutting_the_whole(
        file in files(),
        at in any::<prop::sample::Index>(),
    ) {
        let bytes = file.to_bytes()?;
        let head = &bytes[..at.index(bytes.len() + 1)];
        let Ok(head) = TokenFile::parse(head) else { return Ok(()) };
        let unit = file.header().unit();
        let units = head.payload().len() as u64 / unit;
        for units in (1..=units).step_by(units.div_ceil(20).max(1) as usize) {
            let payload = units * unit;
            let cut = head.cut(payload, KeepMetadata::No)?;
            prop_assert_eq!(&cut, &file.cut(payload, KeepMetadata::No)?);
            let len = cut.to_bytes()?.len() as u64;
            prop_assert_eq!(file.header().cut_len(payload), Some(len));
            prop_assert_eq!(head.fit(len, KeepMetadata::No)?, cut);
        }
        prop_assert!(head.cut(head.payload().len() as u64 + 1, KeepMetadata::No).is_err());
    }
}
