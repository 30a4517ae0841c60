//! Properties of the coder of coefficients over arbitrary bytes and coefficients.

use std::path::Path;
use std::sync::LazyLock;

use flextok::Codec;
use flextok::tokens::{
    Band, Decoder, Grid, Tables, bands_of_blocks, decode_coefficients, encode_coefficients,
};

/// The model that brings the tables.
static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/builtin.safetensors");
    let codec = Codec::builder().with_threads(1).open(path);
    codec.expect("the built-in model")
});

fn tables() -> &'static Tables {
    CODEC.tables().expect("tables of a coded payload")
}

/// Bytes fed in pieces decode to what they decode to at once, and coefficients give a stream each prefix of which holds
/// the first of its digits.
///
/// The first byte is a grid of up to 3 blocks a side and the size of the pieces.
pub fn stream(data: &[u8]) {
    let Some((&shape, bytes)) = data.split_first() else {
        return;
    };
    let (rows, columns) = (usize::from(shape % 3) + 1, usize::from(shape / 3 % 3) + 1);
    let grid = Grid::new(rows, columns).expect("a small grid");
    in_pieces(grid, bytes, usize::from(shape / 9));
    let limit = usize::from(bytes.last().copied().unwrap_or_default());
    prefixes(grid, &coefficients(grid, bytes), limit);
}

/// Decodes the bytes in pieces of `piece` bytes, or for 0 in pieces that grow.
fn in_pieces(grid: Grid, bytes: &[u8], piece: usize) {
    let mut decoder = Decoder::new(tables(), grid).expect("memory");
    let (mut rest, mut turn) = (bytes, 0);
    while !rest.is_empty() {
        let before = decoder.digits();
        let size = if piece == 0 { turn } else { piece };
        let (head, tail) = rest.split_at(size.min(rest.len()));
        decoder.feed(head).expect("memory");
        assert!(decoder.digits() >= before);
        (rest, turn) = (tail, turn + 1);
    }
    let whole = decode_coefficients(tables(), grid, bytes).expect("memory");
    let state = (decoder.digits(), decoder.layer(), decoder.slope());
    assert_eq!(state, (whole.digits, whole.layer, whole.slope));
    assert!(whole.coefficients.iter().all(|value| value.is_finite()));
    let bands = bands_of_blocks(grid, &whole.coefficients).expect("all coefficients");
    let mut values = vec![0.0; grid.blocks()];
    for (band, expected) in Band::all().zip(bands.chunks_exact(grid.blocks())) {
        let begun = decoder.read(band, 0, &mut values);
        assert_eq!(values, expected, "{band:?}");
        assert!(begun || values.iter().all(|&value| value == 0.0));
    }
}

/// Coefficients all over the grid from the bytes, two each, as signed numbers with three bits of fraction; others are 0.
fn coefficients(grid: Grid, bytes: &[u8]) -> Vec<f32> {
    let mut coefficients = vec![0.0; grid.coefficients()];
    // An odd stride reaches every colour, block and frequency.
    let places = (0..grid.coefficients()).map(|k| k.wrapping_mul(389) % grid.coefficients());
    let (numbers, _) = bytes.as_chunks::<2>();
    for (place, &number) in places.zip(numbers) {
        coefficients[place] = f32::from(i16::from_le_bytes(number)) / 8.0;
    }
    coefficients
}

/// Encodes to at most 1024 bytes: the smaller `limit` gives a prefix, and a prefix decodes to the first of the digits.
fn prefixes(grid: Grid, coefficients: &[f32], limit: usize) {
    let encode = |limit| {
        let encoded = encode_coefficients(tables(), grid, coefficients, limit);
        encoded.expect("finite coefficients")
    };
    let stream = encode(1024);
    assert!(stream.len() <= 1024);
    let mut decoder = Decoder::new(tables(), grid).expect("memory");
    let mut fed = 0;
    for cut in [limit / 16, limit, 4 * limit].map(|cut| cut.min(stream.len())) {
        decoder.feed(&stream[fed..cut]).expect("memory");
        fed = cut;
        let part = decode_coefficients(tables(), grid, &stream[..cut]).expect("memory");
        assert_eq!(
            (part.digits, part.layer),
            (decoder.digits(), decoder.layer())
        );
    }
    let cut = limit.min(stream.len());
    assert_eq!(encode(cut), stream[..cut]);
    let digits = decoder.digits();
    decoder.feed(&stream[fed..]).expect("memory");
    assert!(decoder.digits() >= digits);
    let whole = decode_coefficients(tables(), grid, &stream).expect("memory");
    assert_eq!(whole.digits, decoder.digits());
    assert!(error(coefficients, &whole.coefficients) <= error(coefficients, &[]));
}

/// The squared error of decoded coefficients, those that are not there counting as 0.
fn error(coefficients: &[f32], decoded: &[f32]) -> f64 {
    let decoded = decoded.iter().copied().chain(std::iter::repeat(0.0));
    let pairs = coefficients.iter().zip(decoded);
    pairs
        .map(|(&a, b)| (f64::from(a) - f64::from(b)).powi(2))
        .sum()
}
