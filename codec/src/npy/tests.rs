//! Tests of `.npy` reading and writing. The literal files were written by NumPy.

use super::*;

/// A version 1.0 file with a header text and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn header(descr: &str, fortran: bool, shape: &str) -> String {
    let fortran = if fortran { "True" } else { "False" };
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}   \n")
}

#[test]
fn floats_round_trip_and_look_like_numpy() {
    let data = [1.5f32, -0.0, f32::MAX, 3.0e-40, 7.0, 8.0];
    let bytes = write_f32(&[1, 2, 3], &data).expect("six elements");
    assert_eq!(bytes.len(), 128 + 24);
    let text =
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3,), }  ";
    assert!(bytes.starts_with(text));
    assert_eq!(bytes[127], b'\n');
    let back = read_f32(&bytes).expect("what was written");
    assert_eq!(back.shape, [1, 2, 3]);
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back.data), bits(&data));
}

#[test]
fn integers_round_trip() {
    let back = read_integers(&write_u16(&[3], &[0, 1, 65_535]).expect("three")).expect("u16");
    assert_eq!((back.shape, back.data), (vec![3], vec![0, 1, 65_535]));
    let back = read_integers(&write_i64(&[2, 1], &[i64::MIN, 5]).expect("two")).expect("i64");
    assert_eq!((back.shape, back.data), (vec![2, 1], vec![i64::MIN, 5]));
    let scalar = read_integers(&write_i64(&[], &[9]).expect("a scalar")).expect("i64");
    assert_eq!((scalar.shape, scalar.data), (vec![], vec![9]));
    let empty = read_integers(&write_i64(&[0, 7], &[]).expect("none")).expect("i64");
    assert_eq!((empty.shape, empty.data), (vec![0, 7], vec![]));
}

#[test]
fn every_type_and_byte_order() {
    for (descr, data, want) in [
        ("|u1", &[200, 1][..], [200, 1]),
        ("|i1", &[200, 1], [-56, 1]),
        ("<u2", &[1, 2, 0, 255], [513, 65_280]),
        (">u2", &[1, 2, 0, 255], [258, 255]),
        ("<i2", &[255, 255, 1, 0], [-1, 1]),
        (">i4", &[255, 255, 255, 254, 0, 0, 1, 0], [-2, 256]),
        ("<u4", &[255, 255, 255, 255, 4, 0, 0, 0], [4_294_967_295, 4]),
        (
            "=i8",
            &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0],
            [1, 2],
        ),
        (
            "<u8",
            &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0],
            [1, 2],
        ),
    ] {
        let got = read_integers(&file(&header(descr, false, "(2,)"), data));
        assert_eq!(got.expect(descr).data, want, "{descr}");
    }
    let data: Vec<u8> = [0.1f64, -2.5]
        .iter()
        .flat_map(|v| v.to_be_bytes())
        .collect();
    let got = read_f32(&file(&header(">f8", false, "(2,)"), &data)).expect("f8");
    assert_eq!(got.data, [0.1f32, -2.5]);
    let got = read_f64(&file(&header(">f8", false, "(2,)"), &data)).expect("f8");
    assert_eq!(got.data, [0.1f64, -2.5]);
    let single = write_f32(&[2], &[0.1, -2.5]).expect("two");
    let got = read_f64(&single).expect("f4");
    assert_eq!(got.data, [f64::from(0.1f32), -2.5]);
    let huge = file(&header("<u8", false, "(1,)"), &[255; 8]);
    assert!(matches!(
        read_integers(&huge),
        Err(NpyError::ElementRange {
            index: 0,
            value: u64::MAX
        })
    ));
}

#[test]
fn fortran_order_is_turned() {
    // np.asfortranarray(np.arange(6).reshape(1, 2, 3))
    let bytes = file(&header("|u1", true, "(1, 2, 3)"), &[0, 3, 1, 4, 2, 5]);
    let array = read_integers(&bytes).expect("u1");
    assert_eq!(
        (array.shape, array.data),
        (vec![1, 2, 3], vec![0, 1, 2, 3, 4, 5])
    );
    // The position of each element of a 3 x 4 x 5 x 2 array, stored first index fastest.
    let shape = [3usize, 4, 5, 2];
    let data: Vec<u8> = (0..120)
        .map(|n| {
            let [a, b, c, d] = [n % 3, n / 3 % 4, n / 12 % 5, n / 60];
            (((a * shape[1] + b) * shape[2] + c) * shape[3] + d) as u8
        })
        .collect();
    let array = read_integers(&file(&header("|u1", true, "(3,4,5,2)"), &data)).expect("u1");
    assert_eq!(array.data, (0..120).collect::<Vec<i64>>());
    let none = read_integers(&file(&header("|u1", true, "(3, 0, 2)"), &[])).expect("empty");
    assert!(none.data.is_empty());
}

#[test]
fn other_versions_and_spellings() {
    let text = "{\"shape\":(2,),\"descr\":\"|u1\",\"fortran_order\":False}";
    for version in [2, 3] {
        let mut bytes = vec![0x93, b'N', b'U', b'M', b'P', b'Y', version, 0];
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend([8, 9]);
        assert_eq!(read_integers(&bytes).expect("valid").data, [8, 9]);
    }
    let bytes = b"\x93NUMPY\x04\x01\0\0";
    assert!(matches!(
        read_f32(bytes),
        Err(NpyError::Version { major: 4, minor: 1 })
    ));
}

#[test]
fn every_cut_and_every_surplus_is_noticed() {
    let bytes = write_u16(&[2, 2], &[1, 2, 3, 4]).expect("four");
    for cut in 0..bytes.len() {
        match read_integers(&bytes[..cut]) {
            Err(NpyError::NotNpy) => assert!(cut < 6),
            Err(NpyError::Truncated { have, need }) => {
                assert!(have == cut as u64 && need > have && need <= bytes.len() as u64);
            }
            other => panic!("{cut}: {other:?}"),
        }
    }
    let more = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(
        read_integers(&more),
        Err(NpyError::TrailingBytes {
            have: 137,
            need: 136
        })
    ));
}

#[test]
fn hostile_headers_are_refused_without_memory() {
    let cases = [
        ("(18446744073709551615,)", "|u1"),
        ("(99999999999999999999,)", "|u1"),
        ("(4294967296, 4294967296)", "<f4"),
        ("(1000000000000,)", "<f4"),
        (
            "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)",
            "|u1",
        ),
        ("(-1,)", "|u1"),
        ("(1", "|u1"),
        ("((((((((1,),),),),),),),)", "|u1"),
        ("1", "|u1"),
        ("(1 2)", "|u1"),
    ];
    for (shape, descr) in cases {
        let bytes = file(&header(descr, false, shape), &[0]);
        assert!(read_integers(&bytes).is_err(), "{shape}");
        assert!(read_f32(&bytes).is_err(), "{shape}");
    }
    let mut long = b"\x93NUMPY\x02\0\xff\xff\xff\xff{".to_vec();
    assert!(matches!(
        read_f32(&long),
        Err(NpyError::Truncated {
            need: 4_294_967_307,
            ..
        })
    ));
    long.truncate(9);
    assert!(matches!(
        read_f32(&long),
        Err(NpyError::Truncated { need: 12, .. })
    ));
}

#[test]
fn wrong_dictionaries_are_refused() {
    for text in [
        "",
        "[]",
        "{}",
        "{'descr': '|u1', 'fortran_order': False}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '|u1' 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': 1}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1, True)}",
        "{'descr",
    ] {
        match read_integers(&file(text, &[0])) {
            Err(NpyError::Literal(error)) => assert!(error.offset <= text.len()),
            Err(NpyError::Header { found }) => assert!(!found.is_empty()),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn element_types_are_named() {
    for descr in ["<f4", "<c8", "|b1", "<U3", "|O", "<i3", "<f\u{7}"] {
        let bytes = file(&header(descr, false, "(4,)"), &[0; 4]);
        let bytes = if descr == "<f4" {
            file(&header(descr, false, "(1,)"), &[0; 4])
        } else {
            bytes
        };
        match read_integers(&bytes) {
            Err(NpyError::ElementType { descr: got, .. }) => {
                assert_eq!(
                    got,
                    descr
                        .escape_default()
                        .to_string()
                        .replace("\\u{7}", "\\x07")
                );
            }
            other => panic!("{descr}: {other:?}"),
        }
    }
    let escaped = file(&header("|u1\\'", false, "(1,)"), &[0]);
    assert!(matches!(
        read_integers(&escaped),
        Err(NpyError::ElementType { descr, .. }) if descr == "|u1\\'"
    ));
    assert!(matches!(
        read_f32(&file(&header("<f2", false, "(1,)"), &[0; 2])),
        Err(NpyError::ElementType { .. })
    ));
}

#[test]
fn shapes_to_write_must_fit() {
    assert!(matches!(
        write_f32(&[2, 2], &[0.0; 3]),
        Err(NpyError::Elements { elements: 3, .. })
    ));
    assert!(write_f32(&[usize::MAX, 2], &[0.0; 3]).is_err());
    assert!(write_u16(&[1; 33], &[1]).is_err());
    assert!(write_u16(&[1; 32], &[1]).is_ok());
}

#[test]
fn an_empty_array_of_huge_sides_has_no_order() {
    let empty = file(
        &header("<f4", true, "(1099511627776, 1099511627776, 0)"),
        &[],
    );
    let array = read_f32(&empty).unwrap();
    assert!(array.data.is_empty());
    assert_eq!(array.shape, [1 << 40, 1 << 40, 0]);
}

#[test]
fn types_of_unknown_size_are_named_before_the_data_are_measured() {
    for descr in ["<c8", "|O", "<U5", "|b1"] {
        let bytes = file(&header(descr, false, "(3,)"), &[0; 24]);
        for error in [
            read_f32(&bytes).expect_err("no floats"),
            read_integers(&bytes).expect_err("no integers"),
        ] {
            assert!(
                matches!(&error, NpyError::ElementType { descr: found, .. } if found == descr),
                "{error}"
            );
        }
    }
}

#[test]
fn an_array_written_piece_by_piece_is_that_written_at_once() {
    let mut bytes = header_u16(&[2, 3]).expect("a shape");
    for row in [[1_u16, 2, 3], [4, 5, 60_000]] {
        bytes.extend(row.iter().flat_map(|id| id.to_le_bytes()));
    }
    assert_eq!(
        bytes,
        write_u16(&[2, 3], &[1, 2, 3, 4, 5, 60_000]).expect("six")
    );
    assert!(header_u16(&[usize::MAX, 2]).is_err());
    assert!(header_u16(&[1; 33]).is_err());
}
