//! Properties of the public interface over arbitrary files, bytes, cuts and pieces.

use flextok_container::{
    Chunk, Error, Fingerprint, Header, KeepMetadata, Limits, Metadata, Reader, State, TokenFile,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn headers() -> impl Strategy<Value = Header> {
    let dimension = || prop_oneof![1..=70_000_u32, 1..=1_048_576_u32];
    let canvas = option::of((1..=256_u16, 1..=256_u16));
    let grid = prop_oneof![Just((1, 1)), (1..=4_u32, 1..=4_u32)];
    (
        any::<[u8; 4]>(),
        dimension(),
        dimension(),
        prop_oneof![1..=20_u16, 1..=256_u16],
        2..=65_536_u32,
        canvas,
        grid,
    )
        .prop_map(|(model, width, height, tokens, codebook, canvas, grid)| {
            Header::new(Fingerprint(model), width, height, tokens, codebook)
                .and_then(|header| header.with_canvas(canvas))
                .and_then(|header| header.with_grid(grid.0, grid.1))
                .expect("numbers in range")
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
        let ids = (0..header.total_tokens()).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) % u64::from(header.codebook_size())) as u16
        });
        TokenFile::new(header, ids.collect(), metadata).expect("a valid file")
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
        let mut begun = vec![0x89, 0x46, 0x4c, 0x58, 0x10];
        begun.extend_from_slice(&bytes);
        for input in [bytes, begun] {
            if let Ok(file) = TokenFile::parse(&input) {
                prop_assert!(input.len() as u64 >= file.header().byte_len());
            }
        }
    }

    #[test]
    fn damaged_files_never_panic_and_never_pass(
        file in files(),
        at in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let mut bytes = file.to_bytes()?;
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        let tokens_end = file.header().layout().tokens_end();
        match TokenFile::parse(&bytes) {
            Err(_) => {}
            Ok(read) => {
                prop_assert!(!read.is_complete());
                prop_assert!(at as u64 >= tokens_end);
                prop_assert_eq!(read.ids(), file.ids());
            }
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
        let total = file.header().total_tokens();
        match (reader.partial(), TokenFile::parse(head)) {
            (Some(partial), Ok(parsed)) => {
                let have = file.header().layout().tokens_within(head.len() as u64);
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
        for tokens in 1..=head.layers() {
            let cut = head.cut(tokens, KeepMetadata::No)?;
            prop_assert_eq!(&cut, &file.cut(tokens, KeepMetadata::No)?);
            let len = cut.to_bytes()?.len() as u64;
            prop_assert_eq!(file.header().layout().cut_len(tokens), Some(len));
            prop_assert_eq!(head.fit(len, KeepMetadata::No)?, cut);
        }
        prop_assert!(head.cut(head.layers() + 1, KeepMetadata::No).is_err());
    }
}
