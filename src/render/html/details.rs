//! Every invocation that is not compatible, in full, for the script to put into its cause's article: what most of them
//! share is written once.
//!
//! Invocations of one cause look alike but for a few values. So the page of each is taken apart into blocks (a table
//! or what is between two), blocks into lines, lines into pieces (the text of a `code` element or what is between
//! two), and each kind is numbered: the page holds every distinct one once, as JSON, and lists of numbers for the rest.
//! Pieces are what `invocation.rs` made, escaped there; no `<` is written as itself, so nothing can end the element
//! that they are in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::room::Room;

/// Invocations whose page is longer have no place in the data: they are rare, and would take that of hundreds.
const LONGEST: usize = 128 << 10;

#[derive(Debug)]
pub struct Details {
    room: Room,
    pieces: Numbered<String>,
    lines: Numbered<Vec<u32>>,
    blocks: Numbered<Vec<u32>>,
    /// By invocation: the blocks of its page.
    pages: Vec<Vec<u32>>,
}

impl Details {
    pub fn new(room: Room) -> Self {
        Self {
            room,
            pieces: Numbered::default(),
            lines: Numbered::default(),
            blocks: Numbered::default(),
            pages: Vec::new(),
        }
    }

    /// Keeps an invocation's page, and gives its number; `None` where there is no room left for it.
    pub fn add(&mut self, page: impl FnOnce() -> String) -> Option<usize> {
        if self.room.is_full() {
            return None;
        }
        let page = page();
        if page.len() > LONGEST {
            return None;
        }
        let mut blocks = Vec::new();
        for block in split(&page, "<table", "</table>") {
            let mut lines = Vec::new();
            for line in split(block, "<tr", "</tr>") {
                let pieces = split(line, "</code>", "<code>")
                    .into_iter()
                    .map(|piece| self.pieces.number(piece.to_owned(), &mut self.room, |piece| encode(piece)))
                    .collect();
                lines.push(self.lines.number(pieces, &mut self.room, |numbers| list(numbers)));
            }
            blocks.push(self.blocks.number(lines, &mut self.room, |numbers| list(numbers)));
        }
        self.room.take(list(&blocks).len());
        self.pages.push(blocks);
        Some(self.pages.len() - 1)
    }

    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let pages: Vec<String> = self.pages.iter().map(|page| list(page)).collect();
        let parts = [
            ("pieces", &self.pieces.written),
            ("lines", &self.lines.written),
            ("blocks", &self.blocks.written),
            ("pages", &pages),
        ];
        out.write_all(b"<script type=\"application/json\" id=\"details\">")?;
        for (at, (name, items)) in parts.into_iter().enumerate() {
            write!(out, "{}\"{name}\":[{}]", if at == 0 { "{" } else { ",\n" }, items.join(","))?;
        }
        out.write_all(b"}</script>\n")
    }
}

/// Distinct items, numbered in the order in which they came.
#[derive(Debug)]
struct Numbered<T> {
    numbers: HashMap<T, u32>,
    /// As JSON.
    written: Vec<String>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), written: Vec::new() }
    }
}

impl<T: std::hash::Hash + Eq> Numbered<T> {
    fn number(&mut self, item: T, room: &mut Room, write: impl FnOnce(&T) -> String) -> u32 {
        let next = u32::try_from(self.written.len()).unwrap_or(u32::MAX);
        match self.numbers.entry(item) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let written = write(new.key());
                room.take(written.len() + 1);
                self.written.push(written);
                *new.insert(next)
            }
        }
    }
}

fn encode(piece: &str) -> String {
    serde_json::Value::from(piece).to_string().replace('<', "\\u003c")
}

fn list(numbers: &[u32]) -> String {
    let mut text = String::from("[");
    for (at, number) in numbers.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(text, "{comma}{number}").expect("a String takes everything");
    }
    text + "]"
}

/// Cuts in front of every `begins` and behind every `ends`.
fn split<'t>(mut text: &'t str, begins: &str, ends: &str) -> Vec<&'t str> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let from = usize::from(text.starts_with(begins)) * begins.len();
        let end = text.find(ends).map(|at| at + ends.len());
        let begin = text[from..].find(begins).map(|at| at + from);
        let cut = begin.into_iter().chain(end).min().unwrap_or(text.len());
        let (part, rest) = text.split_at(cut);
        parts.push(part);
        text = rest;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(details: &Details) -> serde_json::Value {
        let mut out = Vec::new();
        details.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let (_, text) = text.split_once('>').unwrap();
        serde_json::from_str(text.trim_end().strip_suffix("</script>").unwrap()).unwrap()
    }

    /// As the script does it.
    fn page(data: &serde_json::Value, number: usize) -> String {
        let items = |kind: &str, number: &serde_json::Value| {
            data[kind][number.as_u64().unwrap() as usize].as_array().unwrap().clone()
        };
        let mut text = String::new();
        for block in data["pages"][number].as_array().unwrap() {
            for line in items("blocks", block) {
                for piece in items("lines", &line) {
                    text.push_str(data["pieces"][piece.as_u64().unwrap() as usize].as_str().unwrap());
                }
            }
        }
        text
    }

    #[test]
    fn pages_come_back_as_they_were_and_share_what_is_equal() {
        let of = |value: &str| {
            format!(
                "<p>x</p><table><tbody><tr><td><code>a</code></td></tr><tr><td><code>{value}</code> <code>\
                 </code></td></tr></tbody></table><pre>&lt;/script&gt;</pre>"
            )
        };
        let pages = [of("1"), of("2"), of("&lt;3"), of("1"), "no markup".to_owned(), String::new()];
        let mut details = Details::new(Room::of(10_000));
        let numbers: Vec<usize> = pages.iter().map(|page| details.add(|| page.clone()).unwrap()).collect();
        let data = read(&details);
        for (text, number) in pages.iter().zip(numbers) {
            assert_eq!(page(&data, number), *text);
        }
        assert_eq!(data["pages"][0], data["pages"][3]);
        // The table's beginning, its end and its two lines, once; of the second line three.
        assert!(data["lines"].as_array().unwrap().len() < 12, "{data}");
    }

    #[test]
    fn nothing_ends_the_element() {
        let mut details = Details::new(Room::of(10_000));
        details.add(|| "</script><!--<script>\u{2028}\\\"".to_owned()).unwrap();
        let mut out = Vec::new();
        details.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!((text.matches('<').count(), text.matches("</script>").count()), (2, 1), "{text}");
        assert_eq!(page(&read(&details), 0), "</script><!--<script>\u{2028}\\\"");
    }

    #[test]
    fn the_room_is_kept() {
        let mut details = Details::new(Room::of(5_000));
        let added = (0..1000).filter_map(|at| details.add(|| format!("<code>{at}</code>{at}"))).count();
        assert!((50..1000).contains(&added), "{added}");
        let mut out = Vec::new();
        details.write(&mut out).unwrap();
        assert!(out.len() < 5_500, "{}", out.len());
        assert_eq!(Details::new(Room::of(1 << 30)).add(|| "x".repeat(LONGEST + 1)), None);
    }
}
