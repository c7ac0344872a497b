//! Text layout: width, padding, wrapping, truncating, and numbers as people write them.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Wrapped lines are at most this wide.
const LINE_WIDTH: usize = 98;

/// Writes a label and its text, broken at spaces. The further lines are indented to where the text starts.
pub(super) fn write_wrapped(label: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let indent = " ".repeat(label.width());
    let mut line = label.to_owned();
    for word in text.split(' ') {
        if line.width() + word.width() > LINE_WIDTH && line.trim() != label.trim() {
            writeln!(out, "{}", line.trim_end())?;
            line.clone_from(&indent);
        }
        line.push_str(word);
        line.push(' ');
    }
    writeln!(out, "{}", line.trim_end())
}

/// Appends spaces up to a width in terminal columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// The text in at most `width` terminal columns; an ellipsis stands for what does not fit.
pub(super) fn truncate_to_width(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut columns = 0;
    let kept: String = text
        .chars()
        .take_while(|c| {
            columns += c.width().unwrap_or(0);
            columns < width
        })
        .collect();
    kept + "…"
}

/// At most this many characters of the text; an ellipsis stands for the rest.
pub(super) fn truncate(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The number with its thousands separated: `1,204`.
pub(super) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut separated = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            separated.push(',');
        }
        separated.push(digit);
    }
    separated
}

/// The number with its noun: `1 journal`, `1,204 journals`.
pub(super) fn count(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count))
}

/// Appends a formatted line.
pub(super) fn push_line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    std::fmt::Write::write_fmt(text, arguments).expect("a String takes everything");
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_separated() {
        assert_eq!(number(7), "7");
        assert_eq!(number(1204), "1,204");
        assert_eq!(number(1_000_000), "1,000,000");
    }

    #[test]
    fn long_text_is_truncated_to_its_columns() {
        assert_eq!(truncate_to_width("abc", 3), "abc");
        assert_eq!(truncate_to_width("abcdef", 4), "abc…");
        assert!(truncate_to_width("日本語テキスト", 6).width() <= 6);
    }
}
