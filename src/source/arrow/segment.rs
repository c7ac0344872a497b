//! One Arrow file: its batches, and which rows of which belong to which journal.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use arrow_ipc::{Message, MessageHeader};

use super::kinds;
use super::layout::{Column, ColumnSpans, Columns, INFO_COLUMNS, Layout, Unreadable, has_no_nulls, spans};

/// Bytes that can be read at any place: a file, or what was put together in memory.
#[derive(Debug)]
pub enum Store {
    File { file: File, len: u64 },
    Memory(Vec<u8>),
}

impl Store {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self::File { file, len })
    }

    pub fn size(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Appends `len` bytes from `at` to `buffer`. The place must lie inside.
    pub fn read(&self, at: u64, len: usize, buffer: &mut Scratch) -> io::Result<()> {
        let inside = at.checked_add(len as u64).is_some_and(|end| end <= self.size());
        if !inside {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match self {
            Self::File { file, .. } => file.read_exact_at(buffer.grow(len), at),
            Self::Memory(bytes) => {
                buffer.grow(len).copy_from_slice(&bytes[at as usize..at as usize + len]);
                Ok(())
            }
        }
    }
}

impl Store {
    /// Reads as much as there is at `at`, up to the buffer's length.
    pub fn read_into(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.read_at(buffer, at),
            Self::Memory(bytes) => {
                let rest = &bytes[(at as usize).min(bytes.len())..];
                let read = rest.len().min(buffer.len());
                buffer[..read].copy_from_slice(&rest[..read]);
                Ok(read)
            }
        }
    }
}

/// Bytes that are read into again and again, without being zeroed in between.
#[derive(Debug, Default)]
pub struct Scratch {
    bytes: Vec<u8>,
    len: usize,
}

impl Scratch {
    /// Keeping more than this for the next reading would hold on to one giant journal's memory.
    const KEPT: usize = 16 << 20;

    pub fn clear(&mut self) {
        self.len = 0;
        if self.bytes.len() > Self::KEPT {
            self.bytes = Vec::new();
        }
    }

    fn grow(&mut self, len: usize) -> &mut [u8] {
        let from = self.len;
        self.len += len;
        if self.bytes.len() < self.len {
            self.bytes.resize(self.len, 0);
        }
        &mut self.bytes[from..self.len]
    }
}

impl std::ops::Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ArrowError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it has no column {0}")]
    MissingColumn(&'static str),
    #[error("it is not well-formed Arrow IPC: {0}")]
    Malformed(String),
}

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
    pub(super) columns: Columns,
    pub(super) batches: Vec<Batch>,
    pub(super) dictionaries: Vec<Dictionary>,
    /// By dictionary of entry types: codes, and the texts themselves for messages.
    pub(super) type_codes: Vec<Vec<u8>>,
    pub(super) type_texts: Vec<Vec<String>>,
    /// For each batch in turn, the places of its info columns.
    pub(super) info: Vec<ColumnSpans>,
    /// Why the file was not read to its end, if it was not.
    pub cut: Option<Cut>,
}

/// What stands in the way of reading a file to its end.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    #[error("the file is cut off")]
    Off,
    #[error("here its stream ends, and another that follows is not read")]
    More,
    #[error("the file is broken: {0}")]
    Broken(ArrowError),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    pub rows: u32,
    pub body: u64,
    pub body_len: u64,
    pub id: ColumnSpans,
    pub index: ColumnSpans,
    pub entry_type: ColumnSpans,
    pub raw: ColumnSpans,
    pub version: ColumnSpans,
    /// Into `dictionaries`, for an id column with one.
    pub id_dictionary: u32,
    /// Into `type_codes`.
    pub type_dictionary: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Dictionary {
    pub rows: u32,
    pub body: u64,
    pub spans: ColumnSpans,
    pub width: u8,
}

const MAGIC: &[u8] = b"ARROW1";
const CONTINUATION: u32 = u32::MAX;
pub(super) const NO_DICTIONARY: u32 = u32::MAX;

/// The length of the mark at a stream's end.
const EOS: u64 = 8;

impl Segment {
    /// Notes where everything lies; reads no column but dictionaries of entry types.
    pub fn open(store: Store) -> Result<Opened, ArrowError> {
        let start = data_start(&store)?;
        let mut messages = Messages { store: &store, buffer: Scratch::default() };
        let Some((first, message)) = messages.next(start)? else {
            return Err(ArrowError::Malformed("it ends before its schema".to_owned()));
        };
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
            let (header, message) = match messages.follow(at) {
                Ok(found) => found,
                Err(cut) => break cut,
            };
            match reading.take(&message, &header, &store) {
                Ok(true) => at = header.end(),
                Ok(false) => return Ok(Opened::Unusual(store)),
                Err(error) => break Some(Cut::Broken(error)),
            }
        };
        let Reading { batches, dictionaries, type_codes, type_texts, info, .. } = reading;
        let cut = match cut {
            Some(Cut::Broken(error)) if batches.is_empty() => return Err(error),
            cut => cut,
        };
        Ok(Opened::Segment(Box::new(Self { columns, batches, dictionaries, type_codes, type_texts, info, cut, store })))
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

    /// About how many bytes a row of this batch takes.
    pub fn row_bytes(&self, batch: usize) -> u64 {
        let batch = &self.batches[batch];
        batch.body_len / u64::from(batch.rows.max(1)) + 1
    }
}

/// Where the first message is: a file is a stream behind its magic and padding, with a footer that is not needed.
pub(super) fn data_start(store: &Store) -> Result<u64, ArrowError> {
    const PADDED: usize = 128;
    let mut head = [0; PADDED];
    let read = store.read_into(0, &mut head)?;
    if !head[..read].starts_with(MAGIC) {
        return Ok(0);
    }
    let padding = head[8.min(read)..read].chunks(8).take_while(|word| word.iter().all(|byte| *byte == 0)).count();
    Ok(8 + 8 * padding as u64)
}

/// Gives every batch, those of dictionaries included, with the place of its body; says why it stops early, if it does.
pub(super) fn each_batch(
    store: &Store,
    mut sink: impl FnMut(arrow_ipc::RecordBatch<'_>, Range<u64>) -> Result<(), ArrowError>,
) -> Result<Option<Cut>, ArrowError> {
    let mut messages = Messages { store, buffer: Scratch::default() };
    let mut at = data_start(store)?;
    loop {
        let (header, message) = match messages.follow(at) {
            Ok(found) => found,
            Err(cut) => return Ok(cut),
        };
        let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
        if let Some(batch) = message.header_as_record_batch().or(dictionary) {
            sink(batch, header.body..header.end())?;
        }
        at = header.end();
    }
}

/// Where a message's body lies in the file.
struct Header {
    body: u64,
    body_len: u64,
}

impl Header {
    fn end(&self) -> u64 {
        self.body.saturating_add(self.body_len)
    }
}

struct Messages<'a> {
    store: &'a Store,
    buffer: Scratch,
}

impl Messages<'_> {
    /// The message at `at`; `None` at the end of the stream, or where not even the metadata is whole.
    fn next(&mut self, at: u64) -> Result<Option<(Header, Message<'_>)>, ArrowError> {
        match self.read(at)? {
            Some(metadata) => self.parse(at, metadata).map(Some),
            None => Ok(None),
        }
    }

    /// The message at `at`, the whole of it; else why it is not there, if it should be.
    fn follow(&mut self, at: u64) -> Result<(Header, Message<'_>), Option<Cut>> {
        let broken = |error| Some(Cut::Broken(error));
        match self.read(at).map_err(broken)? {
            Some(metadata) => {
                let (header, message) = self.parse(at, metadata).map_err(broken)?;
                if header.end() > self.store.size() { Err(Some(Cut::Off)) } else { Ok((header, message)) }
            }
            // A stream says where it ends; one that just stops was cut off, be it between two batches.
            None if !self.ended(at).map_err(broken)? => Err(Some(Cut::Off)),
            // Behind a file's messages there is its footer.
            None if data_start(self.store).map_err(broken)? > 0 => Err(None),
            None => Err((at + EOS < self.store.size()).then_some(Cut::More)),
        }
    }

    /// Reads a message's metadata; where it lies in the buffer.
    fn read(&mut self, at: u64) -> Result<Option<Range<usize>>, ArrowError> {
        const GUESS: u64 = 1024;
        let left = self.store.size().saturating_sub(at);
        self.buffer.clear();
        self.store.read(at, left.min(GUESS) as usize, &mut self.buffer)?;
        let Some((prefix, length)) = prefix(&self.buffer) else { return Ok(None) };
        let end = prefix as u64 + u64::from(length);
        if length == 0 || end > left {
            return Ok(None);
        }
        if end > self.buffer.len() as u64 {
            self.buffer.clear();
            self.store.read(at, end as usize, &mut self.buffer)?;
        }
        Ok(Some(prefix..end as usize))
    }

    fn parse(&self, at: u64, metadata: Range<usize>) -> Result<(Header, Message<'_>), ArrowError> {
        let body = at + metadata.end as u64;
        let message = arrow_ipc::root_as_message(&self.buffer[metadata])
            .map_err(|error| ArrowError::Malformed(format!("at byte {at}: {error}")))?;
        let body_len = u64::try_from(message.bodyLength())
            .map_err(|_| ArrowError::Malformed(format!("at byte {at}: a body of negative length")))?;
        Ok((Header { body, body_len }, message))
    }

    /// Whether the end-of-stream mark is at `at`.
    fn ended(&mut self, at: u64) -> Result<bool, ArrowError> {
        let left = self.store.size().saturating_sub(at);
        self.buffer.clear();
        self.store.read(at, left.min(8) as usize, &mut self.buffer)?;
        Ok(matches!(prefix(&self.buffer), Some((_, 0))))
    }
}

/// Length of the prefix before a message's metadata, and of the metadata.
fn prefix(bytes: &[u8]) -> Option<(usize, u32)> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    match word(0)? {
        CONTINUATION => Some((8, word(4)?)),
        // Before format 0.15 there was no continuation mark.
        length => Some((4, length)),
    }
}

struct Reading<'a> {
    columns: &'a Columns,
    batches: Vec<Batch>,
    dictionaries: Vec<Dictionary>,
    type_codes: Vec<Vec<u8>>,
    type_texts: Vec<Vec<String>>,
    info: Vec<ColumnSpans>,
    id_dictionary: u32,
    type_dictionary: u32,
}

impl<'a> Reading<'a> {
    fn new(columns: &'a Columns) -> Self {
        Self {
            columns,
            batches: Vec::new(),
            dictionaries: Vec::new(),
            type_codes: Vec::new(),
            type_texts: Vec::new(),
            info: Vec::new(),
            id_dictionary: NO_DICTIONARY,
            type_dictionary: NO_DICTIONARY,
        }
    }

    /// Notes a message; `false` if the file is not to be read in place.
    fn take(&mut self, message: &Message<'_>, header: &Header, store: &Store) -> Result<bool, ArrowError> {
        match message.header_type() {
            MessageHeader::RecordBatch => {
                let Some(batch) = message.header_as_record_batch() else { return Ok(false) };
                if batch.compression().is_some() {
                    return Ok(false);
                }
                Ok(self.take_batch(&batch, header).is_some())
            }
            MessageHeader::DictionaryBatch => {
                let Some(dictionary) = message.header_as_dictionary_batch() else { return Ok(false) };
                self.take_dictionary(&dictionary, header, store)
            }
            _ => Ok(true),
        }
    }

    fn take_batch(&mut self, batch: &arrow_ipc::RecordBatch<'_>, header: &Header) -> Option<()> {
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
            id: find(Some(self.columns.id))?,
            index: find(self.columns.index)?,
            entry_type: find(self.columns.entry_type)?,
            raw: find(self.columns.raw)?,
            version: find(self.columns.version)?,
            id_dictionary: self.id_dictionary,
            type_dictionary: self.type_dictionary,
        };
        let info: Vec<ColumnSpans> =
            self.columns.info.iter().flatten().map(|column| find(Some(*column))).collect::<Option<_>>()?;
        if rows > 0 {
            self.batches.push(noted);
            self.info.extend(info);
        }
        Some(())
    }

    fn take_dictionary(
        &mut self,
        dictionary: &arrow_ipc::DictionaryBatch<'_>,
        header: &Header,
        store: &Store,
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
            let texts = noted.read(store, &mut buffer)?;
            let texts: Vec<&[u8]> = texts.iter(&buffer).collect::<Result<_, _>>()?;
            self.type_dictionary = self.type_codes.len() as u32;
            self.type_codes.push(texts.iter().map(|text| kinds::code_of(text)).collect());
            self.type_texts.push(texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect());
        }
        Ok(true)
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
