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
    pub ended: Ended,
}

/// How the attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
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

/// More commands than this are no answer to any journal.
const MOST_COMMANDS: usize = 1 << 20;

/// Takes an answer in pieces.
#[derive(Debug)]
pub struct AnswerReader {
    listen: Listen,
    frames: FrameReader,
    commands: Vec<(CommandKind, Bytes)>,
    ended: Option<Ended>,
}

impl AnswerReader {
    pub fn new(listen: Listen) -> Self {
        Self { listen, frames: FrameReader::default(), commands: Vec::new(), ended: None }
    }

    /// Takes what has arrived; `true` when the answer is known and the rest is not wanted.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        if self.ended.is_some() {
            return true;
        }
        self.frames.feed(bytes);
        while self.ended.is_none() {
            match self.frames.next_frame() {
                Ok(Some((ty, message))) => self.ended = self.take(ty, message),
                Ok(None) => break,
                Err(error) => self.ended = Some(Ended::Garbage(error.to_string())),
            }
        }
        self.ended.is_some()
    }

    /// All that there is has arrived.
    pub fn finish(self) -> Answer {
        let cut_off = self.frames.has_rest();
        let ended = self.ended.unwrap_or_else(|| {
            if cut_off {
                Ended::Garbage("the answer stops in the middle of a message".to_owned())
            } else {
                Ended::Nothing
            }
        });
        Answer { commands: self.commands, ended }
    }

    fn take(&mut self, ty: MessageType, message: Bytes) -> Option<Ended> {
        let garbage = |error: prost::DecodeError| Ended::Garbage(error.to_string());
        match ty {
            MessageType::ERROR => Some(AttemptError::decode(message).map_or_else(garbage, Ended::Error)),
            MessageType::SUSPENSION => Some(
                Suspension::decode(message).map_or_else(garbage, |suspension| Ended::Suspended(suspension.awaited())),
            ),
            MessageType::END => Some(Ended::End),
            MessageType::PROPOSE_RUN_COMPLETION => Some(Ended::Executing("it proposed the result of a run".to_owned())),
            ty if ty.is_command() => self.take_command(ty, message),
            // Acknowledgements, and what it waits for in between.
            _ => None,
        }
    }

    fn take_command(&mut self, ty: MessageType, message: Bytes) -> Option<Ended> {
        let Some(kind) = ty.command() else {
            return Some(Ended::Garbage(format!("a command of unknown type {:#06x}", ty.0)));
        };
        if self.listen == Listen::ForTheEnd {
            return Some(Ended::Executing(format!("it issued a command ({})", kind.verb())));
        }
        if self.commands.len() >= MOST_COMMANDS {
            return Some(Ended::Garbage(format!("more than {MOST_COMMANDS} commands")));
        }
        self.commands.push((kind, message));
        None
    }
}
