//! Properties of the container over arbitrary bytes. Each function panics if one does not hold.
//!
//! Each looks at the bytes as they are and at the same bytes with right checksums, because random
//! changes alone hardly ever get beyond the first checkpoint.

use flextok_container::{
    Error, Event, Fingerprint, Header, KeepMetadata, Metadata, Reader, State, TokenFile,
};

use crate::reseal::reseal;

/// Whatever the bytes are, reading them ends in a consistent file or in an error that has text.
pub fn parse(data: &[u8]) {
    both(data, parse_one);
}

fn parse_one(data: &[u8]) {
    let file = match TokenFile::parse(data) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            // What stands in a file is never a wrong request.
            assert!(!matches!(error, Error::InvalidHeader { .. }));
            if let Error::NeedMore { have, needed } = error {
                assert!(have == data.len() as u64 && needed > have && needed <= 28);
            }
            return;
        }
    };
    let (header, layout) = (file.header(), file.header().layout());
    assert_eq!(Header::parse(data).as_ref(), Ok(header));
    let size = header.codebook_size();
    assert!(file.ids().iter().all(|&id| u32::from(id) < size));
    assert!(file.proven_layers() <= file.layers() && file.layers() <= header.tokens());
    let have = layout.tokens_within(data.len() as u64);
    assert_eq!(file.ids().len() as u64, have);
    match file.state() {
        State::Complete => assert_eq!(have, header.total_tokens()),
        State::Truncated { have: told, total } => {
            assert_eq!((told, total), (have, header.total_tokens()));
        }
    }
}

/// A file that was read is written as a file that reads the same; and so is one made of the bytes
/// as ids.
pub fn roundtrip(data: &[u8]) {
    both(data, roundtrip_one);
    if let Some(file) = made_of(data) {
        let bytes = file.to_bytes().expect("a complete file can be written");
        assert_eq!(TokenFile::parse(&bytes), Ok(file));
    }
}

fn roundtrip_one(data: &[u8]) {
    if let Ok(file) = TokenFile::parse(data) {
        if let Ok(bytes) = file.to_bytes() {
            assert_eq!(TokenFile::parse(&bytes).as_ref(), Ok(&file));
            assert_eq!(bytes.len(), data.len());
        } else {
            assert!(!file.is_complete());
        }
    }
}

/// A valid file whose shape and ids come from the bytes.
fn made_of(data: &[u8]) -> Option<TokenFile> {
    let (shape, rest) = data.split_first_chunk::<12>()?;
    let number = |at: usize| u32::from(u16::from_le_bytes([shape[at], shape[at + 1]]));
    let (columns, rows) = (u32::from(shape[8] % 4) + 1, u32::from(shape[9] % 4) + 1);
    let ids: Vec<u16> = rest
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let canvases = (columns * rows) as usize;
    let layers = (ids.len() / canvases).min(256);
    let fingerprint = Fingerprint([shape[0], shape[1], shape[2], shape[3]]);
    let (width, height) = (number(4) * 16 + 1, number(6) * 16 + 1);
    let header = Header::new(fingerprint, width, height, layers as u16, 65_536).ok()?;
    let canvas = (shape[10] % 2 == 1).then(|| (u16::from(shape[11]) + 1, 1));
    let header = header.with_canvas(canvas).ok()?;
    let header = header.with_grid(columns, rows).ok()?;
    let title = String::from_utf8_lossy(rest.get(..9)?).into_owned();
    let metadata = Metadata {
        title: (shape[10] & 2 == 2).then_some(title),
        ..Metadata::default()
    };
    let ids = ids[..layers * canvases].to_vec();
    Some(TokenFile::new(header, ids, metadata).expect("valid by construction"))
}

/// Reading in pieces (their sizes come from the first bytes) gives what reading at once gives,
/// and the events agree with the outcome.
pub fn chunks(data: &[u8]) {
    let Some((sizes, bytes)) = data.split_first_chunk::<4>() else {
        return;
    };
    both(bytes, |bytes| chunks_one(sizes, bytes));
}

fn chunks_one(sizes: &[u8], bytes: &[u8]) {
    let whole = TokenFile::parse(bytes);
    let mut reader = Reader::new();
    let mut rest = bytes;
    let mut fed = Ok(());
    let (mut last_tokens, mut last_proven, mut complete) = (0, 0, false);
    for &size in sizes.iter().cycle() {
        if rest.is_empty() || fed.is_err() {
            break;
        }
        let (piece, after) = rest.split_at((usize::from(size) + 1).min(rest.len()));
        fed = reader.feed(piece);
        rest = after;
        while let Some(event) = reader.next_event() {
            match event {
                Event::Tokens { available } => last_tokens = available,
                Event::Proven { layers } => last_proven = layers,
                Event::Complete => complete = true,
                _ => {}
            }
        }
    }
    let pieces = fed.and_then(|()| reader.finish());
    assert_eq!(pieces, whole);
    if let Ok(file) = whole {
        assert_eq!(last_tokens, file.ids().len() as u64);
        assert_eq!(last_proven, file.proven_layers());
        assert_eq!(complete, file.is_complete());
    }
}

/// Cutting the bytes anywhere and cutting the file to the layers left give the same; what was cut
/// off can follow later; sizes keep what the layout promises.
pub fn truncate(data: &[u8]) {
    let Some((at, bytes)) = data.split_first_chunk::<2>() else {
        return;
    };
    let at = usize::from(u16::from_le_bytes(*at));
    both(bytes, |bytes| truncate_one(at, bytes));
}

fn truncate_one(at: usize, bytes: &[u8]) {
    let Ok(file) = TokenFile::parse(bytes) else {
        return;
    };
    let at = at % (bytes.len() + 1);
    let (head_bytes, tail) = bytes.split_at(at);
    let mut reader = Reader::new();
    reader.feed(head_bytes).expect("a prefix of a good file");
    if let Some(head) = reader.partial() {
        assert_eq!(TokenFile::parse(head_bytes).as_ref(), Ok(&head));
        assert!(file.ids().starts_with(head.ids()));
        let tokens = head.layers();
        if tokens > 0 {
            let cut = head.cut(tokens, KeepMetadata::No).expect("whole layers");
            assert_eq!(file.cut(tokens, KeepMetadata::No).as_ref(), Ok(&cut));
            let len = cut.to_bytes().expect("a complete file").len() as u64;
            assert_eq!(file.header().layout().cut_len(tokens), Some(len));
            assert_eq!(file.fit(len, KeepMetadata::No).as_ref(), Ok(&cut));
            let kept = file.cut(tokens, KeepMetadata::Yes).expect("whole layers");
            let len = kept.to_bytes().expect("a complete file").len() as u64;
            assert_eq!(file.fit(len, KeepMetadata::Yes), Ok(kept));
        }
        assert!(head.cut(tokens + 1, KeepMetadata::Yes).is_err());
    }
    reader.feed(tail).expect("the rest of a good file");
    assert_eq!(reader.finish(), Ok(file));
}

fn both(data: &[u8], check: impl Fn(&[u8])) {
    check(data);
    if let Some(resealed) = reseal(data) {
        check(&resealed);
    }
}
