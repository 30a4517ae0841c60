//! Properties of the container over arbitrary bytes. Each function panics if one does not hold.
//!
//! Each looks at the bytes as they are and at the same bytes with right checks, because random changes alone hardly ever get
//! beyond the header.

use flextok_container::{
    CanvasGrid, Coded, CodedCanvas, Error, Event, Fingerprint, Header, Ids, KeepMetadata, Limits,
    Metadata, Payload, Reader, Size, State, TablesName, TokenFile, layout::MAX_HEADER_BYTES,
};

use crate::reseal::reseal;

/// Whatever the bytes are, reading them ends in a consistent file or in an error that has text; and what is salvaged of them
/// is what the error says is proven.
pub fn parse(data: &[u8]) {
    both(data, parse_one);
}

fn parse_one(data: &[u8]) {
    let salvage = TokenFile::salvage(data, &Limits::default());
    let file = match TokenFile::parse(data) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            // What stands in a file is never a wrong request.
            assert!(!matches!(error, Error::InvalidHeader { .. }));
            if let Error::NeedMore { have, needed } = error {
                assert!(have == data.len() as u64 && needed > have);
                assert!(needed <= MAX_HEADER_BYTES + 1);
            }
            return salvaged(salvage.map(|salvage| salvage.file), &error);
        }
    };
    let (header, layout) = (file.header(), file.header().layout());
    assert_eq!(Header::parse(data).as_ref(), Ok(header));
    if let Some(ids) = header.as_ids() {
        assert!(
            file.ids()
                .iter()
                .all(|&id| u32::from(id) < ids.codebook_size)
        );
        assert!(file.proven_layers() <= file.layers() && file.layers() <= ids.tokens);
    }
    let there = layout.payload_within(data.len() as u64);
    let have = file.payload().len() as u64;
    assert!(have == there || (header.as_ids().is_some() && have == there - 1));
    assert_eq!(file.proven_bytes(), layout.proven_within(data.len() as u64));
    match file.state() {
        State::Complete => assert_eq!(have, header.payload_bytes()),
        State::Truncated {
            have: reported,
            total,
        } => {
            assert_eq!((reported, total), (have, header.payload_bytes()));
        }
    }
    assert_eq!(salvage.map(|salvage| salvage.file), Ok(file));
}

fn salvaged(salvage: Result<TokenFile, Error>, error: &Error) {
    match salvage {
        Err(found) => assert_eq!(&found, error),
        Ok(file) => {
            assert!(!file.is_complete());
            assert_eq!(file.payload().len() as u64, file.proven_bytes());
            if let Error::Corrupt { proven, .. } = error {
                assert_eq!(file.proven_bytes(), *proven);
            }
            let cut = file.cut(file.proven_bytes(), KeepMetadata::Yes);
            assert!(cut.is_ok_and(|cut| cut.is_complete()));
        }
    }
}

/// A file that was read is written as a file that reads the same; and so are two made of the bytes as payload.
pub fn roundtrip(data: &[u8]) {
    both(data, roundtrip_one);
    for file in made_of(data).into_iter().flatten() {
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

/// Valid files whose shape and payload come from the bytes, one of each kind.
fn made_of(data: &[u8]) -> Option<[TokenFile; 2]> {
    let (shape, rest) = data.split_first_chunk::<12>()?;
    let number = |at: usize| u32::from(u16::from_le_bytes([shape[at], shape[at + 1]]));
    let size = Size {
        width: number(4) * 16 + 1,
        height: number(6) * 16 + 1,
    };
    let model = Fingerprint([shape[0], shape[1], shape[2], shape[3]]);
    let title = String::from_utf8_lossy(rest.get(..9)?).into_owned();
    let metadata = Metadata {
        title: (shape[10] & 2 == 2).then_some(title),
        ..Metadata::default()
    };

    let coded = Coded {
        tables: shape[0]
            .try_into()
            .map_or(TablesName::Model(model), TablesName::Number),
        canvas: CodedCanvas::Long((shape[11] | 1).try_into().ok()?),
        bytes: rest.len() as u64,
    };
    let grid = CanvasGrid {
        columns: u32::from(shape[8] % 4) + 1,
        rows: u32::from(shape[9] % 4) + 1,
    };
    let tokens = rest.len() as u64 / 2 / grid.cells();
    let mut ids = Ids::new(model, u32::try_from(tokens).ok()?, 65_536);
    ids.grid = grid;
    let columns = u32::from(shape[11]) + 1;
    ids.canvas = (shape[10] % 2 == 1).then_some(CanvasGrid { columns, rows: 1 });
    let made = |payload| {
        let header = Header::new(size, payload).ok()?;
        let bytes = rest[..header.payload_bytes() as usize].to_vec();
        Some(TokenFile::new(header, bytes, metadata.clone()).expect("valid by construction"))
    };
    Some([made(Payload::Coded(coded))?, made(Payload::Ids(ids))?])
}

/// Reading in pieces (their sizes come from the first bytes) gives what reading at once gives, and the events agree with the
/// outcome.
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
    let (mut last_payload, mut last_proven, mut complete) = (0, 0, false);
    for &size in sizes.iter().cycle() {
        if rest.is_empty() || fed.is_err() {
            break;
        }
        let (piece, after) = rest.split_at((usize::from(size) + 1).min(rest.len()));
        fed = reader.feed(piece);
        rest = after;
        while let Some(event) = reader.next_event() {
            match event {
                Event::Payload { available } => last_payload = available,
                Event::Proven { payload } => last_proven = payload,
                Event::Complete => complete = true,
                _ => {}
            }
        }
    }
    let partial = reader.partial();
    let pieces = fed.and_then(|()| reader.finish());
    assert_eq!(pieces, whole);
    match whole {
        Ok(file) => {
            assert_eq!(last_payload, file.payload().len() as u64);
            assert_eq!(last_proven, file.proven_bytes());
            assert_eq!(complete, file.is_complete());
        }
        Err(_) => {
            let salvage = TokenFile::salvage(bytes, &Limits::default());
            let proven = partial.filter(|file| file.proven_bytes() > 0);
            assert_eq!(salvage.ok().map(|salvage| salvage.file), proven);
        }
    }
}

/// Cutting the bytes anywhere and cutting the file to what is left give the same; what was cut off can follow later; sizes keep
/// what the layout promises.
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
        assert!(file.payload().starts_with(head.payload()));
        let unit = head.header().unit();
        let have = head.payload().len() as u64;
        let payload = have - have % unit;
        if payload > 0 {
            let cut = head.cut(payload, KeepMetadata::No).expect("whole units");
            assert_eq!(file.cut(payload, KeepMetadata::No).as_ref(), Ok(&cut));
            let len = cut.to_bytes().expect("a complete file").len() as u64;
            assert_eq!(file.header().cut_len(payload), Some(len));
            assert_eq!(file.fit(len, KeepMetadata::No).as_ref(), Ok(&cut));
            let kept = file.cut(payload, KeepMetadata::Yes).expect("whole units");
            let len = kept.to_bytes().expect("a complete file").len() as u64;
            assert_eq!(file.fit(len, KeepMetadata::Yes), Ok(kept));
        }
        assert!(head.cut(have + 1, KeepMetadata::Yes).is_err());
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
