//! The border to readers of other crates: their panics become errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a decoder of image files, or another reader that was called by [`guarded`], where a panic
/// becomes an error: a program's panic hook should stay silent then. In a build with `panic = "abort"` the panic ends the
/// program.
#[must_use]
pub fn is_decoding() -> bool {
    INSIDE.get()
}

/// Runs a reader of another crate; of a panic it gives the message. What the reader had in hand must not be used after one.
///
/// # Errors
/// The message of a panic.
pub fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    struct Outside(bool);
    impl Drop for Outside {
        fn drop(&mut self) {
            INSIDE.set(self.0);
        }
    }
    let outside = Outside(INSIDE.replace(true));
    let done = catch_unwind(AssertUnwindSafe(read));
    drop(outside);
    done.map_err(|panic| message(&*panic).to_owned())
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
        assert_eq!(guarded(is_decoding), Ok(true));
        let failed = guarded::<()>(|| panic!("on purpose"));
        assert_eq!(failed, Err("on purpose".to_owned()));
        assert!(!is_decoding());
    }
}
