//! The border to decoders of other crates: their panics become errors.

use super::PictureError;
pub use crate::guard::is_decoding;
use crate::picture::one_line;

/// Runs a decoder of another crate on a file of this format. What it had in hand when it panicked is dropped.
pub(in crate::picture) fn guarded<T>(
    format: &'static str,
    decode: impl FnOnce() -> Result<T, PictureError>,
) -> Result<T, PictureError> {
    // Nothing that the decoder can have left half done is used after a panic.
    crate::guard::guarded(decode).unwrap_or_else(|panic| {
        Err(PictureError::Malformed {
            format,
            detail: format!("its decoder gave up: {}", one_line(&panic)),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_errors_and_are_known_to_be_inside() {
        let inside = guarded("test", || Ok(is_decoding()));
        assert!(inside.unwrap() && !is_decoding());
        let failed = guarded::<()>("test", || panic!("on\npurpose")).unwrap_err();
        assert_eq!(
            failed.to_string(),
            "damaged or unsupported test image: its decoder gave up: on purpose"
        );
        assert!(!is_decoding());
    }
}
