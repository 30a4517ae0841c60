//! Properties of the values of command line options over arbitrary text.

// The program's own parsers; a program has no library to take them from.
#[path = "../../cli/src/values.rs"]
mod values;

/// A value is what its text says, and what is refused says what is allowed, on one line.
pub fn values(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for range in [1..=256, 0..=1024, 1..=1_048_576, 0..=u64::MAX] {
        if let Some(value) = checked(values::whole::<u64>(range.clone())(text)) {
            assert!(range.contains(&value));
            assert_eq!(values::whole::<u64>(range)(&value.to_string()), Ok(value));
        }
    }
    // Where the type holds less than the range, nothing is cut off.
    assert_eq!(
        values::whole::<u16>(0..=u64::MAX)(text).ok().map(u64::from),
        values::whole::<u64>(0..=65_535)(text).ok()
    );
    if let Some(bytes) = checked(values::bytes(text)) {
        assert_eq!(values::bytes(&format!("{bytes}B")), Ok(bytes));
        let within = (9..=65_535).contains(&bytes);
        assert_eq!(values::bytes_within(9..=65_535)(text).is_ok(), within);
    }
    checked(values::real(text));
    if let Some(value) = checked(values::quality(text)) {
        assert!(value.is_finite());
        assert_eq!(values::quality(&value.to_string()), Ok(value));
    }
    let pairs = [values::size, values::grid];
    for pair in pairs {
        if let Some(size) = checked(pair(text)) {
            assert!(size.width > 0 && size.height > 0);
            assert_eq!(pair(&size.to_string()), Ok(size));
            assert_eq!(pair(&values::pixels(size)), Ok(size));
        }
    }
    if let Some(part) = checked(values::part(text)) {
        assert!(part.index < part.count);
        let again = format!("{}/{}", part.index, part.count);
        assert_eq!(values::part(&again), Ok(part));
        assert_eq!(values::Part::default().count, 1);
    }
    if let Some(canvas) = checked(values::canvas(text)) {
        assert_eq!(values::canvas(&canvas.to_string()), Ok(canvas));
    }
    if let Some(look) = checked(values::look(text)) {
        assert_eq!(values::look(&look.to_string()), Ok(look));
    }
    if let Some([red, green, blue]) = checked(values::color(text)) {
        let digits = format!("{red:02x}{green:02x}{blue:02x}");
        assert_eq!(values::color(&digits), Ok([red, green, blue]));
    }
    assert!(values::count(data.len() as u64, "byte").starts_with(&data.len().to_string()));
}

fn checked<T>(value: Result<T, String>) -> Option<T> {
    // The text itself may be in the message; clap escapes nothing, but splits no line that the user did not.
    value.map_err(|error| assert!(!error.is_empty())).ok()
}
