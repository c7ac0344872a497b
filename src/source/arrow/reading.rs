//! What the messages of a file say, on the way to a [`Segment`](super::segment::Segment).

use arrow_ipc::{Message, MessageHeader};

use super::kinds;
use super::layout::{Column, ColumnSpans, Columns, Layout, TextSpans, has_no_nulls, spans, text_spans};
use super::message::{ArrowError, Header, Near};
use super::pieces::Pieces;
use super::segment::{Batch, Dictionary, NO_DICTIONARY};
use super::store::Scratch;

pub(super) struct Reading<'a> {
    columns: &'a Columns,
    pub batches: Vec<Batch>,
    pub dictionaries: Vec<Dictionary>,
    pub type_codes: Vec<Vec<u8>>,
    pub type_texts: Vec<Vec<String>>,
    pub info: Vec<TextSpans>,
    /// What is found on the way, where ids lie in the batches themselves.
    pub pieces: Option<Pieces>,
    /// Up to where the last message was of use.
    pub useful: u64,
    id_dictionary: u32,
    type_dictionary: u32,
    buffer: Scratch,
}

impl<'a> Reading<'a> {
    pub fn new(columns: &'a Columns) -> Self {
        Self {
            columns,
            batches: Vec::new(),
            dictionaries: Vec::new(),
            type_codes: Vec::new(),
            type_texts: Vec::new(),
            info: Vec::new(),
            pieces: matches!(columns.id.layout, Layout::Bytes { .. } | Layout::Runs { .. }).then(Pieces::default),
            useful: 0,
            buffer: Scratch::default(),
            id_dictionary: NO_DICTIONARY,
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
            id: text_spans(batch, self.columns.id, rows, header.body_len)?,
            index: find(self.columns.index)?,
            entry_type: find(self.columns.entry_type)?,
            raw: find(self.columns.raw)?,
            version: find(self.columns.version)?,
            id_dictionary: self.id_dictionary,
            type_dictionary: self.type_dictionary,
        };
        let info = self.columns.info.iter().flatten();
        let info: Vec<TextSpans> =
            info.map(|column| text_spans(batch, *column, rows, header.body_len)).collect::<Option<_>>()?;
        if rows > 0 {
            self.batches.push(noted);
            self.info.extend(info);
            if let Some(pieces) = &mut self.pieces {
                pieces.expect(near.size(), header.body);
                let number = self.batches.len() - 1;
                pieces.take_batch(near, &noted, number, self.columns.id.layout, &mut self.buffer);
                self.useful = header.body + u64::from(noted.id.end());
            }
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
        let noted = Dictionary { rows, body: header.body, spans, width };
        if id_width.is_some() {
            self.id_dictionary = self.dictionaries.len() as u32;
            self.dictionaries.push(noted);
        }
        if type_width.is_some() {
            let mut buffer = Scratch::default();
            let texts: Vec<&[u8]> = noted.read(near, &mut buffer)?.iter().collect::<Result<_, _>>()?;
            self.type_dictionary = self.type_codes.len() as u32;
            self.type_codes.push(texts.iter().map(|text| kinds::code_of(text)).collect());
            self.type_texts.push(texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect());
        }
        Ok(true)
    }
}
