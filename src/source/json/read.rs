//! JSON reader: gives the rows of `{"rows":[…]}`, as the admin API answers, of JSON lines, as the CLI prints, or of a list.
//!
//! It parses one value after the other out of a window that moves over the input, so that a file of any size takes the
//! memory of its largest row.

use std::io::{self, Read};

use super::plain_row::{NotPlain, plain_row};
use super::row::JsonRow;

/// One value of the input.
#[derive(Debug)]
pub enum JsonItem<'a> {
    /// A row, with the text from which it was parsed.
    Row(&'a JsonRow<'a>, &'a [u8]),
    /// Something that is not a row, and why; `text` is as much of it as there is.
    Bad { reason: String, text: &'a [u8] },
}

/// A row longer than this is refused, so that memory stays bounded.
const LONGEST_ROW: usize = 1 << 30;
const WINDOW: usize = 256 << 10;

/// The beginning of a list has at most so many bytes.
const LONGEST_PREFIX: usize = 64;

/// Whether a list was closed before the input ended. JSON lines have no such mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEnd {
    Reached,
    Missing,
}

/// Gives every value to `sink`, with the number of its line, or with its place in a list; both are counted from 1.
pub fn read_rows(mut input: impl Read, mut sink: impl FnMut(u64, JsonItem<'_>)) -> io::Result<ListEnd> {
    let mut window = JsonWindow::default();
    let mut from = 0;
    let mut wanted = WINDOW;
    let mut place = RowPlace::Line(1);
    let mut opened = false;
    let mut end = ListEnd::Reached;
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
                    end = ListEnd::Missing;
                }
                opened = true;
                continue;
            }
            if end == ListEnd::Missing && window.get(from) == Some(&b']') {
                end = ListEnd::Reached;
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
                    sink(place.number(), JsonItem::Row(&row, &rest[..taken]));
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
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Box<JsonRow<'_>>>();
            let taken = match values.next() {
                Some(Ok(row)) => {
                    let taken = values.byte_offset();
                    sink(place.number(), JsonItem::Row(&row, &rest[..taken]));
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
                        sink(place.number(), JsonItem::Bad { reason: place_free(&error), text: &rest[..taken] });
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

/// The part of the input that is in memory.
#[derive(Default)]
struct JsonWindow {
    bytes: Vec<u8>,
    filled: usize,
}

impl JsonWindow {
    /// Drops the first `passed` bytes, and reads until there are `wanted`. Returns whether the input has ended.
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

fn refuse_long(rest: &[u8], place: RowPlace) -> io::Result<()> {
    if rest.len() > LONGEST_ROW {
        let number = place.number();
        return Err(io::Error::other(format!("row {number} is longer than {LONGEST_ROW} bytes")));
    }
    Ok(())
}

/// Where a value is: on a line, or at a place in a list.
#[derive(Clone, Copy, Debug)]
enum RowPlace {
    Line(u64),
    InList(u64),
}

impl RowPlace {
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

/// The length of a torn row. It ends with its line at the latest; in a list, where the next row seems to begin. The reader
/// goes on behind it.
fn end_of_torn(rest: &[u8], place: RowPlace) -> Option<usize> {
    let line = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    let next = match place {
        RowPlace::InList(_) => rest.windows(3).position(|window| window == b"},{").map(|at| at + 1),
        RowPlace::Line(_) => None,
    };
    line.into_iter().chain(next).min()
}

/// The length of the first value, if it is well-formed JSON but not a row.
fn whole_value(rest: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// The message of serde_json without its line and column, which are counted from the start of the value.
fn place_free(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].to_owned()
}

fn newlines(bytes: &[u8]) -> u64 {
    // The compiler makes vector code of sums of bytes; 255 ones fit in a byte.
    bytes.chunks(255).map(|some| u64::from(some.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>())).sum()
}

/// Passes over what may stand between values. Returns the number of line ends in it.
fn skip_between(window: &[u8], from: &mut usize) -> u64 {
    let start = *from;
    while window.get(*from).is_some_and(|byte| b" \t\r\n,".contains(byte)) {
        *from += 1;
    }
    newlines(&window[start..*from])
}

/// The length of the `{"rows":[` or `[` at the beginning, spaces included.
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
                JsonItem::Row(row, _) => (line, Ok(row.id.as_deref().unwrap_or_default().to_owned())),
                JsonItem::Bad { reason, .. } => (line, Err(reason)),
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
    fn values_that_are_no_rows_are_reported() {
        let rows = read("{\"id\":5}\n{\"id\":\"b\"}");
        assert!(rows[0].1.as_ref().unwrap_err().contains("invalid type"), "{rows:?}");
        assert_eq!(rows[1].1, Ok("b".to_owned()));
    }
}
