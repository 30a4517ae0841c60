//! Properties of the weights reader over arbitrary bytes.

use flextok::compute::Storage;
use flextok::config::Config;
use flextok::weights::{HeaderLimits, Weights};

/// Stands beside files whose header holds no config, so that their tensors are reached.
const CONFIG: &[u8] = include_bytes!("../../codec/tests/data/config/embedded.json");

/// Every tensor of a file that is accepted lies inside it and has the elements that its shape says;
/// nothing else is found under its name.
///
/// The bytes are taken as a file, and, because a random length hardly ever fits its file, once more
/// as a header alone: their first two bytes then say how many bytes of data follow it.
pub fn file(data: &[u8]) {
    whole(data.to_vec());
    if let Some((size, header)) = data.split_first_chunk::<2>() {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        bytes.extend((0..u16::from_le_bytes(*size)).map(|i| i as u8));
        whole(bytes);
    }
}

fn whole(bytes: Vec<u8>) {
    let total = bytes.len();
    let storage = Storage::from_vec(bytes);
    let weights = match Weights::from_storage(storage, Some(CONFIG), &HeaderLimits::default()) {
        Ok(weights) => weights,
        Err(error) => return crate::one_line(&error),
    };
    match (weights.config(), weights.network()) {
        (Config::Network(config), Ok(network)) => assert_eq!(&**config, network),
        (Config::Coded(_), Err(error)) => crate::one_line(&error),
        (config, network) => panic!("{config:?}, but {network:?}"),
    }
    assert_eq!(weights.total_bytes(), total);
    assert_eq!(weights.fingerprint(), weights.fingerprint());
    let mut sum = 0;
    for name in weights.names().map(str::to_owned).collect::<Vec<_>>() {
        let shape = weights
            .try_shape(&name)
            .expect("a name that is listed")
            .to_vec();
        let elements = shape.iter().product::<usize>();
        sum += elements as u64;
        match weights.tensor(&name, &shape) {
            Ok(view) => {
                assert_eq!((view.shape(), view.len()), (&shape[..], elements));
                assert_eq!(view.bytes().len(), elements * view.dtype().size());
                assert_eq!(view.to_f32().expect("a small tensor").len(), elements);
            }
            // The element type is one that no network uses.
            Err(error) => crate::one_line(&error),
        }
        let mut longer = shape;
        longer.push(2);
        assert!(weights.tensor(&name, &longer).is_err());
    }
    assert_eq!(weights.parameters().total(), sum);
    assert!(weights.tensor("\u{0}absent", &[1]).is_err());
}
