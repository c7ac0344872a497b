//! Journals as Arrow, in a form that is read fast and that other tools read too: sorted by whoever writes, in batches that
//! end with a journal, ids and entry types as dictionaries.

use std::io::Write;
use std::sync::Arc;

use arrow_array::types::Int16Type;
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, Int16Array, RecordBatch, StringArray, UInt8Array, UInt32Array,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};

use super::kinds::{ENTRY_TYPES, place_of};
use super::layout::INFO_COLUMNS;
use crate::journal::InvocationInfo;

/// One row of `sys_journal`.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'a> {
    pub id: &'a str,
    pub index: u32,
    pub entry_type: &'a str,
    pub raw: &'a [u8],
    pub version: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("could not write journals: {0}")]
    Arrow(#[from] ArrowError),
    #[error("could not write journals: {0}")]
    Io(#[from] std::io::Error),
    #[error("could not write journals: a message of {id} is longer than 2 GiB")]
    TooLong { id: String },
}

/// A batch of this many rows or bytes of messages ends with its last journal: so it is read in one go by whoever checks
/// its journals, and fits the second-level cache then.
const BATCH_ROWS: usize = 8 << 10;
const BATCH_BYTES: usize = 192 << 10;

/// A journal is cut where its batch would be larger than this.
const LARGEST_BATCH_ROWS: usize = 32_000;
const LARGEST_BATCH_BYTES: usize = 16 << 20;

/// Writes rows as an Arrow stream.
pub struct ArrowWriter<W: Write> {
    writer: StreamWriter<W>,
    schema: Arc<Schema>,
    entry_types: Vec<String>,
    ids: TextColumn,
    keys: Vec<i16>,
    indexes: Vec<u32>,
    types: Vec<i16>,
    raw: Vec<u8>,
    ends: Vec<i32>,
    versions: Vec<u8>,
    /// Empty unless the file has info columns.
    info: Vec<TextColumn>,
}

#[derive(Default)]
struct TextColumn {
    ends: Vec<i32>,
    text: String,
}

impl TextColumn {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as i32);
    }

    /// Up to here, those that have no text have an empty one.
    fn fill(&mut self, len: usize) {
        self.ends.resize(len, self.text.len() as i32);
    }

    fn last(&self) -> Option<&str> {
        let (_, before) = self.ends.split_last()?;
        Some(&self.text[before.last().map_or(0, |end| *end as usize)..])
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let Self { ends, text } = std::mem::take(self);
        let offsets = OffsetBuffer::new(std::iter::once(0).chain(ends).collect());
        Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(text.into_bytes()), None)?))
    }
}

impl<W: Write> ArrowWriter<W> {
    /// A file of journals alone.
    pub fn new(sink: W) -> Result<Self, WriteError> {
        Self::with_columns(sink, &[])
    }

    /// A file with the invocations' columns, each given on the first of a run of its journal's rows.
    pub fn with_info(sink: W) -> Result<Self, WriteError> {
        Self::with_columns(sink, &INFO_COLUMNS)
    }

    fn with_columns(sink: W, info: &[&str]) -> Result<Self, WriteError> {
        let keyed = DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8));
        let mut fields = vec![
            Field::new("id", keyed.clone(), false),
            Field::new("index", DataType::UInt32, false),
            Field::new("entry_type", keyed, false),
            Field::new("raw", DataType::Binary, false),
            Field::new("version", DataType::UInt8, false),
        ];
        fields.extend(info.iter().map(|name| Field::new(*name, DataType::Utf8, false)));
        let schema = Arc::new(Schema::new(fields));
        Ok(Self {
            writer: StreamWriter::try_new(sink, &schema)?,
            schema,
            entry_types: ENTRY_TYPES.iter().map(|(text, _)| text.clone()).collect(),
            ids: TextColumn::default(),
            keys: Vec::new(),
            indexes: Vec::new(),
            types: Vec::new(),
            raw: Vec::new(),
            ends: vec![0],
            versions: Vec::new(),
            info: info.iter().map(|_| TextColumn::default()).collect(),
        })
    }

    /// Adds a row. `info` is ignored by a file without such columns.
    pub fn push(&mut self, row: RowRef<'_>, info: Option<&InvocationInfo>) -> Result<(), WriteError> {
        let columns = info.filter(|_| !self.info.is_empty() && self.begins(row.id)).map(InvocationInfo::columns);
        self.push_with(row, columns.as_ref().map(|columns| columns.each_ref().map(String::as_str)))
    }

    /// Adds a row, with the texts of the invocation's columns, in their order.
    pub fn push_with(&mut self, row: RowRef<'_>, texts: Option<[&str; INFO_COLUMNS.len()]>) -> Result<(), WriteError> {
        if row.raw.len() > i32::MAX as usize {
            return Err(WriteError::TooLong { id: row.id.to_owned() });
        }
        let begins = self.begins(row.id);
        let (rows, bytes) = if begins { (BATCH_ROWS, BATCH_BYTES) } else { (LARGEST_BATCH_ROWS, LARGEST_BATCH_BYTES) };
        let info_bytes = self.info.iter().map(|column| column.text.len()).max().unwrap_or(0);
        if self.indexes.len() >= rows || self.raw.len().max(info_bytes) + row.raw.len() > bytes {
            self.flush()?;
        }
        if self.begins(row.id) {
            self.ids.push(row.id);
        }
        if let Some(texts) = texts.filter(|_| begins) {
            for (column, text) in self.info.iter_mut().zip(texts) {
                column.fill(self.indexes.len());
                column.push(text);
            }
        }
        self.keys.push(self.ids.ends.len() as i16 - 1);
        self.indexes.push(row.index);
        let others = || self.entry_types.iter().skip(ENTRY_TYPES.len()).position(|text| text == row.entry_type);
        let key = match place_of(row.entry_type).or_else(|| Some(ENTRY_TYPES.len() + others()?)) {
            Some(key) => key,
            None if self.entry_types.len() < i16::MAX as usize => {
                self.entry_types.push(row.entry_type.to_owned());
                self.entry_types.len() - 1
            }
            // Thirty thousand made-up kinds: one more unknown kind reads like any other.
            None => self.entry_types.len() - 1,
        };
        self.types.push(key as i16);
        self.raw.extend_from_slice(row.raw);
        self.ends.push(self.raw.len() as i32);
        self.versions.push(u8::try_from(row.version).unwrap_or(u8::MAX));
        Ok(())
    }

    /// Whether a row of this journal would be the first in a run of its rows.
    pub fn begins(&self, id: &str) -> bool {
        self.ids.last() != Some(id)
    }

    /// Where rows go once their batch is full, or [`Self::flush`] is called.
    pub fn sink_mut(&mut self) -> &mut W {
        self.writer.get_mut()
    }

    /// Writes what there is as a batch.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        if self.indexes.is_empty() {
            return Ok(());
        }
        let rows = self.indexes.len();
        let keyed = |keys: &mut Vec<i16>, texts: ArrayRef| {
            DictionaryArray::<Int16Type>::try_new(Int16Array::from(std::mem::take(keys)), texts)
        };
        let types = StringArray::from_iter_values(&self.entry_types);
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let raw = BinaryArray::try_new(
            OffsetBuffer::new(ScalarBuffer::from(ends)),
            Buffer::from_vec(std::mem::replace(&mut self.raw, Vec::with_capacity(BATCH_BYTES))),
            None,
        )?;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(keyed(&mut self.keys, self.ids.take()?)?),
            Arc::new(UInt32Array::from(std::mem::take(&mut self.indexes))),
            Arc::new(keyed(&mut self.types, Arc::new(types))?),
            Arc::new(raw),
            Arc::new(UInt8Array::from(std::mem::take(&mut self.versions))),
        ];
        for column in &mut self.info {
            column.fill(rows);
            columns.push(column.take()?);
        }
        self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        Ok(())
    }

    /// Writes what is left and the mark of the stream's end.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.flush()?;
        self.writer.finish()?;
        Ok(self.writer.into_inner()?)
    }
}
