//! Properties of the array reader over arbitrary bytes.

use flextok::npy;

/// What is read has as many elements as its shape says, and reads the same once written.
pub fn file(data: &[u8]) {
    match npy::read_f32(data) {
        Ok(array) => {
            assert_eq!(product(&array.shape), Some(array.data.len()));
            let written = npy::write_f32(&array.shape, &array.data).expect("a shape that fits");
            let again = npy::read_f32(&written).expect("an array just written");
            assert_eq!(again.shape, array.shape);
            let bits = |data: &[f32]| data.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&again.data), bits(&array.data));
            let wide = npy::read_f64(data).expect("an array that was read");
            let narrow = wide.data.iter().map(|&x| x as f32).collect::<Vec<_>>();
            assert_eq!(wide.shape, array.shape);
            let numbers = narrow.iter().zip(&array.data);
            assert!(
                numbers
                    .clone()
                    .all(|(a, b)| a == b || a.is_nan() && b.is_nan())
            );
        }
        Err(error) => crate::one_line(&error),
    }
    match npy::read_integers(data) {
        Ok(array) => {
            assert_eq!(product(&array.shape), Some(array.data.len()));
            let written = npy::write_i64(&array.shape, &array.data).expect("a shape that fits");
            assert_eq!(npy::read_integers(&written).ok(), Some(array));
        }
        Err(error) => crate::one_line(&error),
    }
}

fn product(shape: &[usize]) -> Option<usize> {
    // A side of zero makes the array empty whatever the other sides are.
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1, |n: usize, &side| n.checked_mul(side))
}
