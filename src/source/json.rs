//! Rows as JSON: `{"rows":[…]}` as the admin API answers, one row a line as the CLI prints, or a plain list.
//!
//! Values are parsed one after the other out of a window that moves over the input, so that a file of any size takes
//! the memory of its largest row.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde_json::value::RawValue;

use super::plain_row::{NotPlain, plain_row};

/// A row of `sys_journal`, of `sys_invocation`, or of both joined; or one readable journal, told by its `entries`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, expecting = "a row, as an object")]
pub struct Row<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    pub index: Option<Number>,
    #[serde(borrow)]
    pub entry_type: Option<Text<'a>>,
    /// Hex.
    #[serde(borrow)]
    pub raw: Option<Hex<'a>>,
    pub version: Option<Number>,
    #[serde(borrow)]
    pub target: Option<Text<'a>>,
    #[serde(borrow)]
    pub target_service_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub target_service_key: Option<Text<'a>>,
    #[serde(borrow)]
    pub target_handler_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub target_service_ty: Option<Text<'a>>,
    #[serde(borrow)]
    pub pinned_deployment_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub status: Option<Text<'a>>,
    pub pinned_service_protocol_version: Option<Number>,
    #[serde(borrow)]
    pub created_at: Option<Text<'a>>,
    #[serde(borrow)]
    pub entries: Option<&'a RawValue>,
}

/// A text, borrowed from the input unless it has escapes. (serde borrows a `Cow` only where it is not optional.)
#[derive(Debug, Default)]
pub struct Text<'a>(pub(super) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Texts)
    }
}

/// What should be hexadecimal: bytes, since it need not be text for that.
#[derive(Debug)]
pub struct Hex<'a>(pub(super) Cow<'a, [u8]>);

impl Hex<'_> {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Hex<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Text::deserialize(deserializer)?.0 {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }))
    }
}

/// A number, or a text of one.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl Visitor<'_> for Numbers {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0 up")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

/// One value of the input.
#[derive(Debug)]
pub enum Item<'a> {
    /// A row with the text it was parsed from.
    Row(&'a Row<'a>, &'a [u8]),
    /// Something that is no row, and why; `text` is as much of it as there is.
    Bad { reason: String, text: &'a [u8] },
}

/// A row longer than this is refused, so that memory stays bounded.
const LONGEST_ROW: usize = 1 << 30;
const WINDOW: usize = 256 << 10;

/// A list's beginning is looked for in this many bytes.
const LONGEST_PREFIX: usize = 64;

/// Whether the input ended where it says that it does. Lines do not say; a list does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Reached,
    Missing,
}

/// Gives every value to `sink`, with its line, or with its place in a list; both counted from 1.
pub fn read_rows(mut input: impl Read, mut sink: impl FnMut(u64, Item<'_>)) -> io::Result<End> {
    let mut window = Window::default();
    let mut from = 0;
    let mut wanted = WINDOW;
    let mut place = Place::Line(1);
    let mut opened = false;
    let mut end = End::Reached;
    loop {
        let ended = window.advance(&mut input, from, wanted)?;
        let window = window.text();
        from = 0;
        loop {
            place.pass_lines(skip_between(window, &mut from));
            if !opened && from < window.len() {
                if !ended && window.len() - from < LONGEST_PREFIX {
                    break;
                }
                if let Some(skip) = rows_prefix(&window[from..]) {
                    from += skip;
                    place.enter_list();
                    end = End::Missing;
                }
                opened = true;
                continue;
            }
            if end == End::Missing && window.get(from) == Some(&b']') {
                end = End::Reached;
                from += 1;
                // Another answer may follow.
                from += usize::from(window.get(from) == Some(&b'}'));
                opened = false;
                continue;
            }
            if from >= window.len() {
                break;
            }
            let rest = &window[from..];
            match plain_row(rest) {
                Ok((row, taken)) => {
                    sink(place.number(), Item::Row(&row, &rest[..taken]));
                    place.pass(&[]);
                    from += taken;
                    continue;
                }
                Err(NotPlain::Unfinished) if !ended => {
                    refuse_long(rest, place)?;
                    break;
                }
                Err(NotPlain::Unfinished | NotPlain::Other) => {}
            }
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Box<Row<'_>>>();
            let taken = match values.next() {
                Some(Ok(row)) => {
                    let taken = values.byte_offset();
                    sink(place.number(), Item::Row(&row, &rest[..taken]));
                    taken
                }
                Some(Err(error)) => {
                    let torn = if error.is_data() { whole_value(rest) } else { None };
                    let taken = match torn.or_else(|| end_of_torn(rest, place)) {
                        Some(taken) if !error.is_eof() || ended => taken,
                        _ if !ended => {
                            refuse_long(rest, place)?;
                            break;
                        }
                        _ => rest.len(),
                    };
                    let closing = rest[..taken].iter().all(|byte| b"]} \t\r\n,".contains(byte));
                    if !closing {
                        sink(place.number(), Item::Bad { reason: place_free(&error), text: &rest[..taken] });
                    }
                    taken
                }
                None => break,
            };
            place.pass(&rest[..taken]);
            from += taken;
        }
        if ended {
            return Ok(end);
        }
        wanted = (window.len() - from) * 2 + WINDOW;
    }
}

/// A part of the input, read into the same memory again and again.
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    filled: usize,
}

impl Window {
    /// Drops what is in front, and reads until there is as much as wanted; whether the input has ended.
    fn advance(&mut self, input: &mut impl Read, passed: usize, wanted: usize) -> io::Result<bool> {
        self.bytes.copy_within(passed..self.filled, 0);
        self.filled -= passed;
        let wanted = wanted.max(self.filled + 1);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        while self.filled < wanted {
            match input.read(&mut self.bytes[self.filled..wanted]) {
                Ok(0) => return Ok(true),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

fn refuse_long(rest: &[u8], place: Place) -> io::Result<()> {
    if rest.len() > LONGEST_ROW {
        let number = place.number();
        return Err(io::Error::other(format!("row {number} is longer than {LONGEST_ROW} bytes")));
    }
    Ok(())
}

/// Where a value is: in a list it has a place, else it has a line.
#[derive(Clone, Copy, Debug)]
enum Place {
    Line(u64),
    InList(u64),
}

impl Place {
    fn enter_list(&mut self) {
        if let Self::Line(_) = self {
            *self = Self::InList(1);
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Line(number) | Self::InList(number) => number,
        }
    }

    fn pass(&mut self, value: &[u8]) {
        match self {
            Self::Line(number) => *number += newlines(value),
            Self::InList(number) => *number += 1,
        }
    }

    fn pass_lines(&mut self, lines: u64) {
        if let Self::Line(number) = self {
            *number += lines;
        }
    }
}

/// A torn row ends with its line at the latest; in a list, where the next one seems to begin. What follows is read on.
fn end_of_torn(rest: &[u8], place: Place) -> Option<usize> {
    let line = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    let next = match place {
        Place::InList(_) => rest.windows(3).position(|window| window == b"},{").map(|at| at + 1),
        Place::Line(_) => None,
    };
    line.into_iter().chain(next).min()
}

/// The length of the value in front, if it is well-formed JSON of another shape.
fn whole_value(rest: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// serde_json's message without its line and column, which count from the value's own start.
fn place_free(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].to_owned()
}

fn newlines(bytes: &[u8]) -> u64 {
    // Sums of bytes become vector code; 255 of them fit a byte.
    bytes.chunks(255).map(|some| u64::from(some.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>())).sum()
}

/// Passes over what may stand between values; gives the number of line ends in it.
fn skip_between(window: &[u8], from: &mut usize) -> u64 {
    let start = *from;
    while window.get(*from).is_some_and(|byte| b" \t\r\n,".contains(byte)) {
        *from += 1;
    }
    newlines(&window[start..*from])
}

/// Length of `{"rows":[` or `[` in front, with any spaces.
fn rows_prefix(window: &[u8]) -> Option<usize> {
    let skip = |from: usize, token: &[u8]| -> Option<usize> {
        let at = from + window[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        window[at..].starts_with(token).then_some(at + token.len())
    };
    skip(0, b"[").or_else(|| {
        let at = skip(0, b"{")?;
        let at = skip(at, b"\"rows\"")?;
        let at = skip(at, b":")?;
        skip(at, b"[")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, Result<String, String>)> {
        let mut rows = Vec::new();
        read_rows(text.as_bytes(), |line, item| {
            rows.push(match item {
                Item::Row(row, _) => (line, Ok(row.id.as_deref().unwrap_or_default().to_owned())),
                Item::Bad { reason, .. } => (line, Err(reason)),
            });
        })
        .unwrap();
        rows
    }

    fn ids(text: &str) -> Vec<String> {
        read(text).into_iter().map(|(_, row)| row.unwrap()).collect()
    }

    #[test]
    fn lines_lists_and_answers_read_the_same() {
        for text in [
            "{\"id\":\"a\",\"index\":0}\n{\"id\":\"b\",\"index\":\"1\"}\n",
            "[{\"id\":\"a\"},{\"id\":\"b\"}]",
            " { \"rows\" : [ {\"id\":\"a\"} , {\"id\":\"b\"} ] } ",
            "{\"id\":\"a\",\n\"index\":0}\n\n{\"id\":\"b\",\"other\":{\"x\":[1,2]}}",
        ] {
            assert_eq!(ids(text), ["a", "b"], "{text}");
        }
        assert_eq!(ids(""), Vec::<String>::new());
    }

    #[test]
    fn a_torn_line_costs_only_itself() {
        let rows = read("{\"id\":\"a\"}\n{\"id\":\"b\",\"raw\":\"0a\n{\"id\":\"c\"}\n{\"id\":\"d\"");
        assert_eq!(rows.len(), 4, "{rows:?}");
        assert_eq!(rows[0], (1, Ok("a".to_owned())));
        assert!(rows[1].1.is_err() && rows[1].0 == 2);
        assert_eq!(rows[2], (3, Ok("c".to_owned())));
        assert!(rows[3].1.is_err() && rows[3].0 == 4);
    }

    #[test]
    fn rows_larger_than_the_window_are_read() {
        let text = format!("{{\"id\":\"a\",\"raw\":\"{}\"}}\n{{\"id\":\"b\"}}", "00".repeat(WINDOW));
        assert_eq!(ids(&text), ["a", "b"]);
    }

    #[test]
    fn values_of_another_shape_are_told() {
        let rows = read("{\"id\":5}\n{\"id\":\"b\"}");
        assert!(rows[0].1.as_ref().unwrap_err().contains("invalid type"), "{rows:?}");
        assert_eq!(rows[1].1, Ok("b".to_owned()));
    }
}
