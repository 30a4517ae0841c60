//! Text and tables in HTML that is XML too. Names of pictures come from strangers: all text goes through [`text`].

use crate::message;

/// Text for an element or a quoted attribute, on one line: what a browser would obey is escaped, and so is what is not seen.
pub(super) fn text(text: &str) -> String {
    let mut out = String::new();
    for symbol in message::one_line(text).chars() {
        match symbol {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Code points that XML has no place for.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            symbol => out.push(symbol),
        }
    }
    out
}

/// A number with this many places, and the proper minus sign.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let digits = format!("{value:.decimals$}");
    match digits.strip_prefix('-') {
        Some(rest) if rest.chars().all(|digit| matches!(digit, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("\u{2212}{rest}"),
        None => digits,
    }
}

/// A cell of a table.
pub(super) enum Cell {
    /// Of the first columns, to the left.
    Word(String),
    Number(String),
    /// A number with its interval beneath it.
    Interval(String, String),
    Missing,
}

impl Cell {
    /// A number that may be absent.
    pub(super) fn maybe(value: Option<f64>, decimals: usize) -> Self {
        let value = value.filter(|value| value.is_finite());
        value.map_or(Self::Missing, |value| Self::Number(number(value, decimals)))
    }

    fn html(&self, heads: bool) -> String {
        match self {
            Self::Word(word) if heads => {
                format!("<th scope=\"row\" class=\"word\">{}</th>", text(word))
            }
            Self::Word(word) => format!("<td class=\"word\">{}</td>", text(word)),
            Self::Number(number) if heads => format!("<th scope=\"row\">{}</th>", text(number)),
            Self::Number(number) => format!("<td>{}</td>", text(number)),
            Self::Interval(number, interval) => {
                format!("<td>{}<small>{}</small></td>", text(number), text(interval))
            }
            Self::Missing => "<td class=\"missing\">–</td>".to_owned(),
        }
    }

    fn markdown(&self) -> String {
        match self {
            Self::Word(word) => message::one_line(word).replace('|', "\\|"),
            Self::Number(number) => number.clone(),
            Self::Interval(number, interval) => format!("{number} ({interval})"),
            Self::Missing => "–".to_owned(),
        }
    }
}

/// A table: its columns' titles, of which `words` at the left are of words, and its rows.
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<String>,
    pub(super) words: usize,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Table {
    /// The table, which scrolls on its own where the page is narrow. Rows are set apart where their first cell changes.
    pub(super) fn html(&self) -> String {
        let caption = text(&self.caption);
        let mut out = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table><caption><span>{caption}</span></caption><thead><tr>"
        );
        for (index, column) in self.columns.iter().enumerate() {
            let class = if index < self.words {
                " class=\"word\""
            } else {
                ""
            };
            out.push_str(&format!("<th scope=\"col\"{class}>{}</th>", text(column)));
        }
        out.push_str("</tr></thead><tbody>");
        let mut last: Option<String> = None;
        for row in &self.rows {
            let first = row.first().map(Cell::markdown);
            let starts = last.is_some() && first != last && self.groups();
            out.push_str(if starts {
                "<tr class=\"first\">"
            } else {
                "<tr>"
            });
            last = first;
            for (index, cell) in row.iter().enumerate() {
                out.push_str(&cell.html(index == 0));
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table></div>\n");
        out
    }

    /// Whether some neighbouring rows begin with the same cell.
    fn groups(&self) -> bool {
        let first = |row: &Vec<Cell>| row.first().map(Cell::markdown);
        self.rows
            .windows(2)
            .any(|two| first(&two[0]) == first(&two[1]))
    }

    /// The table as Markdown, behind a line that opens it; a click selects all of it.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let titles = self.columns.iter().map(|title| title.replace('|', "\\|"));
        let mut lines = line(titles.collect());
        let rule = (0..self.columns.len()).map(|index| match index < self.words {
            true => "---".to_owned(),
            false => "---:".to_owned(),
        });
        lines.push_str(&line(rule.collect()));
        for row in &self.rows {
            lines.push_str(&line(row.iter().map(Cell::markdown).collect()));
        }
        let lines: Vec<String> = lines.lines().map(text).collect();
        format!(
            "<details><summary>The table as Markdown</summary><pre tabindex=\"0\">{}</pre></details>\n",
            lines.join("\n")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_markup() {
        let name = "<script>alert('a & \"b\"')</script>\n\u{1b}[2J\u{202e}\0\u{ffff}";
        let escaped = text(name);
        assert_eq!(
            escaped,
            "&lt;script&gt;alert(&#39;a &amp; &quot;b&quot;&#39;)&lt;/script&gt;\\n\\u{1b}[2J\\u{202e}\\u{0}\u{fffd}"
        );
    }

    #[test]
    fn numbers_have_a_minus_and_no_negative_zero() {
        assert_eq!(number(-1.25, 1), "\u{2212}1.2");
        assert_eq!(number(-0.001, 2), "0.00");
        assert_eq!(number(12.0, 0), "12");
    }

    #[test]
    fn tables_say_what_is_missing() {
        let table = Table {
            caption: "a <b>".to_owned(),
            columns: vec!["x|y".to_owned(), "n".to_owned()],
            words: 1,
            rows: vec![
                vec![Cell::Word("a|b".to_owned()), Cell::maybe(None, 1)],
                vec![Cell::Word("c".to_owned()), Cell::maybe(Some(2.0), 1)],
            ],
        };
        let html = table.html();
        assert!(
            html.contains("<caption><span>a &lt;b&gt;</span></caption>")
                && html.contains("<td>2.0</td>")
        );
        let markdown = table.markdown();
        assert!(markdown.contains("| x\\|y | n |\n| --- | ---: |\n| a\\|b | – |\n| c | 2.0 |"));
    }
}
