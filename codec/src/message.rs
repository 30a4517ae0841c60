//! Text of files inside error messages.

/// Characters of a message that are shown.
const MAX_CHARS: usize = 2000;

/// The message as one line that a terminal can show: what would break the line, move the cursor or turn the direction
/// of writing is escaped, and what is too long to read is cut off.
pub(crate) fn line(text: &str) -> String {
    let mut out = String::new();
    for symbol in text.chars().take(MAX_CHARS) {
        let turns = matches!(symbol, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if symbol.is_control() || turns {
            out.extend(symbol.escape_default());
        } else {
            out.push(symbol);
        }
    }
    if text.chars().nth(MAX_CHARS).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(line("a \"b\\n\" é"), "a \"b\\n\" é");
        assert_eq!(
            line("a\nb\r\u{1b}[2J\u{202e}\0"),
            "a\\nb\\r\\u{1b}[2J\\u{202e}\\u{0}"
        );
        assert_eq!(line(&"x".repeat(2000)).len(), 2000);
        let long = line(&"é".repeat(2001));
        assert!(long.ends_with("é…") && long.chars().count() == 2001);
    }
}
