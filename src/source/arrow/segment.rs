//! One Arrow file: its batches, and which rows of which belong to which journal.

use super::layout::{ColumnSpans, Columns, INFO_COLUMNS, TextSpans, Unreadable};
use super::message::{ArrowError, Cut, Messages, data_start};
use super::pieces::Pieces;
use super::reading::Reading;
use super::store::Store;

/// What became of opening a file.
#[derive(Debug)]
pub enum Opened {
    Segment(Box<Segment>),
    /// It needs [`super::convert`].
    Unusual(Store),
}

/// One file's batches, to be read in place.
#[derive(Debug)]
pub struct Segment {
    pub(super) store: Store,
    /// What was found when the file was opened.
    pub(super) found: Pieces,
    pub(super) columns: Columns,
    pub(super) batches: Vec<Batch>,
    /// By dictionary of entry types: codes, and the texts themselves for messages.
    pub(super) type_codes: Vec<Vec<u8>>,
    pub(super) type_texts: Vec<Vec<String>>,
    /// For each batch in turn, the places of its info columns.
    pub(super) info: Vec<TextSpans>,
    /// Why the file was not read to its end, if it was not.
    pub cut: Option<Cut>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Batch {
    pub rows: u32,
    pub body: u64,
    pub body_len: u64,
    pub index: ColumnSpans,
    pub entry_type: ColumnSpans,
    pub raw: ColumnSpans,
    pub version: ColumnSpans,
    /// Into `type_codes`.
    pub type_dictionary: u32,
}

impl Segment {
    /// Notes where everything lies; reads no column but ids, and dictionaries of entry types.
    pub fn open(store: Store) -> Result<Opened, ArrowError> {
        let start = data_start(&store)?;
        let mut messages = Messages::new(&store);
        let Some(metadata) = messages.metadata(start)? else {
            return Err(ArrowError::Malformed("it ends before its schema".to_owned()));
        };
        let (first, message) = messages.parse(start, &metadata).map_err(|cut| match cut {
            Cut::Broken(error) => error,
            cut => ArrowError::Malformed(cut.to_string()),
        })?;
        let schema = message
            .header_as_schema()
            .ok_or_else(|| ArrowError::Malformed("it does not begin with a schema".to_owned()))?;
        let columns = match Columns::of(schema) {
            Ok(columns) => columns,
            Err(Unreadable::Unusual) => return Ok(Opened::Unusual(store)),
            Err(Unreadable::MissingColumn(name)) => return Err(ArrowError::MissingColumn(name)),
        };
        let mut at = first.end();
        let mut reading = Reading::new(&columns);
        let cut = loop {
            let metadata = match messages.follow(at) {
                Ok(metadata) => metadata,
                Err(cut) => break cut,
            };
            let (header, message) = match messages.parse(at, &metadata) {
                Ok(found) => found,
                Err(cut) => break Some(cut),
            };
            match reading.take(&message, &header, messages.near()) {
                Ok(true) => {}
                Ok(false) => return Ok(Opened::Unusual(store)),
                Err(error) => break Some(Cut::Broken(error)),
            }
            messages.expect_like(at, reading.useful);
            at = header.end();
        };
        let Reading { batches, type_codes, type_texts, info, pieces, .. } = reading;
        let cut = match cut {
            Some(Cut::Broken(error)) if batches.is_empty() => return Err(error),
            cut => cut,
        };
        Ok(Opened::Segment(Box::new(Self {
            columns,
            batches,
            type_codes,
            type_texts,
            info,
            cut,
            store,
            found: pieces,
        })))
    }

    /// The pieces of all journals, batch by batch; they are given away.
    pub fn pieces(&mut self) -> Pieces {
        std::mem::take(&mut self.found)
    }

    /// The id of the last row, as long as the pieces are here.
    pub fn last_id(&self) -> Option<String> {
        self.found.pieces.last().map(|piece| self.found.text(piece))
    }

    pub fn batch_count(&self) -> usize {
        self.batches.len()
    }

    pub fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| u64::from(batch.rows)).sum()
    }

    /// The column that a journal's file must have and this one lacks.
    pub fn missing_column(&self) -> Option<&'static str> {
        self.columns.journal_columns().err()
    }

    /// Whether these are rows of `sys_invocation`: ids, and nothing of journals.
    pub fn is_info(&self) -> bool {
        self.columns.index.is_none() && self.columns.entry_type.is_none() && self.columns.raw.is_none()
    }

    /// A batch's row among all rows of the file, counted from 1.
    pub fn row_number(&self, batch: usize, row: u32) -> u64 {
        self.batches[..batch].iter().map(|batch| u64::from(batch.rows)).sum::<u64>() + u64::from(row) + 1
    }

    /// Whether rows tell of their invocation too.
    pub fn has_info(&self) -> bool {
        info_count(&self.columns) > 0
    }

    pub fn batch_bytes(&self, batch: usize) -> u64 {
        self.batches[batch].body_len
    }

    /// About how many bytes a row of this batch takes.
    pub fn row_bytes(&self, batch: usize) -> u64 {
        let batch = &self.batches[batch];
        batch.body_len / u64::from(batch.rows.max(1)) + 1
    }
}

/// A little-endian integer of 1 to 8 bytes. Negative ones become huge, and so out of range.
pub(super) fn integer(bytes: &[u8]) -> u64 {
    match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
        _ => bytes.try_into().map_or(u64::MAX, u64::from_le_bytes),
    }
}

/// How many info columns a batch has places for.
pub(super) fn info_count(columns: &Columns) -> usize {
    columns.info.iter().flatten().count()
}

const _: () = assert!(INFO_COLUMNS.len() < 16);
