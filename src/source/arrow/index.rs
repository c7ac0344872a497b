//! File index: where the rows of one Arrow file lie, and which journals they belong to.

use arrow_ipc::{Message, MessageHeader};

use super::entry_types;
use super::ipc::{BufferedView, IpcError, MessagePlace, MessageReader, Truncation};
use super::schema::{BatchPlace, BatchShape, ColumnPlace, Columns, FoundBatch, find_dictionary, refuse_run_ends};
use super::spans::{JournalSpans, TextRows};
use crate::journal::InvocationColumn;
use crate::source::storage::{ScratchBuffer, Storage};

/// What became of opening a file.
#[derive(Debug)]
pub enum OpenedArrow {
    Indexed(Box<FileIndex>),
    /// Its rows have to be written anew, in a schema that is read in place; see `normalize`.
    OtherSchema(Storage),
}

/// The index of one file, whose columns are read in place when they are needed.
#[derive(Debug)]
pub struct FileIndex {
    pub(super) storage: Storage,
    pub(super) columns: Columns,
    pub(super) batches: Vec<BatchPlace>,
    /// The dictionaries of entry types: their codes, and their texts for messages.
    pub(super) type_codes: Vec<Vec<u8>>,
    pub(super) type_texts: Vec<Vec<String>>,
    /// The places of the info columns, batch after batch.
    info: Vec<ColumnPlace>,
    spans: JournalSpans,
    /// Why the file was not read to its end, if it was not.
    pub truncation: Option<Truncation>,
}

impl FileIndex {
    /// Reads the metadata of every batch, the ids, and the dictionaries, but no other column.
    pub fn open(storage: Storage) -> Result<OpenedArrow, IpcError> {
        let mut messages = MessageReader::new(&storage)?;
        let columns = messages.schema(|schema, _| refuse_run_ends(schema).map(|()| Columns::of(schema)))??;
        let Some(columns) = columns else { return Ok(OpenedArrow::OtherSchema(storage)) };
        let mut indexer = Indexer::new(&columns);
        let truncation = loop {
            let (place, taken) = match messages.next(|place, message, view| indexer.take(place, message, view)) {
                Ok(next) => next,
                Err(end) => break end,
            };
            match taken {
                Ok(true) => messages.expect_similar(&place, indexer.needed),
                Ok(false) => return Ok(OpenedArrow::OtherSchema(storage)),
                Err(error) => break Some(Truncation::Broken(error)),
            }
        };
        let Indexer { batches, type_codes, type_texts, info, spans, .. } = indexer;
        match truncation {
            Some(Truncation::Broken(error)) if batches.is_empty() => Err(error),
            truncation => {
                let index = Self { storage, columns, batches, type_codes, type_texts, info, spans, truncation };
                Ok(OpenedArrow::Indexed(Box::new(index)))
            }
        }
    }

    /// Gives the spans of all journals away; they are in the order of the file.
    pub fn take_spans(&mut self) -> JournalSpans {
        std::mem::take(&mut self.spans)
    }

    /// The id of the last row, as long as the spans have not been taken.
    pub fn last_id(&self) -> Option<String> {
        self.spans.spans.last().map(|span| self.spans.text(span))
    }

    pub fn batch_count(&self) -> usize {
        self.batches.len()
    }

    pub fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| u64::from(batch.rows)).sum()
    }

    /// The number of a batch's row among all rows of the file, counted from 1.
    pub fn row_number(&self, batch: usize, row: u32) -> u64 {
        self.batches[..batch].iter().map(|batch| u64::from(batch.rows)).sum::<u64>() + u64::from(row) + 1
    }

    /// Whether the file has columns of `sys_invocation`.
    pub fn has_info(&self) -> bool {
        self.columns.info().len() > 0
    }

    /// Where the columns of `sys_invocation` lie in a batch.
    pub(super) fn info_places(&self, batch: usize) -> impl Iterator<Item = (InvocationColumn, ColumnPlace)> + Clone {
        let columns = self.columns.info();
        let count = columns.len();
        columns.zip(self.info[batch * count..][..count].iter().copied())
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

/// Takes the messages of a file into its index.
struct Indexer<'a> {
    columns: &'a Columns,
    batches: Vec<BatchPlace>,
    type_codes: Vec<Vec<u8>>,
    type_texts: Vec<Vec<String>>,
    info: Vec<ColumnPlace>,
    spans: JournalSpans,
    /// The end of what was needed of the last message.
    needed: u64,
    buffer: ScratchBuffer,
}

impl<'a> Indexer<'a> {
    fn new(columns: &'a Columns) -> Self {
        Self {
            columns,
            batches: Vec::new(),
            type_codes: Vec::new(),
            type_texts: Vec::new(),
            info: Vec::new(),
            spans: JournalSpans::default(),
            needed: 0,
            buffer: ScratchBuffer::default(),
        }
    }

    /// Takes a message; `false` if the file cannot be read in place.
    fn take(&mut self, place: MessagePlace, message: &Message<'_>, view: BufferedView<'_>) -> Result<bool, IpcError> {
        self.needed = place.body;
        match message.header_type() {
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch();
                // The dictionary that came last; one that is missing has no texts.
                let dictionary = self.type_codes.len().wrapping_sub(1);
                let find = |batch| self.columns.find(batch, place.body, place.body_len, dictionary);
                let Some(found) = batch.and_then(find) else { return Ok(false) };
                self.take_batch(found, view);
                Ok(true)
            }
            MessageHeader::DictionaryBatch => match message.header_as_dictionary_batch() {
                Some(dictionary) => self.take_dictionary(&dictionary, place, view),
                None => Ok(false),
            },
            _ => Ok(true),
        }
    }

    fn take_batch(&mut self, FoundBatch { place, ids, info }: FoundBatch, view: BufferedView<'_>) {
        if place.rows == 0 {
            return;
        }
        reserve_for_rest(&mut self.batches, view.size(), place.body);
        reserve_for_rest(&mut self.spans.spans, view.size(), place.body);
        let (batch, before) = (self.batches.len(), self.spans.spans.len());
        self.batches.push(place);
        self.info.extend(info);
        self.needed = place.body + u64::from(ids.end());
        let taken = match self.columns.shape {
            BatchShape::Recorded => {
                let (at, len) = (place.body + u64::from(ids.values.at), place.rows as usize * 2);
                let keys = view.read(at, len, &mut self.buffer).map_err(IpcError::from);
                keys.and_then(|keys| self.spans.take_keys(batch, keys))
            }
            shape @ BatchShape::Served => {
                TextRows::read(view, place.body, ids, place.rows, shape.offset_width(), &mut self.buffer)
                    .and_then(|texts| self.spans.take_texts(batch, &texts))
            }
        };
        if let Err(error) = taken {
            self.spans.spans.truncate(before);
            self.spans.broken.push((batch, error.to_string()));
        }
    }

    /// Takes the texts that the following batches have keys of.
    fn take_dictionary(
        &mut self,
        dictionary: &arrow_ipc::DictionaryBatch<'_>,
        place: MessagePlace,
        view: BufferedView<'_>,
    ) -> Result<bool, IpcError> {
        let of_ids = self.columns.id_dictionary == Some(dictionary.id());
        let of_types = self.columns.type_dictionary == Some(dictionary.id());
        if !of_ids && !of_types {
            return Ok(true);
        }
        let found = dictionary.data().filter(|_| !dictionary.isDelta());
        let Some((rows, column)) = found.and_then(|batch| find_dictionary(batch, place.body_len)) else {
            return Ok(false);
        };
        let width = BatchShape::Recorded.offset_width();
        let texts = TextRows::read(view, place.body, column, rows, width, &mut self.buffer)?;
        self.needed = place.body + u64::from(column.end());
        if of_ids {
            self.spans.take_dictionary(&texts);
        }
        if of_types {
            let texts: Vec<&[u8]> = texts.iter().collect::<Result<_, _>>()?;
            self.type_codes.push(texts.iter().map(|text| entry_types::code_of(text)).collect());
            self.type_texts.push(texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect());
        }
        Ok(true)
    }
}

/// More items than one batch adds, mostly.
const SPARE: usize = 256;

/// Reserves memory for what the rest of the file will add, judging by what came up to `upto` of its `size` bytes. A
/// vector that doubles would take memory that it never uses, and touch more of it.
fn reserve_for_rest<T>(found: &mut Vec<T>, size: u64, upto: u64) {
    // The first few items say too little.
    if found.len() > 4 * SPARE && found.capacity() - found.len() < SPARE {
        let left = size.saturating_sub(upto) as f64 / upto.max(1) as f64;
        let expected = (found.len() as f64 * left) as usize;
        found.reserve_exact(expected + expected / 8 + SPARE);
    }
}
