//! Rows that come one by one (as JSON, or in a layout that is not read in place) put into batches that are: in memory,
//! in a temporary file when they are many. They have no frames, and what lies where is noted as they come.

use std::io;
use std::sync::Arc;

use super::kinds::{ENTRY_TYPES, UNKNOWN, place_of};
use super::layout::{Column, ColumnSpans, Columns, INFO_COLUMNS, Layout, Span, TextSpans};
use super::pieces::Pieces;
use super::room::{Room, Spooled};
use super::segment::{Batch, Segment};
use super::store::Store;
use crate::journal::InvocationInfo;

/// A batch is closed when it has this many rows, or bytes of messages.
const BATCH_ROWS: usize = 16 << 10;
const BATCH_BYTES: usize = 1 << 20;

/// No message of a journal is anywhere near this size.
const LONGEST_MESSAGE: usize = 1 << 31;

const INFO: usize = INFO_COLUMNS.len();

/// A row but for its message.
#[derive(Clone, Copy, Debug)]
pub struct RowHead<'a> {
    pub id: &'a str,
    pub index: u32,
    pub entry_type: &'a str,
    pub version: u32,
}

/// Rows on their way to becoming a [`Segment`].
pub struct Spool {
    store: Spooled,
    batches: Vec<Batch>,
    pieces: Pieces,
    info_spans: Vec<TextSpans>,
    entry_types: Vec<String>,
    last_id: String,
    /// Whether rows tell of their invocation.
    keeps_info: Option<bool>,
    last_told: String,
    // The batch under way.
    indexes: Vec<u32>,
    types: Vec<u16>,
    ends: Vec<u32>,
    versions: Vec<u32>,
    raw: Vec<u8>,
    info: [InfoColumn; INFO],
    body: Vec<u8>,
}

#[derive(Clone, Default)]
struct InfoColumn {
    ends: Vec<u32>,
    data: String,
}

impl Spool {
    pub fn new(room: &Arc<Room>) -> Self {
        Self {
            store: Spooled::new(room),
            batches: Vec::new(),
            pieces: Pieces::default(),
            info_spans: Vec::new(),
            entry_types: ENTRY_TYPES.iter().map(|(text, _)| text.clone()).collect(),
            last_id: String::new(),
            keeps_info: None,
            last_told: String::new(),
            indexes: Vec::new(),
            types: Vec::new(),
            ends: Vec::new(),
            versions: Vec::new(),
            raw: Vec::with_capacity(BATCH_BYTES + BATCH_BYTES / 8),
            info: Default::default(),
            body: Vec::new(),
        }
    }

    /// Whether it is of use to say what is known of the invocation of the next row, which is of this journal.
    pub fn wants_info(&self, id: &str) -> bool {
        self.last_told != id
    }

    /// Takes a row whose message `raw` is appended by `write`, which may find that it is none. Of the invocation, the
    /// first row of a run of rows tells; what can not be kept (only a spool whose first row tells of its invocation has
    /// room for that) is given back.
    pub fn push(
        &mut self,
        row: RowHead<'_>,
        info: Option<InvocationInfo>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
    ) -> Result<Option<(String, InvocationInfo)>, String> {
        let before = self.raw.len();
        if let Err(reason) = write(&mut self.raw) {
            self.raw.truncate(before);
            return Err(reason);
        }
        if self.raw.len() - before > LONGEST_MESSAGE {
            self.raw.truncate(before);
            return Err("its message is longer than 2 GiB".to_owned());
        }
        let info = info.filter(|info| *info != InvocationInfo::default());
        let keeps_info = *self.keeps_info.get_or_insert(info.is_some());
        let batch = self.batches.len();
        let begins = self.indexes.is_empty() || self.last_id != row.id;
        if begins {
            self.pieces.start_text(row.id.as_bytes(), batch, self.indexes.len());
            self.last_id.clear();
            self.last_id.push_str(row.id);
        } else {
            self.pieces.grow();
        }
        self.indexes.push(row.index);
        let key = self.type_key(row.entry_type);
        self.types.push(key);
        self.ends.push(self.raw.len() as u32);
        self.versions.push(row.version);
        if keeps_info {
            let texts = info.as_ref().map(InvocationInfo::columns).unwrap_or_default();
            for (column, text) in self.info.iter_mut().zip(texts) {
                column.data.push_str(&text);
                column.ends.push(column.data.len() as u32);
            }
        }
        if info.is_some() {
            self.last_told.clear();
            self.last_told.push_str(row.id);
        }
        if self.indexes.len() >= BATCH_ROWS || self.raw.len() >= BATCH_BYTES {
            self.close_batch().map_err(|error| format!("could not keep it: {error}"))?;
        }
        Ok(info.filter(|_| !keeps_info).map(|info| (row.id.to_owned(), info)))
    }

    fn type_key(&mut self, entry_type: &str) -> u16 {
        let others = || self.entry_types.iter().skip(ENTRY_TYPES.len()).position(|text| text == entry_type);
        let key = match place_of(entry_type).or_else(|| Some(ENTRY_TYPES.len() + others()?)) {
            Some(key) => key,
            None if self.entry_types.len() < usize::from(u16::MAX) => {
                self.entry_types.push(entry_type.to_owned());
                self.entry_types.len() - 1
            }
            // Sixty thousand made-up kinds: one more unknown kind reads like any other.
            None => self.entry_types.len() - 1,
        };
        key as u16
    }

    /// Appends the columns of fixed width, the offsets, what is known of invocations, and behind all the messages.
    fn close_batch(&mut self) -> io::Result<()> {
        let rows = self.indexes.len();
        if rows == 0 {
            return Ok(());
        }
        let body = self.store.len();
        let out = &mut self.body;
        let index = put_words(self.indexes.drain(..), out);
        let entry_type = put(self.types.drain(..).map(u16::to_le_bytes), out);
        let version = put_words(self.versions.drain(..), out);
        let offsets = put_words(std::iter::once(0).chain(self.ends.drain(..)), out);
        if self.keeps_info == Some(true) {
            for column in &mut self.info {
                let values = put_words(std::iter::once(0).chain(column.ends.drain(..)), out);
                let data = put(std::iter::once(&column.data), out);
                column.data.clear();
                self.info_spans.push(TextSpans { ends: Span::default(), texts: ColumnSpans { values, data } });
            }
        }
        let raw = Span { at: out.len() as u32, len: self.raw.len() as u32 };
        self.store.append(out)?;
        self.store.append(&mut self.raw)?;
        let fixed = |values| ColumnSpans { values, data: Span::default() };
        self.batches.push(Batch {
            rows: rows as u32,
            body,
            body_len: self.store.len() - body,
            index: fixed(index),
            entry_type: fixed(entry_type),
            raw: ColumnSpans { values: offsets, data: raw },
            version: fixed(version),
            type_dictionary: 0,
        });
        Ok(())
    }

    /// What was put together; `None` if there was no row.
    pub fn finish(mut self) -> io::Result<Option<Segment>> {
        self.close_batch()?;
        if self.batches.is_empty() {
            return Ok(None);
        }
        let column = |layout| Column { layout, first_buffer: 0, node: 0 };
        let words = Some(column(Layout::Integers { width: 4 }));
        let keeps_info = self.keeps_info == Some(true);
        let columns = Columns {
            id: column(Layout::Bytes { width: 4 }),
            index: words,
            entry_type: Some(column(Layout::Dictionary { width: 2, id: 0, values: 4 })),
            raw: Some(column(Layout::Bytes { width: 4 })),
            version: words,
            info: [keeps_info.then_some(column(Layout::Bytes { width: 4 })); INFO],
        };
        let known = ENTRY_TYPES.iter().map(|(_, code)| *code);
        let codes = known.chain(std::iter::repeat(UNKNOWN)).take(self.entry_types.len()).collect();
        Ok(Some(Segment {
            store: Store::Spooled(self.store),
            found: self.pieces,
            columns,
            batches: self.batches,
            type_codes: vec![codes],
            type_texts: vec![self.entry_types],
            info: self.info_spans,
            cut: None,
        }))
    }
}

fn put_words(words: impl Iterator<Item = u32>, out: &mut Vec<u8>) -> Span {
    put(words.map(u32::to_le_bytes), out)
}

fn put<T: AsRef<[u8]>>(parts: impl Iterator<Item = T>, out: &mut Vec<u8>) -> Span {
    let at = out.len();
    parts.for_each(|part| out.extend_from_slice(part.as_ref()));
    Span { at: at as u32, len: (out.len() - at) as u32 }
}
