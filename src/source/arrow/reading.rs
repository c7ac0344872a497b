//! What the messages of a file say, on the way to a [`Segment`](super::segment::Segment).

use arrow_ipc::{Message, MessageHeader};

use super::kinds;
use super::layout::{Column, ColumnSpans, Columns, Layout, TextSpans, has_no_nulls, spans, text_spans};
use super::message::{ArrowError, Header, Near};
use super::pieces::{Pieces, Rows};
use super::segment::Batch;
use super::store::Scratch;
use super::texts::Texts;

pub(super) struct Reading<'a> {
    columns: &'a Columns,
    pub batches: Vec<Batch>,
    pub type_codes: Vec<Vec<u8>>,
    pub type_texts: Vec<Vec<String>>,
    pub info: Vec<TextSpans>,
    pub pieces: Pieces,
    /// Up to where the last message was of use.
    pub useful: u64,
    type_dictionary: u32,
    buffer: Scratch,
}

impl<'a> Reading<'a> {
    pub fn new(columns: &'a Columns) -> Self {
        Self {
            columns,
            batches: Vec::new(),
            type_codes: Vec::new(),
            type_texts: Vec::new(),
            info: Vec::new(),
            pieces: Pieces::default(),
            useful: 0,
            buffer: Scratch::default(),
            type_dictionary: NO_DICTIONARY,
        }
    }

    /// Notes a message; `false` if the file is not to be read in place.
    pub fn take(&mut self, message: &Message<'_>, header: &Header, near: Near<'_>) -> Result<bool, ArrowError> {
        self.useful = header.body;
        match message.header_type() {
            MessageHeader::RecordBatch => {
                let Some(batch) = message.header_as_record_batch() else { return Ok(false) };
                if batch.compression().is_some() {
                    return Ok(false);
                }
                Ok(self.take_batch(&batch, header, near).is_some())
            }
            MessageHeader::DictionaryBatch => {
                let Some(dictionary) = message.header_as_dictionary_batch() else { return Ok(false) };
                self.take_dictionary(&dictionary, header, near)
            }
            _ => Ok(true),
        }
    }

    fn take_batch(&mut self, batch: &arrow_ipc::RecordBatch<'_>, header: &Header, near: Near<'_>) -> Option<()> {
        let rows = u32::try_from(batch.length()).ok()?;
        let own = self.columns;
        // What stands in the place of a null means nothing, and an id's would be another's.
        if ![Some(own.id), own.index, own.entry_type, own.raw, own.version]
            .into_iter()
            .flatten()
            .all(|column| has_no_nulls(batch, column))
        {
            return None;
        }
        let find = |column: Option<Column>| match column {
            Some(column) => spans(batch, column, rows, header.body_len),
            None => Some(ColumnSpans::default()),
        };
        let noted = Batch {
            rows,
            body: header.body,
            body_len: header.body_len,
            index: find(self.columns.index)?,
            entry_type: find(self.columns.entry_type)?,
            raw: find(self.columns.raw)?,
            version: find(self.columns.version)?,
            type_dictionary: self.type_dictionary,
        };
        let id = text_spans(batch, own.id, rows, header.body_len)?;
        let info = own.info.iter().flatten();
        let info: Vec<TextSpans> =
            info.map(|column| text_spans(batch, *column, rows, header.body_len)).collect::<Option<_>>()?;
        if rows > 0 {
            expect_more(&mut self.batches, near.size(), header.body);
            expect_more(&mut self.pieces.pieces, near.size(), header.body);
            self.batches.push(noted);
            self.info.extend(info);
            let rows = Rows { near, batch: &noted, number: self.batches.len() - 1 };
            self.pieces.take_batch(rows, (own.id.layout, id), &mut self.buffer);
            self.useful = header.body + u64::from(id.end());
        }
        Some(())
    }

    fn take_dictionary(
        &mut self,
        dictionary: &arrow_ipc::DictionaryBatch<'_>,
        header: &Header,
        near: Near<'_>,
    ) -> Result<bool, ArrowError> {
        let Some(data) = dictionary.data() else { return Ok(false) };
        let wanted = |column: &Column| match column.layout {
            Layout::Dictionary { id, values, .. } if id == dictionary.id() => Some(values),
            _ => None,
        };
        let id_width = wanted(&self.columns.id);
        let type_width = self.columns.entry_type.as_ref().and_then(wanted);
        let Some(width) = id_width.or(type_width) else { return Ok(true) };
        if dictionary.isDelta() || data.compression().is_some() {
            return Ok(false);
        }
        let Ok(rows) = u32::try_from(data.length()) else { return Ok(false) };
        let column = Column { layout: Layout::Bytes { width }, first_buffer: 0, node: 0 };
        if !has_no_nulls(&data, column) {
            return Ok(false);
        }
        let Some(spans) = spans(&data, column, rows, header.body_len) else { return Ok(false) };
        let texts = Texts::read(near, header.body, spans, rows, width, &mut self.buffer)?;
        self.useful = header.body + u64::from(spans.end());
        if id_width.is_some() {
            self.pieces.take_dictionary(&texts);
        }
        if type_width.is_some() {
            let texts: Vec<&[u8]> = texts.iter().collect::<Result<_, _>>()?;
            self.type_dictionary = self.type_codes.len() as u32;
            self.type_codes.push(texts.iter().map(|text| kinds::code_of(text)).collect());
            self.type_texts.push(texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect());
        }
        Ok(true)
    }
}

/// Room for what a batch adds, mostly.
const ENOUGH: usize = 256;

/// Makes room for what comes, by what came up to this place of a file of that size. Growing by doubling would hold memory
/// that is never used, and touch more of it.
fn expect_more<T>(found: &mut Vec<T>, size: u64, upto: u64) {
    // A few say nothing yet.
    if found.len() > 4 * ENOUGH && found.capacity() - found.len() < ENOUGH {
        let left = size.saturating_sub(upto) as f64 / upto.max(1) as f64;
        let expected = (found.len() as f64 * left) as usize;
        found.reserve_exact(expected + expected / 8 + ENOUGH);
    }
}

/// Of a batch that no dictionary of entry types comes before.
const NO_DICTIONARY: u32 = u32::MAX;
