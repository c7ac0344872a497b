//! Journals as Arrow, in the form that is read fastest: sorted by whoever writes, in large batches, ids and entry
//! types as dictionaries.

use std::io::Write;
use std::sync::Arc;

use arrow_array::types::{Int16Type, Int32Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Int16Array, Int32Array, LargeBinaryArray, RecordBatch, StringArray, UInt32Array,
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
}

/// A batch is written when it has this many rows, or bytes of messages.
const BATCH_ROWS: usize = 16 << 10;
const BATCH_BYTES: usize = 1 << 20;

/// Writes rows as an Arrow stream.
pub struct ArrowWriter<W: Write> {
    writer: StreamWriter<W>,
    schema: Arc<Schema>,
    entry_types: Vec<String>,
    ids: Vec<String>,
    keys: Vec<i32>,
    indexes: Vec<u32>,
    types: Vec<i16>,
    raw: Vec<u8>,
    ends: Vec<i64>,
    versions: Vec<u32>,
    /// Empty unless the file has info columns.
    info: Vec<InfoColumn>,
}

/// A column that has a text for few of its rows.
#[derive(Default)]
struct InfoColumn {
    ends: Vec<i32>,
    text: String,
}

impl InfoColumn {
    fn put(&mut self, row: usize, text: &str) {
        self.fill(row);
        self.text.push_str(text);
        self.ends.push(self.text.len() as i32);
    }

    /// The rows up to here that have no text have an empty one.
    fn fill(&mut self, rows: usize) {
        self.ends.resize(rows + 1, self.text.len() as i32);
    }

    fn take(&mut self, rows: usize) -> Result<StringArray, ArrowError> {
        self.fill(rows);
        let Self { ends, text } = std::mem::take(self);
        StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(ends)), Buffer::from_vec(text.into_bytes()), None)
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
        let texts = |key: DataType| DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
        let mut fields = vec![
            Field::new("id", texts(DataType::Int32), false),
            Field::new("index", DataType::UInt32, false),
            Field::new("entry_type", texts(DataType::Int16), false),
            Field::new("raw", DataType::LargeBinary, false),
            Field::new("version", DataType::UInt32, false),
        ];
        fields.extend(info.iter().map(|name| Field::new(*name, DataType::Utf8, false)));
        let schema = Arc::new(Schema::new(fields));
        Ok(Self {
            writer: StreamWriter::try_new(sink, &schema)?,
            schema,
            entry_types: ENTRY_TYPES.iter().map(|(text, _)| text.clone()).collect(),
            ids: Vec::new(),
            keys: Vec::new(),
            indexes: Vec::new(),
            types: Vec::new(),
            raw: Vec::new(),
            ends: vec![0],
            versions: Vec::new(),
            info: info.iter().map(|_| InfoColumn::default()).collect(),
        })
    }

    /// Adds a row. `info` is ignored by a file without such columns.
    pub fn push(&mut self, row: RowRef<'_>, info: Option<&InvocationInfo>) -> Result<(), WriteError> {
        let columns = info.filter(|_| !self.info.is_empty() && self.begins(row.id)).map(InvocationInfo::columns);
        self.push_with(row, columns.as_ref().map(|columns| columns.each_ref().map(String::as_str)))
    }

    /// Adds a row, with the texts of the invocation's columns, in their order.
    pub fn push_with(&mut self, row: RowRef<'_>, texts: Option<[&str; INFO_COLUMNS.len()]>) -> Result<(), WriteError> {
        let begins = self.begins(row.id);
        if begins {
            self.ids.push(row.id.to_owned());
        }
        self.keys.push(self.ids.len() as i32 - 1);
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
        self.ends.push(self.raw.len() as i64);
        self.versions.push(row.version);
        let mut info_bytes = 0;
        if let Some(texts) = texts.filter(|_| begins) {
            for (column, text) in self.info.iter_mut().zip(texts) {
                column.put(self.keys.len() - 1, text);
                info_bytes = info_bytes.max(column.text.len());
            }
        }
        if self.keys.len() >= BATCH_ROWS || self.raw.len() >= BATCH_BYTES || info_bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Whether a row of this journal would be the first in a run of its rows.
    pub fn begins(&self, id: &str) -> bool {
        self.ids.last().is_none_or(|last| last != id)
    }

    /// Where rows go once their batch is full, or [`Self::flush`] is called.
    pub fn sink_mut(&mut self) -> &mut W {
        self.writer.get_mut()
    }

    /// Writes what there is as a batch.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let rows = self.keys.len();
        let ids = StringArray::from_iter_values(std::mem::take(&mut self.ids));
        let types = StringArray::from_iter_values(&self.entry_types);
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let raw = LargeBinaryArray::try_new(
            OffsetBuffer::new(ScalarBuffer::from(ends)),
            Buffer::from_vec(std::mem::replace(&mut self.raw, Vec::with_capacity(BATCH_BYTES))),
            None,
        )?;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(DictionaryArray::<Int32Type>::try_new(
                Int32Array::from(std::mem::take(&mut self.keys)),
                Arc::new(ids),
            )?),
            Arc::new(UInt32Array::from(std::mem::take(&mut self.indexes))),
            Arc::new(DictionaryArray::<Int16Type>::try_new(
                Int16Array::from(std::mem::take(&mut self.types)),
                Arc::new(types),
            )?),
            Arc::new(raw),
            Arc::new(UInt32Array::from(std::mem::take(&mut self.versions))),
        ];
        for column in &mut self.info {
            columns.push(Arc::new(column.take(rows)?));
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
