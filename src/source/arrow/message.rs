//! The messages of an Arrow file or stream, one behind the other.

use std::io;
use std::ops::Range;

use arrow_ipc::Message;

use super::store::{Scratch, Store};

#[derive(Debug, thiserror::Error)]
pub enum ArrowError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it has no column {0}")]
    MissingColumn(&'static str),
    #[error("it is not well-formed Arrow IPC: {0}")]
    Malformed(String),
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

const MAGIC: &[u8] = b"ARROW1";
const CONTINUATION: u32 = u32::MAX;

/// The length of the mark at a stream's end.
const EOS: u64 = 8;

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
    let mut messages = Messages::new(store);
    let mut at = data_start(store)?;
    loop {
        let metadata = match messages.follow(at) {
            Ok(metadata) => metadata,
            Err(cut) => return Ok(cut),
        };
        let (header, message) = match messages.parse(at, &metadata) {
            Ok(found) => found,
            Err(cut) => return Ok(Some(cut)),
        };
        let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
        if let Some(batch) = message.header_as_record_batch().or(dictionary) {
            sink(batch, header.body..header.end())?;
        }
        at = header.end();
    }
}

/// Where a message's body lies in the file.
pub(super) struct Header {
    pub body: u64,
    pub body_len: u64,
}

impl Header {
    pub fn end(&self) -> u64 {
        self.body.saturating_add(self.body_len)
    }
}

pub(super) struct Messages<'a> {
    store: &'a Store,
    window: Window,
    /// Where the messages began that lie close behind each other, but for what is of no use of the last.
    began: u64,
    /// Up to where the last message was of use.
    useful: u64,
    ahead: u64,
}

/// What is read of a message before its length is known.
const GUESS: u64 = 1 << 10;

/// Buffers are padded to this at most.
const CLOSE: u64 = 64;

/// No more is read ahead than this.
const MOST_AHEAD: u64 = 64 << 10;

impl<'a> Messages<'a> {
    pub fn new(store: &'a Store) -> Self {
        Self { store, window: Window::default(), began: 0, useful: 0, ahead: GUESS }
    }

    /// What has been read around the last message.
    pub fn near(&self) -> Near<'_> {
        Near { store: self.store, from: self.window.from, bytes: &self.window.bytes }
    }

    /// Reads as much at once as was of use of this message, which began at `at`, and of those close before it. Whatever is
    /// read beyond costs more than a second call.
    pub fn expect_like(&mut self, at: u64, useful: u64) {
        if at > self.useful + CLOSE {
            self.began = at;
        }
        self.useful = useful;
        let like = useful - self.began;
        self.ahead = (like + like / 16).next_multiple_of(64).clamp(GUESS, MOST_AHEAD);
    }

    /// Where the metadata of the message at `at` lies; else why it is not there, if it should be.
    pub fn follow(&mut self, at: u64) -> Result<Range<u64>, Option<Cut>> {
        let broken = |error| Some(Cut::Broken(error));
        match self.metadata(at).map_err(broken)? {
            Some(metadata) => Ok(metadata),
            // A stream says where it ends; one that just stops was cut off, be it between two batches.
            None if !self.ended(at).map_err(broken)? => Err(Some(Cut::Off)),
            // Behind a file's messages there is its footer.
            None if data_start(self.store).map_err(broken)? > 0 => Err(None),
            None => Err((at + EOS < self.store.size()).then_some(Cut::More)),
        }
    }

    /// Where the metadata at `at` lies; `None` at the end of the stream, or where not even that is whole.
    pub fn metadata(&mut self, at: u64) -> Result<Option<Range<u64>>, ArrowError> {
        let left = self.store.size().saturating_sub(at);
        let head = self.window.get(self.store, at, left.min(GUESS), self.ahead)?;
        let Some((prefix, length)) = prefix(head) else { return Ok(None) };
        let end = prefix as u64 + u64::from(length);
        if length == 0 || end > left {
            return Ok(None);
        }
        self.window.get(self.store, at, end, self.ahead)?;
        Ok(Some(at + prefix as u64..at + end))
    }

    /// The message whose metadata was read last; the whole of it must be there.
    pub fn parse(&self, at: u64, metadata: &Range<u64>) -> Result<(Header, Message<'_>), Cut> {
        let malformed = |reason: String| Cut::Broken(ArrowError::Malformed(format!("at byte {at}: {reason}")));
        let bytes = self.window.covered(metadata.start, metadata.end - metadata.start).unwrap_or_default();
        let message = arrow_ipc::root_as_message(bytes).map_err(|error| malformed(error.to_string()))?;
        let body_len =
            u64::try_from(message.bodyLength()).map_err(|_| malformed("a body of negative length".to_owned()))?;
        let header = Header { body: metadata.end, body_len };
        if header.end() > self.store.size() { Err(Cut::Off) } else { Ok((header, message)) }
    }

    /// Whether the end-of-stream mark is at `at`.
    fn ended(&mut self, at: u64) -> Result<bool, ArrowError> {
        let left = self.store.size().saturating_sub(at);
        Ok(matches!(prefix(self.window.get(self.store, at, left.min(EOS), 0)?), Some((_, 0))))
    }
}

/// A part of a store in memory.
#[derive(Default)]
struct Window {
    from: u64,
    bytes: Scratch,
}

impl Window {
    fn covered(&self, at: u64, len: u64) -> Option<&[u8]> {
        covered(self.from, &self.bytes, at, len)
    }

    /// Bytes that lie inside the store; where they are not at hand, up to `ahead` are read.
    fn get(&mut self, store: &Store, at: u64, len: u64, ahead: u64) -> io::Result<&[u8]> {
        if self.covered(at, len).is_none() {
            let left = store.size().saturating_sub(at);
            self.bytes.clear();
            self.from = at;
            store.read(at, len.max(ahead.min(left)) as usize, &mut self.bytes)?;
        }
        self.covered(at, len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Of bytes that begin at `from` in a store, those at `at`.
fn covered(from: u64, bytes: &[u8], at: u64, len: u64) -> Option<&[u8]> {
    let from = usize::try_from(at.checked_sub(from)?).ok()?;
    bytes.get(from..from.checked_add(usize::try_from(len).ok()?)?)
}

/// A store, of which a part is at hand.
#[derive(Clone, Copy)]
pub struct Near<'a> {
    store: &'a Store,
    from: u64,
    bytes: &'a [u8],
}

impl<'a> Near<'a> {
    /// A store of which what begins at `from` is at hand.
    pub fn new(store: &'a Store, from: u64, bytes: &'a [u8]) -> Self {
        Self { store, from, bytes }
    }

    /// A store of which nothing is at hand.
    pub fn none(store: &'a Store) -> Self {
        Self::new(store, 0, &[])
    }

    pub fn size(self) -> u64 {
        self.store.size()
    }

    /// Some bytes, read into `buffer` if they are not at hand.
    pub fn read<'b>(self, at: u64, len: usize, buffer: &'b mut Scratch) -> io::Result<&'b [u8]>
    where
        'a: 'b,
    {
        match covered(self.from, self.bytes, at, len as u64) {
            Some(bytes) => Ok(bytes),
            None => {
                buffer.clear();
                self.store.read(at, len, buffer)?;
                Ok(buffer)
            }
        }
    }

    /// Two stretches that lie apart, one behind the other in `buffer`, and where there the second begins.
    pub fn read_both(
        self,
        (at, len): (u64, usize),
        (then, then_len): (u64, usize),
        buffer: &mut Scratch,
    ) -> io::Result<(&[u8], usize)> {
        buffer.clear();
        self.store.read(at, len, buffer)?;
        self.store.read(then, then_len, buffer)?;
        Ok((buffer, len))
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
