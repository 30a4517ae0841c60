//! Files to pictures: the same samples on every platform.
#![cfg(feature = "embedded-model")]

use flextok_plain::{Limits, decode, embedded_tables};

#[test]
fn a_file_has_one_picture_everywhere() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../capi/sizes/photo-512.flxt"
    );
    let file = std::fs::read(path).unwrap();
    let tables = embedded_tables().unwrap();
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let picture = |bytes| {
        let picture = decode(&tables, &file[..bytes], &Limits::default()).unwrap();
        assert_eq!((picture.size.width, picture.size.height), (512, 384));
        sum.checksum(&picture.rgb)
    };
    assert_eq!(
        [512, 200, 60].map(picture),
        [0xd7bf_79f3, 0x97da_985c, 0xef66_83fa]
    );
}
