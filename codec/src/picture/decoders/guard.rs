//! The border to decoders of other crates: their panics become errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::PictureError;
use crate::picture::one_line;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a decoder of image files, where a panic becomes a [`PictureError`]: a program's panic hook
/// should stay silent then. In a build with `panic = "abort"` the panic ends the program.
#[must_use]
pub fn is_decoding() -> bool {
    INSIDE.get()
}

/// Runs a decoder of another crate on a file of this format. What it had in hand when it panicked is dropped.
pub(in crate::picture) fn guarded<T>(
    format: &'static str,
    decode: impl FnOnce() -> Result<T, PictureError>,
) -> Result<T, PictureError> {
    struct Outside(bool);
    impl Drop for Outside {
        fn drop(&mut self) {
            INSIDE.set(self.0);
        }
    }
    let outside = Outside(INSIDE.replace(true));
    // Nothing that the decoder can have left half done is used after a panic.
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    drop(outside);
    decoded.unwrap_or_else(|panic| {
        Err(PictureError::Malformed {
            format,
            detail: format!("its decoder gave up: {}", one_line(message(&*panic))),
        })
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given")
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
