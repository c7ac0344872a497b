//! Assembling: puts loaded rows together into journals, and says of each why it cannot be judged, if it cannot.

use std::ops::Range;

use super::arrow::JournalSpan;
use super::index::{Corpus, SpanRange};
use super::load::{LoadedRange, LoadedRows, ascend_from};
use crate::journal::{CommandKind, Entries, EntryBuffer, EntryKind, IdOrder, InvocationInfo};

/// One worker's journals of one side, loaded one unit of work at a time.
#[derive(Debug)]
pub struct Loader<'c> {
    corpus: &'c Corpus,
    rows: LoadedRows<'c>,
    /// The entries of a journal whose rows do not lie together.
    gathered: EntryBuffer,
}

/// A journal, or why it cannot be judged.
#[derive(Debug)]
pub struct Loaded<'a> {
    pub info: InvocationInfo,
    pub entries: Result<Entries<'a>, String>,
}

/// Journals that lie one behind the other and whose rows are all in order.
#[derive(Debug, Default)]
pub struct LoadedRun<'a> {
    pub entries: Entries<'a>,
    /// For each journal, the number of entries up to its end.
    pub ends: Vec<usize>,
}

/// The entry type of a row that stands in place of an entry and says why the journal cannot be judged: whoever copied the
/// journal could not get all of it.
pub const INCOMPLETE: &str = "Incomplete: ";

impl<'c> Loader<'c> {
    pub fn new(corpus: &'c Corpus) -> Self {
        Self { corpus, rows: LoadedRows::new(corpus), gathered: EntryBuffer::default() }
    }

    /// Reads everything that these ranges of spans need.
    pub fn load(&mut self, ranges: impl IntoIterator<Item = SpanRange>) {
        self.rows.load(ranges);
    }

    /// One of the journals that were loaded.
    pub fn journal(&mut self, id: IdOrder, spans: SpanRange) -> Loaded<'_> {
        let corpus = self.corpus;
        let info = self.info_of(id, spans.clone());
        let file = self.file(&spans);
        match corpus.broken(id) {
            Some(problem) => Loaded { info, entries: Err(problem.to_string()) },
            None => Loaded { info, entries: self.entries(spans).map_err(|reason| format!("{file}: {reason}")) },
        }
    }

    /// What is known of the invocation of a journal that was loaded.
    pub fn info_of(&self, id: IdOrder, spans: SpanRange) -> InvocationInfo {
        self.rows.info_of(id, spans)
    }

    /// The file that a journal, or the first part of it, is in.
    pub fn file(&self, spans: &SpanRange) -> &'c str {
        self.corpus.spans.get(spans.start).map_or("", |span| self.corpus.file_of(span))
    }

    /// The first of these journals, as many as lie one behind the other, in order and whole.
    pub fn run<'t>(&self, journals: impl Iterator<Item = &'t SpanRange>) -> LoadedRun<'_> {
        let mut run = LoadedRun::default();
        let mut read: Option<(&LoadedRange, Range<u32>)> = None;
        for journal in journals {
            let [span] = self.corpus.spans(journal.clone()) else { break };
            let rows = span.range();
            let (range, from) = match &read {
                None => (self.rows.range_of(span), rows.start),
                // Rows that follow each other were loaded together.
                Some((range, before)) if range.batch == span.batch && before.end == rows.start => {
                    (*range, before.start)
                }
                Some(_) => break,
            };
            if self.rows.sound(range, span, 0).is_none_or(|entries| check_first(entries).is_err()) {
                break;
            }
            read = Some((range, from..rows.end));
            run.ends.push((rows.end - from) as usize);
        }
        if let Some((range, rows)) = read {
            run.entries = self.rows.entries(range, rows);
        }
        run
    }

    /// A journal in the parts in which it was loaded, if all of them are in order and whole.
    pub fn parts(&self, journal: &SpanRange) -> Option<Vec<Entries<'_>>> {
        let mut first = 0;
        let parts = self.corpus.spans(journal.clone()).iter().map(|span| {
            let part = self.rows.sound(self.rows.range_of(span), span, first)?;
            first += span.rows;
            Some(part)
        });
        let parts: Vec<Entries<'_>> = parts.collect::<Option<_>>()?;
        check_first(*parts.first()?).ok()?;
        Some(parts)
    }

    fn entries(&mut self, spans: SpanRange) -> Result<Entries<'_>, String> {
        let spans = self.corpus.spans(spans);
        if let [span] = spans {
            let range = self.rows.readable(span)?;
            if ascend_from(0, self.rows.indexes(range, span.range())) {
                let entries = self.rows.entries(range, span.range());
                self.check_kinds(range, span)?;
                check_first(entries)?;
                return Ok(entries);
            }
        }
        self.gather(spans)?;
        Ok(self.gathered.view())
    }

    /// Puts spans that lie apart, or out of order, into order.
    fn gather(&mut self, spans: &[JournalSpan]) -> Result<(), String> {
        let mut parts: Vec<(u32, &JournalSpan)> = Vec::with_capacity(spans.len());
        for span in spans {
            let range = self.rows.readable(span)?;
            self.check_kinds(range, span)?;
            parts.push((self.rows.indexes(range, span.range())[0], span));
        }
        parts.sort_unstable();
        self.gathered.clear();
        for (first, span) in &parts {
            let range = self.rows.readable(span)?;
            if *first as usize != self.gathered.len() || !ascend_from(*first, self.rows.indexes(range, span.range())) {
                self.gather_rows(spans)?;
                break;
            }
            self.gathered.extend(self.rows.entries(range, span.range()));
        }
        check_first(self.gathered.view())
    }

    /// The same row by row, for spans that are not whole stretches of the journal.
    fn gather_rows(&mut self, spans: &[JournalSpan]) -> Result<(), String> {
        let mut rows: Vec<(u32, usize, u32)> = Vec::new();
        for (at, span) in spans.iter().enumerate() {
            let indexes = self.rows.indexes(self.rows.readable(span)?, span.range());
            rows.extend(indexes.iter().zip(span.range()).map(|(index, row)| (*index, at, row)));
        }
        rows.sort_unstable();
        self.gathered.clear();
        for (at, (index, span, row)) in rows.iter().enumerate() {
            let at = at as u32;
            if *index < at {
                let (one, other) = (&spans[rows[at as usize - 1].1], &spans[*span]);
                let (one, other) = (self.corpus.file_of(one), self.corpus.file_of(other));
                let places = if one == other { String::new() } else { format!(", in {one} and in {other}") };
                return Err(format!("entry {index} occurs twice{places}"));
            }
            if *index == at + 1 {
                return Err(format!("entry {at} is missing"));
            }
            if *index > at {
                return Err(format!("entries {at} to {} are missing", index - 1));
            }
            let range = self.rows.readable(&spans[*span])?;
            self.gathered.extend(self.rows.entries(range, *row..*row + 1));
        }
        Ok(())
    }

    /// Refuses entry types that are not known.
    fn check_kinds(&self, range: &LoadedRange, span: &JournalSpan) -> Result<(), String> {
        if !self.rows.has_unknown(range) {
            return Ok(());
        }
        let Some(at) = self.rows.entries(range, span.range()).unknown() else { return Ok(()) };
        let (index, batch) = self.corpus.batch(span.batch);
        let row = span.row + at as u32;
        // All entries of an old journal have other types.
        if let Ok(version @ 0..=1) = index.version(batch, row) {
            return Err(format!(
                "a journal of version {version} (service protocol 4 and before), which is not read: \
                 let its invocation end where it is"
            ));
        }
        let text = index.entry_type(batch, row).unwrap_or_default();
        if let Some(reason) = text.strip_prefix(INCOMPLETE) {
            return Err(reason.to_owned());
        }
        Err(format!("row {}: unknown entry type {text:?}", index.row_number(batch, row)))
    }
}

fn check_first(entries: Entries<'_>) -> Result<(), String> {
    if entries.is_empty() || entries.kind(0) != EntryKind::Command(CommandKind::Input) {
        return Err("its first entry is no Input".to_owned());
    }
    Ok(())
}
