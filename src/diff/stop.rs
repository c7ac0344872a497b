//! A stop: where the replay of one journal ended, and the verdict that follows from it.

use serde::Serialize;

use crate::journal::Await;
use crate::protocol::DecodeError;

/// Where replay stopped. Indexes count recorded commands, Input being 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Everything recorded was replayed.
    Frontier,
    /// The command at this index is not the recorded one.
    Divergence(usize),
    /// The candidate waits for something that the journal has no result of, while recorded commands remain.
    Await(AddedAwait),
    /// The candidate returned without any command where one is recorded, not even an Output: the SDKs' machine
    /// gives 571 for that, not 570.
    Returned(usize),
    /// The SDK calls the command at this index a violation of the protocol (RT0012) instead of a mismatch.
    Violation(usize),
    /// The candidate failed before it issued the command at this index; the number of commands if it failed after
    /// everything recorded.
    Failed(usize),
    /// The trace ends: whether the command at this index would have come is not known.
    TraceEnds(usize),
    /// The candidate gave no verdict, for this reason.
    Undecided(String),
}

/// Would this invocation replay?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The SDK would raise RT0016.
    Mismatch,
    /// The candidate failed otherwise while replaying.
    Failed,
    /// It could not be decided; the reason says why.
    Inconclusive,
    Compatible,
}

/// An await that replay can not get past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedAwait {
    /// The recorded command that is never reached.
    pub before: usize,
    /// The awaited run (the last, of several), whose index is the one that SDKs report; they report none for other
    /// awaits.
    pub run: Option<usize>,
    pub awaited: Await,
}

/// The side that an entry belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Recorded,
    Replayed,
}

/// An entry that had to be decoded and could not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{side} entry {entry_index}: {source}")]
pub struct Undecodable {
    pub side: Side,
    pub entry_index: usize,
    pub source: DecodeError,
}

impl Stop {
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Frontier => Verdict::Compatible,
            Self::Divergence(_) | Self::Await(_) | Self::Returned(_) => Verdict::Mismatch,
            Self::Violation(_) | Self::Failed(_) => Verdict::Failed,
            Self::TraceEnds(_) | Self::Undecided(_) => Verdict::Inconclusive,
        }
    }

    /// The first recorded command that was not replayed, where that is known; `None` at the frontier.
    pub fn at(&self) -> Option<usize> {
        match self {
            Self::Divergence(at)
            | Self::Returned(at)
            | Self::Violation(at)
            | Self::Failed(at)
            | Self::TraceEnds(at) => Some(*at),
            Self::Await(added) => Some(added.before),
            Self::Frontier | Self::Undecided(_) => None,
        }
    }
}

impl Verdict {
    pub const ALL: [Self; 4] = [Self::Mismatch, Self::Failed, Self::Inconclusive, Self::Compatible];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mismatch => "mismatch",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Compatible => "compatible",
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Recorded => "recorded",
            Self::Replayed => "replayed",
        })
    }
}
