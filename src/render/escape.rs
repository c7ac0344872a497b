//! Escaping: text from journals is data, so it must not control a terminal, end a line or reverse it.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// Whether a character acts instead of being shown: control characters, line ends, characters that reverse or hide text,
/// and code points that are not characters (XML forbids U+FFFE).
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{61C}' | '\u{FFFE}' | '\u{FFFF}')
}

/// The position of the first character that acts. Besides [`acts`], these are the starts of commands that CI systems
/// recognise in logs: `##[` and `##vso[` anywhere, and `::` where it may start a line.
fn first_acting(text: &str) -> Option<usize> {
    let mut begins = true;
    text.char_indices().find_map(|(at, c)| {
        let commands = match c {
            ':' => begins && text[at + 1..].starts_with(':'),
            '#' => ["#[", "#vso["].iter().any(|rest| text[at + 1..].starts_with(rest)),
            _ => false,
        };
        begins = c == ' ';
        (commands || acts(c)).then_some(at)
    })
}

/// The text with characters that act written as escapes (`\u{1b}`).
pub fn escaped(text: &str) -> Cow<'_, str> {
    let mut rest = text;
    let mut shown = String::new();
    while let Some(at) = first_acting(rest) {
        let (before, from) = rest.split_at(at);
        shown.push_str(before);
        let mut chars = from.chars();
        match chars.next() {
            Some('\n') => shown.push_str("\\n"),
            Some('\t') => shown.push_str("\\t"),
            Some('\r') => shown.push_str("\\r"),
            Some(c) => shown.extend(c.escape_unicode()),
            None => {}
        }
        rest = chars.as_str();
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// Bytes of text that a person reads in one line.
const LONGEST: usize = 1000;

/// The text for one line that a person reads: escaped, and shortened to its beginning where it is very long.
pub fn brief(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return escaped(text);
    }
    let begins = &text[..text.floor_char_boundary(LONGEST)];
    format!("{}… ({} bytes)", escaped(begins), text.len()).into()
}

/// Writes JSON in which characters that act are escaped too, since a terminal or a CI system may show it.
pub fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, EscapingFormatter);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

struct EscapingFormatter;

impl Formatter for EscapingFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = first_acting(rest) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut after = rest[at..].chars();
            for unit in after.next().map(|c| c.encode_utf16(&mut [0; 2]).to_vec()).unwrap_or_default() {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = after.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_does_not_act() {
        assert_eq!(escaped("plain é 🦀"), "plain é 🦀");
        assert_eq!(escaped("\u{1b}[2Jx\r\n\u{9b}31m\u{202e}"), "\\u{1b}[2Jx\\r\\n\\u{9b}31m\\u{202e}");
    }

    #[test]
    fn escaped_text_is_not_a_command_to_a_ci_system() {
        assert_eq!(escaped("::error::x a::b ::set-env"), "\\u{3a}:error::x a::b \\u{3a}:set-env");
        assert_eq!(escaped("a ##[error]b ##vso[c] # ##"), "a \\u{23}#[error]b \\u{23}#vso[c] # ##");
    }

    #[test]
    fn escaped_json_reads_back_unchanged() {
        let text = "##[error] ::a\u{9b}\u{202e}\u{7f}\"\\\n\u{feff}é🦀";
        let mut out = Vec::new();
        write_json(&mut out, &text).unwrap();
        let written = String::from_utf8(out).unwrap();
        assert!(!written.chars().any(acts) && !written.contains("##["), "{written:?}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }
}
