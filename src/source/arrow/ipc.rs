//! Message: the unit of an Arrow IPC stream or file, metadata and then a body; here messages are found one after another.

use std::io;
use std::ops::Range;

use arrow_ipc::Message;

use crate::source::storage::{ScratchBuffer, Storage};

#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it has no column {0}")]
    MissingColumn(&'static str),
    #[error("its column {0} is run-end encoded, which is not read: write it as plain values or with a dictionary")]
    RunEndEncoded(String),
    #[error("it is not well-formed Arrow IPC: {0}")]
    Malformed(String),
}

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Truncation {
    #[error("the file is cut off")]
    CutOff,
    #[error("here its stream ends, and another that follows is not read")]
    AnotherStream,
    #[error("the file is broken: {0}")]
    Broken(IpcError),
}

const MAGIC: &[u8] = b"ARROW1";
const CONTINUATION: u32 = u32::MAX;

/// The mark at the end of a stream: a message without metadata.
pub(super) const END_OF_STREAM: [u8; 8] = [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];

/// The length of the prefix in front of a message's metadata, and the length of that metadata.
pub(super) fn message_prefix(bytes: &[u8]) -> Option<(usize, u32)> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    match word(0)? {
        CONTINUATION => Some((8, word(4)?)),
        // Before version 0.15 of the format there was no continuation mark.
        length => Some((4, length)),
    }
}

/// Where the first message begins: the file format is the stream format behind a magic word and padding. The footer
/// that follows the messages is not needed.
fn data_start(storage: &Storage) -> Result<u64, IpcError> {
    const LONGEST_PADDING: usize = 128;
    let mut head = [0; LONGEST_PADDING];
    let read = storage.read_some(0, &mut head)?;
    if !head[..read].starts_with(MAGIC) {
        return Ok(0);
    }
    let padding = head[8.min(read)..read].chunks(8).take_while(|word| word.iter().all(|byte| *byte == 0)).count();
    Ok(8 + 8 * padding as u64)
}

/// Where in the file a message and its body begin, and how long the body is.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessagePlace {
    pub start: u64,
    pub body: u64,
    pub body_len: u64,
}

impl MessagePlace {
    pub fn end(&self) -> u64 {
        self.body.saturating_add(self.body_len)
    }
}

/// Reads the messages of a file in order, through a window that holds the metadata of several small messages at once.
pub(super) struct MessageReader<'a> {
    storage: &'a Storage,
    /// Where the first message began, and where the next one begins.
    first: u64,
    next: u64,
    window_from: u64,
    window: ScratchBuffer,
    /// Start of the current run of adjacent messages, and the end of what was needed of the last one.
    run_start: u64,
    needed: u64,
    read_ahead: u64,
}

/// Bytes to read of a message before its length is known.
const FIRST_READ: u64 = 1 << 10;

/// Buffers are padded to at most this many bytes, so messages that are closer than this are adjacent.
const PADDING: u64 = 64;

/// The reader never reads more than this ahead.
const LONGEST_READ_AHEAD: u64 = 64 << 10;

impl<'a> MessageReader<'a> {
    pub fn new(storage: &'a Storage) -> Result<Self, IpcError> {
        let first = data_start(storage)?;
        Ok(Self {
            storage,
            first,
            next: first,
            window_from: 0,
            window: ScratchBuffer::default(),
            run_start: 0,
            needed: 0,
            read_ahead: FIRST_READ,
        })
    }

    /// The file, of which the window is in memory.
    pub fn view(&self) -> BufferedView<'_> {
        BufferedView::new(self.storage, self.window_from, &self.window)
    }

    /// Adapts the amount to read ahead: as much as was needed of this message, up to `needed`, and of the adjacent ones
    /// before it. Every byte that is read in vain costs more than a second call would.
    pub fn expect_similar(&mut self, place: &MessagePlace, needed: u64) {
        if place.start > self.needed + PADDING {
            self.run_start = place.start;
        }
        self.needed = needed;
        let similar = needed - self.run_start;
        self.read_ahead = (similar + similar / 16).next_multiple_of(64).clamp(FIRST_READ, LONGEST_READ_AHEAD);
    }

    /// The schema, which is the first message of every file.
    pub fn schema<T>(&mut self, take: impl FnOnce(arrow_ipc::Schema<'_>, &Message<'_>) -> T) -> Result<T, IpcError> {
        let malformed = |reason: &str| IpcError::Malformed(reason.to_owned());
        let metadata = self.metadata()?.ok_or_else(|| malformed("it ends before its schema"))?;
        let (place, message) = self.parse(&metadata).map_err(|truncation| match truncation {
            Truncation::Broken(error) => error,
            other => malformed(&other.to_string()),
        })?;
        let schema = message.header_as_schema().ok_or_else(|| malformed("it does not begin with a schema"))?;
        let taken = take(schema, &message);
        self.next = place.end();
        Ok(taken)
    }

    /// Gives the next message to `take`; the error says why there is none, unless the file ends here as it should.
    pub fn next<T>(
        &mut self,
        take: impl FnOnce(MessagePlace, &Message<'_>, BufferedView<'_>) -> T,
    ) -> Result<(MessagePlace, T), Option<Truncation>> {
        let broken = |error| Some(Truncation::Broken(error));
        let Some(metadata) = self.metadata().map_err(broken)? else {
            return Err(match self.has_ended().map_err(broken)? {
                // A stream marks its end; one that just stops was cut off, even between two batches.
                false => Some(Truncation::CutOff),
                // In the file format the footer follows.
                true if self.first > 0 => None,
                true => (self.next + (END_OF_STREAM.len() as u64) < self.storage.size())
                    .then_some(Truncation::AnotherStream),
            });
        };
        let (place, message) = self.parse(&metadata).map_err(Some)?;
        let taken = take(place, &message, self.view());
        self.next = place.end();
        Ok((place, taken))
    }

    /// Where the metadata of the next message lies; `None` at the end of the stream, or if it is not all there.
    fn metadata(&mut self) -> Result<Option<Range<u64>>, IpcError> {
        let at = self.next;
        let left = self.storage.size().saturating_sub(at);
        let head = self.window(left.min(FIRST_READ), self.read_ahead)?;
        let Some((prefix, length)) = message_prefix(head) else { return Ok(None) };
        let end = prefix as u64 + u64::from(length);
        if length == 0 || end > left {
            return Ok(None);
        }
        self.window(end, self.read_ahead)?;
        Ok(Some(at + prefix as u64..at + end))
    }

    /// The message whose metadata was found last. The whole of it must be in the file.
    fn parse(&self, metadata: &Range<u64>) -> Result<(MessagePlace, Message<'_>), Truncation> {
        let start = self.next;
        let malformed = |reason: String| Truncation::Broken(IpcError::Malformed(format!("at byte {start}: {reason}")));
        let bytes = covered(self.window_from, &self.window, metadata.start, metadata.end - metadata.start);
        let message =
            arrow_ipc::root_as_message(bytes.unwrap_or_default()).map_err(|error| malformed(error.to_string()))?;
        let body_len =
            u64::try_from(message.bodyLength()).map_err(|_| malformed("a body of negative length".to_owned()))?;
        let place = MessagePlace { start, body: metadata.end, body_len };
        if place.end() > self.storage.size() { Err(Truncation::CutOff) } else { Ok((place, message)) }
    }

    /// Whether the mark at the end of a stream comes next.
    fn has_ended(&mut self) -> Result<bool, IpcError> {
        let left = self.storage.size().saturating_sub(self.next);
        let head = self.window(left.min(END_OF_STREAM.len() as u64), 0)?;
        Ok(matches!(message_prefix(head), Some((_, 0))))
    }

    /// The next `len` bytes. Where the window does not hold them, up to `ahead` bytes are read into it.
    fn window(&mut self, len: u64, ahead: u64) -> io::Result<&[u8]> {
        let at = self.next;
        if covered(self.window_from, &self.window, at, len).is_none() {
            let left = self.storage.size().saturating_sub(at);
            self.window.clear();
            self.window_from = at;
            self.storage.read(at, len.max(ahead.min(left)) as usize, &mut self.window)?;
        }
        covered(self.window_from, &self.window, at, len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// The bytes at `at` of a storage, of which `bytes` are at hand and begin at `from`.
fn covered(from: u64, bytes: &[u8], at: u64, len: u64) -> Option<&[u8]> {
    let from = usize::try_from(at.checked_sub(from)?).ok()?;
    bytes.get(from..from.checked_add(usize::try_from(len).ok()?)?)
}

/// Buffered view: a storage of which one stretch is in memory already.
#[derive(Clone, Copy)]
pub struct BufferedView<'a> {
    storage: &'a Storage,
    from: u64,
    bytes: &'a [u8],
}

impl<'a> BufferedView<'a> {
    /// `bytes` are those that begin at `from`.
    pub(super) fn new(storage: &'a Storage, from: u64, bytes: &'a [u8]) -> Self {
        Self { storage, from, bytes }
    }

    pub(super) fn size(self) -> u64 {
        self.storage.size()
    }

    /// Returns the `len` bytes at `at`; reads them into `buffer` if they are not in memory.
    pub(super) fn read<'b>(self, at: u64, len: usize, buffer: &'b mut ScratchBuffer) -> io::Result<&'b [u8]>
    where
        'a: 'b,
    {
        match covered(self.from, self.bytes, at, len as u64) {
            Some(bytes) => Ok(bytes),
            None => {
                buffer.clear();
                self.storage.read(at, len, buffer)?;
                Ok(buffer)
            }
        }
    }
}
