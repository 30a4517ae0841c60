//! A model from bytes in memory is the model of the file that they came from.

mod common;

use common::{picture, tiny_path};
use flextok::{Codec, EncodeOptions, ErrorKind};

#[test]
fn a_model_from_bytes_is_the_file_s() {
    let bytes = std::fs::read(tiny_path()).unwrap();
    let from_bytes = Codec::from_bytes(bytes.clone()).unwrap();
    let from_file = Codec::open(tiny_path()).unwrap();
    assert_eq!(from_bytes.name(), from_file.name());
    assert_eq!(from_bytes.config(), from_file.config());
    let (picture, options) = (picture(70, 50), EncodeOptions::default().with_tokens(20));
    let tokens = from_file.tokenize(&picture, &options).unwrap();
    assert_eq!(from_bytes.tokenize(&picture, &options).unwrap(), tokens);

    for length in [0, 7, 100, bytes.len() - 1] {
        let refused = Codec::from_bytes(bytes[..length].to_vec()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Model, "{length} bytes");
    }
}
