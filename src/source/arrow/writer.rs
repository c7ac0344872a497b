//! Arrow writer: writes rows of journals as an Arrow stream that is read fast, and that other tools read too.
//!
//! Ids and entry types are dictionaries, and batches end where a journal ends. The order of rows is the caller's.

use std::io::Write;
use std::sync::Arc;

use arrow_array::types::Int16Type;
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, Int16Array, RecordBatch, StringArray, UInt8Array, UInt32Array,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};

use super::entry_types::{ENTRY_TYPES, place_of};
use crate::journal::InvocationColumn;

/// One row of `sys_journal`.
#[derive(Clone, Copy, Debug)]
pub struct RowRef<'a> {
    pub id: &'a str,
    pub index: u32,
    pub entry_type: &'a str,
    pub raw: &'a [u8],
    pub version: u32,
}

impl<'a> RowRef<'a> {
    pub fn head(&self) -> RowHead<'a> {
        let Self { id, index, entry_type, version, raw } = *self;
        RowHead { id, index, entry_type, version, raw_len: raw.len() }
    }
}

/// A row without its message, of which only the length is known.
#[derive(Clone, Copy, Debug)]
pub struct RowHead<'a> {
    pub id: &'a str,
    pub index: u32,
    pub entry_type: &'a str,
    pub version: u32,
    pub raw_len: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("could not write journals: {0}")]
    Arrow(#[from] ArrowError),
    #[error("could not write journals: {0}")]
    Io(#[from] std::io::Error),
    #[error("could not write journals: a message of {id} is longer than 2 GiB")]
    TooLong { id: String },
    /// The row is left out; the writer can go on.
    #[error("{0}")]
    BadRow(String),
}

/// A batch of at least so many rows, or bytes of messages, ends with the journal that it is in. So a worker reads it in
/// one call, and it fits the second-level cache.
const BATCH_ROWS: usize = 8 << 10;
const BATCH_BYTES: usize = 192 << 10;

/// A journal that would make its batch larger than this is split.
const LARGEST_BATCH_ROWS: usize = 32_000;
const LARGEST_BATCH_BYTES: usize = 16 << 20;

/// Writes rows as an Arrow stream.
pub struct ArrowWriter<W: Write> {
    writer: StreamWriter<W>,
    schema: Arc<Schema>,
    entry_types: Vec<String>,
    ids: TextBuffer,
    keys: Vec<i16>,
    indexes: Vec<u32>,
    types: Vec<i16>,
    raw: Vec<u8>,
    ends: Vec<i32>,
    versions: Vec<u8>,
    /// Empty unless the file has info columns.
    info: Vec<TextBuffer>,
}

/// The texts of one column, until its batch is written.
#[derive(Default)]
struct TextBuffer {
    ends: Vec<i32>,
    text: String,
}

impl TextBuffer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as i32);
    }

    /// Gives the rows up to `len` that have no text an empty one.
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
    /// Writes a file that has only the columns of entries.
    pub fn new(sink: W) -> Result<Self, WriteError> {
        Self::with_columns(sink, &[])
    }

    /// Writes a file that has the columns of invocations too; they are filled on the first row of each journal.
    pub fn with_info(sink: W) -> Result<Self, WriteError> {
        Self::with_columns(sink, &InvocationColumn::NAMES)
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
            ids: TextBuffer::default(),
            keys: Vec::new(),
            indexes: Vec::new(),
            types: Vec::new(),
            raw: Vec::new(),
            ends: vec![0],
            versions: Vec::new(),
            info: info.iter().map(|_| TextBuffer::default()).collect(),
        })
    }

    /// Adds a row, and the texts of [`InvocationColumn::ALL`] if it is the first of its journal and the file has these columns.
    pub fn push(
        &mut self,
        row: RowRef<'_>,
        texts: Option<[&str; InvocationColumn::ALL.len()]>,
    ) -> Result<(), WriteError> {
        self.push_encoded(row.head(), texts, |out| {
            out.extend_from_slice(row.raw);
            Ok(())
        })
    }

    /// Adds a row whose message is appended by `append`. If that fails, the row is left out.
    pub fn push_encoded(
        &mut self,
        row: RowHead<'_>,
        texts: Option<[&str; InvocationColumn::ALL.len()]>,
        append: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
    ) -> Result<(), WriteError> {
        if row.raw_len > i32::MAX as usize {
            return Err(WriteError::TooLong { id: row.id.to_owned() });
        }
        let begins = self.begins(row.id);
        let (rows, bytes) = if begins { (BATCH_ROWS, BATCH_BYTES) } else { (LARGEST_BATCH_ROWS, LARGEST_BATCH_BYTES) };
        let info_bytes = self.info.iter().map(|column| column.text.len()).max().unwrap_or(0);
        if self.indexes.len() >= rows || self.raw.len().max(info_bytes) + row.raw_len > bytes {
            self.flush()?;
        }
        let before = self.raw.len();
        if let Err(reason) = append(&mut self.raw) {
            self.raw.truncate(before);
            return Err(WriteError::BadRow(reason));
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
        let key = self.type_key(row.entry_type);
        self.types.push(key);
        self.ends.push(self.raw.len() as i32);
        self.versions.push(u8::try_from(row.version).unwrap_or(u8::MAX));
        Ok(())
    }

    /// The place of an entry type in the dictionary, to which unknown ones are added.
    fn type_key(&mut self, entry_type: &str) -> i16 {
        let others = || self.entry_types.iter().skip(ENTRY_TYPES.len()).position(|text| text == entry_type);
        let key = match place_of(entry_type).or_else(|| Some(ENTRY_TYPES.len() + others()?)) {
            Some(key) => key,
            None if self.entry_types.len() < i16::MAX as usize => {
                self.entry_types.push(entry_type.to_owned());
                self.entry_types.len() - 1
            }
            // After thirty thousand unknown types, one more reads like the last of them.
            None => self.entry_types.len() - 1,
        };
        key as i16
    }

    /// Whether a row of this journal would be the first of its journal in the current batch.
    pub fn begins(&self, id: &str) -> bool {
        self.ids.last() != Some(id)
    }

    /// The sink, into which a batch is written when it is full or when [`Self::flush`] is called.
    pub fn sink_mut(&mut self) -> &mut W {
        self.writer.get_mut()
    }

    /// Writes the rows that are left as a batch.
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

    /// Writes the rows that are left, and the mark at the end of a stream.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.flush()?;
        self.writer.finish()?;
        Ok(self.writer.into_inner()?)
    }
}
