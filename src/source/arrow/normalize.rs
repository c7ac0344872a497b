//! Normalizing: rows in any layout that arrow-rs can read are decoded, and written anew in the layout that is read in place.
//!
//! The same decoder serves files and the answers of a server, and trusts neither. Before arrow-rs sees a message, every
//! buffer must lie inside of it, and what it unpacks to must stay within a [`ByteBudget`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayAccessor, Int64Array, RecordBatch, downcast_primitive_array};
use arrow_buffer::{ArrowNativeType, Buffer};
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, Message, MessageHeader};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use bytes::{Bytes, BytesMut};

use super::index::{FileIndex, OpenedArrow};
use super::ipc::{END_OF_STREAM, IpcError, MessageReader, Truncation, message_prefix};
use super::schema::{is_read, refuse_run_ends};
use super::writer::{ArrowWriter, RowHead, RowRef, WriteError};
use crate::journal::{InvocationColumn, InvocationInfo};
use crate::source::spill::{SpillBuffer, SpillPool};
use crate::source::storage::Storage;

/// What a row of any layout is.
#[derive(Debug)]
pub enum DecodedRow<'a> {
    Entry(RowRef<'a>),
    /// A row of `sys_invocation`: it has an id and no columns of entries.
    Invocation(&'a str),
}

/// A row that lacks something.
#[derive(Debug)]
pub struct BadRow<'a> {
    pub id: Option<&'a str>,
    pub reason: &'static str,
}

/// Limits what an input may unpack to, so that a few bytes can neither take gigabytes nor run for ever.
#[derive(Debug, Default)]
pub(super) struct ByteBudget {
    received: u64,
    spent: u64,
}

impl ByteBudget {
    /// Every input may unpack to so much, however small it is.
    const FLOOR: u64 = 64 << 20;
    /// At once, an input may unpack to so many times its size.
    const AT_ONCE: u64 = 16;
    /// In sum, an input may unpack to so many times its size: rows that repeat each other compress this well.
    const IN_SUM: u64 = 256;

    /// Takes note of what was unpacked together.
    fn spend(&mut self, bytes: u64) -> Result<(), IpcError> {
        self.spend_in_sum(bytes)?;
        let at_once = Self::FLOOR.saturating_add(self.received.saturating_mul(Self::AT_ONCE));
        if bytes > at_once { Err(unpacks_to(bytes, at_once)) } else { Ok(()) }
    }

    fn spend_in_sum(&mut self, bytes: u64) -> Result<(), IpcError> {
        self.spent = self.spent.saturating_add(bytes);
        let in_sum = Self::FLOOR.saturating_add(self.received.saturating_mul(Self::IN_SUM));
        if self.spent > in_sum { Err(unpacks_to(self.spent, in_sum)) } else { Ok(()) }
    }
}

fn unpacks_to(bytes: u64, limit: u64) -> IpcError {
    malformed(format!("it unpacks to {bytes} bytes, and {limit} are the most that an input of its size may"))
}

fn malformed(reason: impl Into<String>) -> IpcError {
    IpcError::Malformed(reason.into())
}

fn refused(error: ArrowError) -> IpcError {
    malformed(error.to_string())
}

/// Decodes the messages of one stream, one at a time.
#[derive(Debug, Default)]
struct MessageDecoder {
    decoder: Option<FileDecoder>,
    budget: ByteBudget,
    /// The size of each dictionary.
    dictionaries: BTreeMap<i64, u64>,
}

impl MessageDecoder {
    fn start(&mut self, schema: arrow_ipc::Schema<'_>, message: &Message<'_>) -> Result<(), IpcError> {
        refuse_run_ends(schema)?;
        let schema = arrow_ipc::convert::try_fb_to_schema(schema).map_err(refused)?;
        let has = |name: &&str| schema.column_with_name(name).is_some();
        let entry = ["index", "entry_type", "raw"];
        let needed = if entry.iter().any(has) { &entry[..] } else { &[] };
        if let Some(missing) = ["id"].iter().chain(needed).find(|name| !has(name)) {
            return Err(IpcError::MissingColumn(missing));
        }
        let fields = schema.fields().iter().enumerate().filter(|(_, field)| is_read(field.name()));
        let columns = fields.map(|(at, _)| at).collect();
        self.decoder = Some(FileDecoder::new(Arc::new(schema), message.version()).with_projection(columns));
        Ok(())
    }

    /// Decodes a message whose body begins at `body`. Only some messages are batches of rows.
    fn decode(&mut self, bytes: &Buffer, body: usize) -> Result<Option<RecordBatch>, IpcError> {
        self.budget.received += bytes.len() as u64;
        let (prefix, _) = message_prefix(bytes).ok_or_else(|| malformed("a message without a length"))?;
        let message = bytes.get(prefix..body).map(arrow_ipc::root_as_message);
        let message = message.ok_or_else(|| malformed("a message without metadata"))?;
        let message = message.map_err(|error| malformed(error.to_string()))?;
        let place = i32::try_from(body).map_err(|_| malformed("a message whose metadata is too long"))?;
        let block = Block::new(0, place, (bytes.len() - body) as i64);
        let schema_first = || malformed("it does not begin with a schema");
        match message.header_type() {
            MessageHeader::Schema => {
                if self.decoder.is_some() {
                    return Err(malformed("a second schema"));
                }
                self.start(message.header_as_schema().ok_or_else(schema_first)?, &message)?;
                Ok(None)
            }
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or_else(|| malformed("a batch without metadata"))?;
                self.check_batch(batch, &bytes[body..])?;
                let decoder = self.decoder.as_ref().ok_or_else(schema_first)?;
                decoder.read_record_batch(&block, bytes).map_err(refused)
            }
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch();
                let values = dictionary.and_then(|dictionary| dictionary.data().map(|data| (dictionary, data)));
                let (dictionary, data) = values.ok_or_else(|| malformed("a dictionary without values"))?;
                let mut size = self.check_batch(data, &bytes[body..])?;
                if dictionary.isDelta() {
                    // To add a few values, arrow-rs copies the whole dictionary.
                    size += self.dictionaries.get(&dictionary.id()).copied().unwrap_or(0);
                    self.budget.spend(size)?;
                }
                self.dictionaries.insert(dictionary.id(), size);
                let decoder = self.decoder.as_mut().ok_or_else(schema_first)?;
                decoder.read_dictionary(&block, bytes).map_err(refused)?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Finds what arrow-rs would panic at, or take too much memory for. Returns the size of the unpacked batch.
    fn check_batch(&mut self, batch: arrow_ipc::RecordBatch<'_>, body: &[u8]) -> Result<u64, IpcError> {
        let mut size = 0u64;
        for buffer in batch.buffers().into_iter().flatten() {
            let place = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
            let bytes = place.and_then(|(at, len)| body.get(at..at.checked_add(len)?));
            let bytes = bytes.ok_or_else(|| malformed("a buffer lies outside its batch"))?;
            let unpacked = match bytes.first_chunk::<8>().filter(|_| batch.compression().is_some()) {
                // A compressed buffer begins with its unpacked size, or with -1 if it is not compressed after all.
                Some(prefix) => u64::try_from(i64::from_le_bytes(*prefix)).unwrap_or(bytes.len() as u64),
                None => bytes.len() as u64,
            };
            size = size.saturating_add(unpacked);
        }
        self.budget.spend(size)?;
        // A row of a journal takes a byte at the very least, whatever its layout.
        let rows = batch.length();
        if u64::try_from(rows).is_ok_and(|rows| rows <= size) {
            Ok(size)
        } else {
            Err(malformed(format!("a batch claims {rows} rows in {size} bytes")))
        }
    }
}

/// Decodes a file that is not read in place, and gives its rows to `sink`. Says why the file was not read to its end, if
/// it was not; an error, too, comes after the rows before it.
pub fn decode_file(
    storage: &Storage,
    mut sink: impl FnMut(DecodedRows<'_>) -> Result<(), IpcError>,
) -> Result<Option<Truncation>, IpcError> {
    let mut messages = MessageReader::new(storage)?;
    let mut decoder = MessageDecoder::default();
    messages.schema(|schema, message| decoder.start(schema, message))??;
    loop {
        let place = match messages.next(|place, _, _| place) {
            Ok((place, _)) => place,
            Err(end) => return Ok(end),
        };
        let mut bytes = vec![0; (place.end() - place.start) as usize];
        storage.read_exact(place.start, &mut bytes)?;
        let batch = decoder.decode(&Buffer::from_vec(bytes), (place.body - place.start) as usize)?;
        if let Some(batch) = batch {
            sink(DecodedRows { batch: &batch, budget: &mut decoder.budget })?;
        }
    }
}

/// Stream decoder: takes an Arrow stream in chunks, as they come over a network, and gives each batch when it is whole.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    decoder: MessageDecoder,
    /// What has come of the next message, and the length of that message as far as it is known.
    pending: BytesMut,
    needed: usize,
    ended: bool,
}

impl StreamDecoder {
    pub fn push(
        &mut self,
        chunk: Bytes,
        mut sink: impl FnMut(DecodedRows<'_>) -> Result<(), IpcError>,
    ) -> Result<(), IpcError> {
        self.pending.extend_from_slice(&chunk);
        while !self.pending.is_empty() && self.pending.len() >= self.needed {
            if self.ended {
                return Err(malformed("its stream has ended, and more follows"));
            }
            if END_OF_STREAM.starts_with(&self.pending[..self.pending.len().min(8)]) {
                self.ended = self.pending.len() >= 8;
                if !self.ended {
                    return Ok(());
                }
                let _ = self.pending.split_to(8);
                continue;
            }
            let Some((prefix, length)) = message_prefix(&self.pending) else { return Ok(()) };
            let body = prefix + length as usize;
            let Some(metadata) = self.pending.get(prefix..body) else { return Ok(()) };
            let message = arrow_ipc::root_as_message(metadata).map_err(|error| malformed(error.to_string()))?;
            let length = usize::try_from(message.bodyLength()).map_err(|_| malformed("a body of negative length"))?;
            let end = body.checked_add(length).ok_or_else(|| malformed("a body without end"))?;
            if self.pending.len() < end {
                self.needed = end;
                return Ok(());
            }
            self.needed = 0;
            let bytes = Buffer::from(self.pending.split_to(end).freeze());
            if let Some(batch) = self.decoder.decode(&bytes, body)? {
                sink(DecodedRows { batch: &batch, budget: &mut self.decoder.budget })?;
            }
        }
        Ok(())
    }

    /// Whether the mark at the end of the stream has come. A stream that just stops was cut off.
    pub fn is_whole(&self) -> bool {
        self.ended
    }
}

/// The rows of one batch in any layout.
pub struct DecodedRows<'a> {
    batch: &'a RecordBatch,
    budget: &'a mut ByteBudget,
}

impl<'a> DecodedRows<'a> {
    pub fn count(&self) -> usize {
        self.batch.num_rows()
    }

    /// A column, if the batch has it.
    pub fn column(&self, name: &str) -> Result<Option<ValueColumn<'a>>, IpcError> {
        self.batch.column_by_name(name).map(|column| ValueColumn::of(name, column.as_ref())).transpose()
    }

    /// Gives every row to `sink`, with a function that says what the row tells of its invocation.
    pub fn each(
        self,
        mut sink: impl FnMut(Result<DecodedRow<'_>, BadRow<'_>>, &dyn Fn() -> InvocationInfo),
    ) -> Result<(), IpcError> {
        let ids = self.column("id")?.ok_or(IpcError::MissingColumn("id"))?;
        let indexes = self.column("index")?;
        let types = self.column("entry_type")?;
        let raws = self.column("raw")?;
        let versions = self.column("version")?;
        let mut info = Vec::new();
        for column in InvocationColumn::ALL {
            info.extend(self.column(column.name())?.map(|values| (column, values)));
        }
        let has_entries = indexes.is_some() || types.is_some() || raws.is_some();
        let mut bytes = 0;
        for row in 0..self.batch.num_rows() {
            let known = || {
                let mut known = InvocationInfo::default();
                for (column, values) in &info {
                    known.set_column(*column, &values.text(row).unwrap_or_default());
                }
                known
            };
            let id = ids.str(row);
            let entry = || -> Result<DecodedRow<'_>, &'static str> {
                let id = id.ok_or("it has no id")?;
                if !has_entries {
                    return Ok(DecodedRow::Invocation(id));
                }
                let index = indexes.as_ref().and_then(|indexes| indexes.number(row)).ok_or("it has no index")?;
                let raw = raws.as_ref().and_then(|raws| raws.bytes(row)).ok_or("it has no raw")?;
                let version = versions.as_ref().and_then(|versions| versions.number(row));
                Ok(DecodedRow::Entry(RowRef {
                    id,
                    // No journal has so many entries, so it will lack some.
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    entry_type: types.as_ref().and_then(|types| types.str(row)).ok_or("it has no entry_type")?,
                    raw,
                    version: version.map_or(2, |version| u32::try_from(version).unwrap_or(u32::MAX)),
                }))
            };
            let entry = entry();
            // With a dictionary, many rows may have one large value.
            if let Ok(DecodedRow::Entry(row)) = &entry {
                bytes += (row.id.len() + row.entry_type.len() + row.raw.len()) as u64;
                if bytes >= ByteBudget::FLOOR {
                    self.budget.spend_in_sum(std::mem::take(&mut bytes))?;
                }
            }
            sink(entry.map_err(|reason| BadRow { id, reason }), &known);
        }
        self.budget.spend_in_sum(bytes)
    }
}

/// The values of a column, of whichever type.
pub enum ValueColumn<'a> {
    Text(Box<dyn Fn(usize) -> Option<&'a str> + 'a>),
    Bytes(Box<dyn Fn(usize) -> Option<&'a [u8]> + 'a>),
    Number(Int64Array),
    /// Milliseconds since 1970.
    Time(Int64Array),
}

impl<'a> ValueColumn<'a> {
    fn of(name: &str, array: &'a dyn Array) -> Result<Self, IpcError> {
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Text(values_of(array.as_string::<i32>())),
            DataType::LargeUtf8 => Self::Text(values_of(array.as_string::<i64>())),
            DataType::Utf8View => Self::Text(values_of(array.as_string_view())),
            DataType::Binary => Self::Bytes(values_of(array.as_binary::<i32>())),
            DataType::LargeBinary => Self::Bytes(values_of(array.as_binary::<i64>())),
            DataType::BinaryView => Self::Bytes(values_of(array.as_binary_view())),
            DataType::Null => Self::Bytes(Box::new(|_| None)),
            DataType::Timestamp(unit, _) => {
                let (times, unit) = (numbers_of(name, array)?, *unit);
                Self::Time(times.unary(|time| match unit {
                    TimeUnit::Second => time.saturating_mul(1_000),
                    TimeUnit::Millisecond => time,
                    TimeUnit::Microsecond => time.div_euclid(1_000),
                    TimeUnit::Nanosecond => time.div_euclid(1_000_000),
                }))
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let values = dictionary.values();
                let keys = if values.is_empty() { Vec::new() } else { dictionary.normalized_keys() };
                let key = move |row: usize| keys.get(row).copied().filter(|_| array.is_valid(row));
                match Self::of(name, values.as_ref())? {
                    Self::Text(value) => Self::Text(Box::new(move |row| value(key(row)?))),
                    Self::Bytes(value) => Self::Bytes(Box::new(move |row| value(key(row)?))),
                    Self::Number(values) => Self::Number((0..array.len()).map(|row| at(&values, key(row)?)).collect()),
                    Self::Time(values) => Self::Time((0..array.len()).map(|row| at(&values, key(row)?)).collect()),
                }
            }
            _ => Self::Number(numbers_of(name, array)?),
        })
    }

    pub fn bytes(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Self::Text(value) => value(row).map(str::as_bytes),
            Self::Bytes(value) => value(row),
            Self::Number(_) | Self::Time(_) => None,
        }
    }

    /// The value as a text, if it is one.
    pub fn str(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Text(value) => value(row),
            Self::Bytes(value) => std::str::from_utf8(value(row)?).ok(),
            Self::Number(_) | Self::Time(_) => None,
        }
    }

    /// The value as a text, whatever it is.
    pub fn text(&self, row: usize) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(_) | Self::Bytes(_) => self.str(row).map(Cow::Borrowed),
            Self::Number(values) => at(values, row).map(|number| number.to_string().into()),
            Self::Time(values) => {
                let time = jiff::Timestamp::from_millisecond(at(values, row)?).ok()?;
                let whole = time.subsec_millisecond() == 0;
                Some(if whole { format!("{time:.0}") } else { format!("{time:.3}") }.into())
            }
        }
    }

    /// The value as a number, also if it is written as a text. Times are milliseconds since 1970.
    pub fn number(&self, row: usize) -> Option<i64> {
        match self {
            Self::Text(_) | Self::Bytes(_) => self.str(row).and_then(|text| text.parse().ok()),
            Self::Number(values) | Self::Time(values) => at(values, row),
        }
    }
}

fn values_of<'a, T: ?Sized + 'a>(
    values: impl ArrayAccessor<Item = &'a T> + 'a,
) -> Box<dyn Fn(usize) -> Option<&'a T> + 'a> {
    Box::new(move |row| values.is_valid(row).then(|| values.value(row)))
}

fn at(values: &Int64Array, row: usize) -> Option<i64> {
    values.is_valid(row).then(|| values.value(row))
}

/// Numbers of any type. Those that are too large become the largest.
fn numbers_of(name: &str, array: &dyn Array) -> Result<Int64Array, IpcError> {
    downcast_primitive_array!(
        array => Ok(array.unary(|number| number.to_i64().unwrap_or(i64::MAX))),
        other => Err(malformed(format!("its column {name} has the type {other}, which is not read"))),
    )
}

/// Rows on their way into a spill buffer, from where they are read in place.
pub struct NormalizedRows {
    pool: Arc<SpillPool>,
    /// Opened with the first row. Only if that tells of its invocation does the writer have columns for it.
    writer: Option<(ArrowWriter<SpillBuffer>, bool)>,
    last_informed: String,
}

impl NormalizedRows {
    pub fn new(pool: &Arc<SpillPool>) -> Self {
        Self { pool: Arc::clone(pool), writer: None, last_informed: String::new() }
    }

    /// Whether it helps to say what is known of the invocation of the next row, which is of this journal.
    pub fn wants_info(&self, id: &str) -> bool {
        self.last_informed != id
    }

    /// Adds a row whose message `append` adds, or refuses. What is known of the invocation is given back if the writer has
    /// no place for it.
    pub fn push(
        &mut self,
        row: RowHead<'_>,
        info: Option<InvocationInfo>,
        append: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
    ) -> Result<Option<InvocationInfo>, String> {
        let failed = |error: WriteError| match error {
            WriteError::BadRow(reason) => reason,
            WriteError::TooLong { .. } => "its message is longer than 2 GiB".to_owned(),
            other => format!("could not keep it: {other}"),
        };
        let info = info.filter(|info| *info != InvocationInfo::default());
        if self.writer.is_none() {
            let spill = SpillBuffer::new(&self.pool);
            let writer = if info.is_some() { ArrowWriter::with_info(spill) } else { ArrowWriter::new(spill) };
            self.writer = Some((writer.map_err(failed)?, info.is_some()));
        }
        let Some((writer, keeps_info)) = &mut self.writer else { return Ok(info) };
        let kept = *keeps_info && writer.begins(row.id);
        let texts = info.as_ref().filter(|_| kept).map(InvocationInfo::columns);
        writer
            .push_encoded(row, texts.as_ref().map(|texts| texts.each_ref().map(String::as_str)), append)
            .map_err(failed)?;
        if info.is_some() {
            self.last_informed.clear();
            self.last_informed.push_str(row.id);
        }
        Ok(info.filter(|_| !kept))
    }

    /// The index of the rows; `None` if there was none.
    pub fn finish(self) -> io::Result<Option<FileIndex>> {
        let Some((writer, _)) = self.writer else { return Ok(None) };
        let spilled = writer.finish().map_err(io::Error::other)?;
        match FileIndex::open(Storage::Spilled(spilled)).map_err(io::Error::other)? {
            OpenedArrow::Indexed(index) => Ok(Some(*index).filter(|index| index.batch_count() > 0)),
            OpenedArrow::OtherSchema(_) => Err(io::Error::other("the writer's own layout cannot be read in place")),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int8Type;
    use arrow_array::{ArrayRef, BinaryArray, DictionaryArray, Int8Array, StringArray, UInt32Array};
    use arrow_ipc::writer::StreamWriter;

    use super::*;

    fn written(rows: u32) -> Bytes {
        let mut writer = ArrowWriter::new(Vec::new()).unwrap();
        for index in 0..rows {
            let row = RowRef { id: "a", index, entry_type: "Command: Input", raw: b"xyz", version: 2 };
            writer.push(row, None).unwrap();
        }
        Bytes::from(writer.finish().unwrap())
    }

    /// Decodes an answer that comes in chunks of this size. Returns the number of its rows, and whether it is whole.
    fn decode(bytes: &Bytes, chunk: usize) -> Result<(usize, bool), IpcError> {
        let mut decoder = StreamDecoder::default();
        let mut rows = 0;
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            assert!(!decoder.is_whole());
            decoder.push(rest.split_to(chunk.min(rest.len())), |batch| batch.each(|_, _| rows += 1))?;
        }
        Ok((rows, decoder.is_whole()))
    }

    #[test]
    fn a_stream_is_whole_with_its_last_byte() {
        let bytes = written(1);
        for chunk in [1, 7, 8, 9, 100, bytes.len()] {
            assert_eq!(decode(&bytes, chunk).unwrap(), (1, true), "in chunks of {chunk}");
            assert_eq!(decode(&bytes.slice(..bytes.len() - 1), chunk).unwrap(), (1, false), "in chunks of {chunk}");
        }
    }

    #[test]
    fn answers_with_changed_bytes_are_no_panic() {
        let case = include_bytes!("../../../fixtures/broken/arrow/buffer-outside-its-answer.arrow");
        assert!(decode(&Bytes::from_static(case), 4096).is_err());
        let seeds = [written(40), Bytes::from_static(include_bytes!("../../../fixtures/formats/joined.arrow"))];
        let mut random = 1u64;
        let mut below = |limit: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % limit
        };
        let mut refused = 0;
        for case in 0..600 {
            let mut bytes = seeds[case % 2].to_vec();
            for _ in 0..=below(3) {
                // The first kilobytes hold the metadata, where most harm is done.
                let at = below(bytes.len().min(4 << 10));
                bytes[at] = [0, 1, 0x7F, 0x80, 0xFF, below(256) as u8][below(6)];
            }
            refused += usize::from(decode(&Bytes::from(bytes), 1 << 16).is_err());
        }
        assert!(refused > 50, "{refused}");
    }

    #[test]
    fn many_rows_of_one_large_value_are_refused() {
        let value = vec![b'x'; 1 << 20];
        let keyed = DictionaryArray::<Int8Type>::new(
            Int8Array::from(vec![0; 2_000]),
            Arc::new(BinaryArray::from_iter_values([value])),
        );
        let batch = RecordBatch::try_from_iter([
            ("id", Arc::new(StringArray::from_iter_values(vec!["a"; 2_000])) as ArrayRef),
            ("index", Arc::new(UInt32Array::from_iter_values(0..2_000))),
            ("entry_type", Arc::new(StringArray::from_iter_values(vec!["Command: Run"; 2_000]))),
            ("raw", Arc::new(keyed)),
        ]);
        let batch = batch.unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        let error = decode(&Bytes::from(writer.into_inner().unwrap()), 1 << 20).unwrap_err();
        assert!(error.to_string().contains("it unpacks to"), "{error}");
    }
}
