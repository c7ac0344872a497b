//! Text out of journals is data: it can not repaint a terminal, end a line or reverse one.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// Characters that do something rather than show something: controls, line ends, what turns text around, and what is
/// no character at all (XML can not have U+FFFE).
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{61C}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Where the first character is that does something. Besides [`acts`]: what CI systems take for a command in a log,
/// `##[` and `##vso[` anywhere, `::` where a line may begin with it.
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

/// The text with such characters written out (`\u{1b}`).
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

/// More of a text than this is more than a person reads in one line.
const LONGEST: usize = 1000;

/// The text for a line that a person reads: escaped, and its beginning only where it is very long.
pub fn brief(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return escaped(text);
    }
    let begins = &text[..text.floor_char_boundary(LONGEST)];
    format!("{}… ({} bytes)", escaped(begins), text.len()).into()
}

/// Writes JSON in which such characters are escaped too: a terminal may be what reads it, or a CI system.
pub fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Plain);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

struct Plain;

impl Formatter for Plain {
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
    fn nothing_acts() {
        assert_eq!(escaped("plain é 🦀"), "plain é 🦀");
        assert_eq!(escaped("\u{1b}[2Jx\r\n\u{9b}31m\u{202e}"), "\\u{1b}[2Jx\\r\\n\\u{9b}31m\\u{202e}");
    }

    #[test]
    fn nothing_is_a_command_to_a_ci_system() {
        assert_eq!(escaped("::error::x a::b ::set-env"), "\\u{3a}:error::x a::b \\u{3a}:set-env");
        assert_eq!(escaped("a ##[error]b ##vso[c] # ##"), "a \\u{23}#[error]b \\u{23}#vso[c] # ##");
    }

    #[test]
    fn json_reads_back_as_it_was() {
        let text = "##[error] ::a\u{9b}\u{202e}\u{7f}\"\\\n\u{feff}é🦀";
        let mut out = Vec::new();
        write_json(&mut out, &text).unwrap();
        let written = String::from_utf8(out).unwrap();
        assert!(!written.chars().any(acts) && !written.contains("##["), "{written:?}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }
}
