//! How much memory a step takes at its peak, whether that is allowed, and whether the system has it.
//!
//! Decoders and encoders of other crates abort the process when they run out of memory. So the memory that they will
//! need is estimated from the header beforehand, compared with the limit, and allocated once as a probe and freed
//! again. Another process may take it between the probe and the real use; nothing prevents that.

use super::PictureError;

/// Maximum decompressed size of a colour profile or similar, in bytes.
#[cfg(feature = "files")]
pub(super) const METADATA: u64 = 16 << 20;

/// Small allocations that are not counted: tables, rows, buffers of readers.
const SMALL: u64 = 4 << 20;

/// Refuses what is over the limit.
pub(crate) fn check(needed: u64, max: u64) -> Result<(), PictureError> {
    if needed > max {
        return Err(PictureError::TooMuchMemory { needed, max });
    }
    Ok(())
}

/// Allocates this many bytes and frees them.
pub(crate) fn probe(bytes: u64) -> Result<(), PictureError> {
    if has(bytes.saturating_add(SMALL)) {
        return Ok(());
    }
    Err(PictureError::OutOfMemory { bytes })
}

/// As much of `least..=most` bytes as the system has: for decoders that report themselves when it is not enough.
#[cfg(feature = "files")]
pub(super) fn obtainable(least: u64, most: u64) -> Result<u64, PictureError> {
    let mut bytes = most;
    while bytes > least {
        if has(bytes.saturating_add(SMALL)) {
            return Ok(bytes);
        }
        bytes /= 2;
    }
    probe(least)?;
    Ok(least)
}

fn has(bytes: u64) -> bool {
    let mut memory = Vec::<u8>::new();
    let got = usize::try_from(bytes).is_ok_and(|bytes| memory.try_reserve_exact(bytes).is_ok());
    // An unused allocation may be optimised away, and then it always succeeds.
    std::hint::black_box(&memory);
    got
}

/// An empty list with room for `len` values.
pub(crate) fn with_capacity<T>(len: usize) -> Result<Vec<T>, PictureError> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(len)
        .map_err(|_| PictureError::OutOfMemory {
            bytes: (len as u64).saturating_mul(size_of::<T>() as u64),
        })?;
    Ok(values)
}

/// This many zeros, or the error that memory is exhausted.
pub(crate) fn zeroed(bytes: u64) -> Result<Vec<u8>, PictureError> {
    let length = usize::try_from(bytes).map_err(|_| PictureError::OutOfMemory { bytes })?;
    let mut memory = with_capacity(length)?;
    memory.resize(length, 0);
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::PictureErrorKind;

    #[test]
    fn what_nobody_has_is_refused_without_an_abort() {
        for bytes in [1 << 60, u64::MAX] {
            let error = probe(bytes).expect_err("no machine has it");
            assert_eq!(error.kind(), PictureErrorKind::Resources);
            assert!(error.to_string().contains(&bytes.to_string()), "{error}");
            assert!(zeroed(bytes).is_err());
            assert!(obtainable(bytes, bytes).is_err());
        }
        probe(1 << 20).expect("a megabyte");
        assert_eq!(zeroed(5).expect("five bytes"), [0; 5]);
        // Far more than there is becomes what there is.
        let some = obtainable(1 << 20, 1 << 60).expect("a megabyte");
        assert!((1 << 20..1 << 60).contains(&some), "{some}");
    }

    #[test]
    fn limits_are_inclusive_and_name_both_numbers() {
        check(7, 7).expect("not over it");
        let error = check(8, 7).expect_err("over it");
        assert_eq!(error.kind(), PictureErrorKind::Limit);
        let text = error.to_string();
        assert!(text.contains('8') && text.contains('7'), "{text}");
    }
}
