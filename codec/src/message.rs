//! Untrusted text in the one line of an error.

/// Characters of a text that are shown.
const MAX_CHARS: usize = 2000;

/// The beginning of the text, with what is not printable escaped.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::new();
    for symbol in text.chars().take(MAX_CHARS) {
        match symbol {
            // `escape_debug` escapes these as well, but they cannot break a line.
            '"' | '\'' | '\\' => out.push(symbol),
            _ => out.extend(symbol.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn what_is_not_printable_is_escaped_and_the_rest_cut_off() {
        assert_eq!(one_line("a \"b\\ é"), "a \"b\\ é");
        assert_eq!(
            one_line("a\nb\u{1b}[2J\u{202e}"),
            "a\\nb\\u{1b}[2J\\u{202e}"
        );
        assert_eq!(one_line(&"x".repeat(3000)).len(), 2000);
    }
}
