//! The border to readers of other crates: their panics become errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a reader where a panic becomes an error: the panic hook stays silent then.
pub(crate) fn is_reading() -> bool {
    INSIDE.get()
}

/// Runs a reader of another crate; a panic is an error with its message. What the reader had in hand must not be used
/// after it.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    struct Outside(bool);
    impl Drop for Outside {
        fn drop(&mut self) {
            INSIDE.set(self.0);
        }
    }
    let outside = Outside(INSIDE.replace(true));
    let done = catch_unwind(AssertUnwindSafe(read));
    drop(outside);
    done.unwrap_or_else(|panic| Err(format!("its reader gave up: {}", message(&*panic))))
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
        assert_eq!(guarded(|| Ok(is_reading())), Ok(true));
        let failed = guarded::<()>(|| panic!("on purpose"));
        assert_eq!(failed, Err("its reader gave up: on purpose".to_owned()));
        assert!(!is_reading());
    }
}
