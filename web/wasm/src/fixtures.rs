//! Token files for tests.

use flextok::container::{
    Coded, CodedCanvas, Fingerprint, Header, Ids, Metadata, Size, TablesName, TokenFile,
};

const SIZE: Size = Size::new(300, 200);

/// A complete file of a coded payload of `bytes`, 0, 7, 14 and so on, of a 300 × 200 picture.
pub(crate) fn coded(bytes: u64) -> Vec<u8> {
    let coded = Coded {
        tables: TablesName::BUILTIN,
        canvas: CodedCanvas::Own,
        bytes,
    };
    let payload = (0..bytes).map(|index| (index * 7) as u8).collect();
    let header = Header::coded(SIZE, coded).unwrap();
    let file = TokenFile::new(header, payload, Metadata::default()).unwrap();
    file.to_bytes().unwrap()
}

/// A complete file of `tokens` ids, 0, 7, 14 and so on, of the same picture.
pub(crate) fn ids(tokens: u16) -> Vec<u8> {
    let ids = Ids::new(Fingerprint([1, 2, 3, 4]), tokens.into(), 64_000);
    let list: Vec<u16> = (0..tokens).map(|index| index * 7).collect();
    let header = Header::ids(SIZE, ids).unwrap();
    let file = TokenFile::of_ids(header, &list, Metadata::default()).unwrap();
    file.to_bytes().unwrap()
}
