//! The details data: every invocation that is not compatible, in full, compressed into JSON for the script.
//!
//! Invocations with one cause look alike except for a few values. So the HTML of each is split into blocks (a table, or
//! the text between two tables), blocks into lines, and lines into pieces (the text of a `code` element, or the text
//! between two). Each distinct block, line and piece gets a number and is written once; an invocation is a list of
//! numbers. `invocation.rs` has already escaped the pieces. Here every `<` is written as an escape, so that no piece can
//! end the script element.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::budget::ByteBudget;

/// Bytes of the longest invocation that is kept: longer ones are rare, and would displace hundreds of others.
const LONGEST: usize = 128 << 10;

/// Collects the details data.
#[derive(Debug)]
pub struct Details {
    budget: ByteBudget,
    pieces: Numbered<String>,
    lines: Numbered<Vec<u32>>,
    blocks: Numbered<Vec<u32>>,
    /// For each invocation: the numbers of its blocks.
    pages: Vec<Vec<u32>>,
}

impl Details {
    pub fn new(budget: ByteBudget) -> Self {
        Self {
            budget,
            pieces: Numbered::default(),
            lines: Numbered::default(),
            blocks: Numbered::default(),
            pages: Vec::new(),
        }
    }

    /// Keeps the HTML of an invocation, and returns its number; `None` where the budget is used up or it is too long.
    pub fn add(&mut self, page: impl FnOnce() -> String) -> Option<usize> {
        if self.budget.is_full() {
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
                    .map(|piece| self.pieces.number(piece.to_owned(), &mut self.budget, |piece| encode(piece)))
                    .collect();
                lines.push(self.lines.number(pieces, &mut self.budget, |numbers| list(numbers)));
            }
            blocks.push(self.blocks.number(lines, &mut self.budget, |numbers| list(numbers)));
        }
        self.budget.take(list(&blocks).len());
        self.pages.push(blocks);
        Some(self.pages.len() - 1)
    }

    /// Writes the script element with the data.
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

/// Distinct items, numbered in the order in which they were added.
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
    fn number(&mut self, item: T, budget: &mut ByteBudget, write: impl FnOnce(&T) -> String) -> u32 {
        let next = u32::try_from(self.written.len()).unwrap_or(u32::MAX);
        match self.numbers.entry(item) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let written = write(new.key());
                budget.take(written.len() + 1);
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

/// Splits a text before every `begins` and after every `ends`.
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

    /// The HTML of an invocation, put together as the script does it.
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
    fn pages_come_back_unchanged_and_share_equal_parts() {
        let of = |value: &str| {
            format!(
                "<p>x</p><table><tbody><tr><td><code>a</code></td></tr><tr><td><code>{value}</code> <code>\
                 </code></td></tr></tbody></table><pre>&lt;/script&gt;</pre>"
            )
        };
        let pages = [of("1"), of("2"), of("&lt;3"), of("1"), "no markup".to_owned(), String::new()];
        let mut details = Details::new(ByteBudget::of(10_000));
        let numbers: Vec<usize> = pages.iter().map(|page| details.add(|| page.clone()).unwrap()).collect();
        let data = read(&details);
        for (text, number) in pages.iter().zip(numbers) {
            assert_eq!(page(&data, number), *text);
        }
        assert_eq!(data["pages"][0], data["pages"][3]);
        // The start and end of the table and its first line are stored once; its second line three times.
        assert!(data["lines"].as_array().unwrap().len() < 12, "{data}");
    }

    #[test]
    fn no_piece_ends_the_script_element() {
        let mut details = Details::new(ByteBudget::of(10_000));
        details.add(|| "</script><!--<script>\u{2028}\\\"".to_owned()).unwrap();
        let mut out = Vec::new();
        details.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!((text.matches('<').count(), text.matches("</script>").count()), (2, 1), "{text}");
        assert_eq!(page(&read(&details), 0), "</script><!--<script>\u{2028}\\\"");
    }

    #[test]
    fn the_budget_is_kept() {
        let mut details = Details::new(ByteBudget::of(5_000));
        let added = (0..1000).filter_map(|at| details.add(|| format!("<code>{at}</code>{at}"))).count();
        assert!((50..1000).contains(&added), "{added}");
        let mut out = Vec::new();
        details.write(&mut out).unwrap();
        assert!(out.len() < 5_500, "{}", out.len());
        assert_eq!(Details::new(ByteBudget::of(1 << 30)).add(|| "x".repeat(LONGEST + 1)), None);
    }
}
