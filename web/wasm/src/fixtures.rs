//! Token files for tests.

use flextok::container::{Fingerprint, Header, Metadata, TokenFile};

/// A complete file of `tokens` tokens, 0, 7, 14 and so on, of a 300 × 200 picture.
pub(crate) fn file(tokens: u16) -> Vec<u8> {
    let header = Header::new(Fingerprint([1, 2, 3, 4]), 300, 200, tokens, 64_000).unwrap();
    let ids = (0..tokens).map(|index| index * 7).collect();
    let file = TokenFile::new(header, ids, Metadata::default()).unwrap();
    file.to_bytes().unwrap()
}
