//! What a candidate answered: its commands, and how the attempt ended. Answers are untrusted bytes.

use bytes::Bytes;
use prost::Message;

use crate::journal::{Await, CommandKind};
use crate::protocol::{AttemptError, FrameReader, MessageType, Suspension};

/// What is wanted of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Any command at all means that the SDK is not replaying: nothing more is wanted.
    ForTheEnd,
    /// Commands are what is wanted.
    ForCommands,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub commands: Vec<(CommandKind, Bytes)>,
    pub end: AttemptEnd,
}

/// How the attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptEnd {
    Error(AttemptError),
    Suspended(Await),
    /// The handler has returned, and all is said.
    End,
    /// The SDK executes: it issued a command, or proposed a run's result.
    Executing(String),
    /// The answer stopped without an end.
    Nothing,
    /// It is not the invocation protocol.
    Garbage(String),
}

/// More commands than this are no answer to any journal, nor are more bytes in all of them; of an error nothing is wanted
/// that takes as many as that.
const MOST_COMMANDS: usize = 1 << 20;
const MOST_BYTES: u32 = 64 << 20;
const LONGEST_ERROR: u32 = 4 << 20;

/// Takes an answer in pieces.
#[derive(Debug)]
pub struct AnswerReader {
    listen: Listen,
    frames: FrameReader,
    commands: Vec<(CommandKind, Bytes)>,
    /// In all commands.
    bytes: usize,
    ended: Option<AttemptEnd>,
}

impl AnswerReader {
    pub fn new(listen: Listen) -> Self {
        let longest = match listen {
            Listen::ForTheEnd => LONGEST_ERROR,
            Listen::ForCommands => MOST_BYTES,
        };
        Self { listen, frames: FrameReader::new(longest), commands: Vec::new(), bytes: 0, ended: None }
    }

    /// Takes what has arrived; `true` when the answer is known and the rest is not wanted.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        if self.ended.is_some() {
            return true;
        }
        self.frames.feed(bytes);
        while self.ended.is_none() {
            // A command is known by its type: the rest of it need not arrive.
            if self.listen == Listen::ForTheEnd
                && let Some(executes) = self.frames.arriving().and_then(executes)
            {
                self.ended = Some(AttemptEnd::Executing(executes));
                break;
            }
            match self.frames.next_frame() {
                Ok(Some((ty, message))) => self.ended = self.take(ty, message),
                Ok(None) => break,
                Err(error) => self.ended = Some(AttemptEnd::Garbage(error.to_string())),
            }
        }
        self.ended.is_some()
    }

    /// All that there is has arrived.
    pub fn finish(self) -> Answer {
        let cut_off = self.frames.has_rest();
        let end = self.ended.unwrap_or_else(|| {
            if cut_off {
                AttemptEnd::Garbage("the answer stops in the middle of a message".to_owned())
            } else {
                AttemptEnd::Nothing
            }
        });
        Answer { commands: self.commands, end }
    }

    fn take(&mut self, ty: MessageType, message: Bytes) -> Option<AttemptEnd> {
        let garbage = |error: prost::DecodeError| AttemptEnd::Garbage(error.to_string());
        match ty {
            MessageType::ERROR => Some(AttemptError::decode(message).map_or_else(garbage, AttemptEnd::Error)),
            MessageType::SUSPENSION => Some(
                Suspension::decode(message)
                    .map_or_else(garbage, |suspension| AttemptEnd::Suspended(suspension.awaited())),
            ),
            MessageType::END => Some(AttemptEnd::End),
            MessageType::PROPOSE_RUN_COMPLETION => executes(ty).map(AttemptEnd::Executing),
            ty if ty.is_command() => self.take_command(ty, message),
            // Acknowledgements, and what it waits for in between.
            _ => None,
        }
    }

    fn take_command(&mut self, ty: MessageType, message: Bytes) -> Option<AttemptEnd> {
        let Some(kind) = ty.command() else {
            return Some(AttemptEnd::Garbage(format!("a command of unknown type {:#06x}", ty.0)));
        };
        self.bytes += message.len();
        if self.commands.len() >= MOST_COMMANDS || self.bytes > MOST_BYTES as usize {
            return Some(AttemptEnd::Garbage(format!("more than {MOST_COMMANDS} commands or {MOST_BYTES} bytes")));
        }
        self.commands.push((kind, message));
        None
    }
}

/// How a message of this type says that the SDK is not replaying.
fn executes(ty: MessageType) -> Option<String> {
    match (ty, ty.command()) {
        (MessageType::PROPOSE_RUN_COMPLETION, _) => Some("it proposed the result of a run".to_owned()),
        (_, Some(kind)) => Some(format!("it issued a command ({})", kind.verb())),
        _ => None,
    }
}
