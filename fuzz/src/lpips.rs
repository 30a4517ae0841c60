//! Properties of the reader of LPIPS weights over arbitrary bytes.

use std::sync::LazyLock;

use flextok::Threads;
use flextok::image::{Rgb, RgbImage};
use flextok::metrics::Lpips;

static THREADS: LazyLock<Threads> = LazyLock::new(|| Threads::new(1).expect("a thread"));

/// Bytes of the network's weights in elements of two bytes.
const DATA: usize = 4_941_696;

/// A network measures any two pictures as a number, and a picture as no distance from itself; or it is refused, or its result
/// is.
///
/// The bytes are taken as a file, and once more as a header alone: their first two bytes are then every element of as many data
/// as the network has.
pub fn file(data: &[u8]) {
    whole(data.to_vec());
    if let Some((element, header)) = data.split_first_chunk::<2>() {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        bytes.extend(element.iter().cycle().take(DATA));
        whole(bytes);
    }
}

fn whole(bytes: Vec<u8>) {
    let network = match Lpips::from_bytes(bytes, THREADS.clone()) {
        Ok(network) => network,
        Err(error) => return crate::one_line(&error),
    };
    let first = RgbImage::new(35, 36);
    let second = RgbImage::from_fn(35, 36, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]));
    for (second, zero) in [(&second, false), (&first, true)] {
        match network.distance(&first, second) {
            Ok(distance) => assert!(distance.is_finite() && (!zero || distance == 0.0)),
            Err(error) => crate::one_line(&error),
        }
    }
}
