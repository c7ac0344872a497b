//! A stop: where the replay of one journal ended, and the verdict that follows from it.

use serde::Serialize;

use crate::journal::Await;
use crate::protocol::DecodeError;

/// Where replay stopped. Indexes count recorded commands, Input being 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The candidate replayed all recorded commands.
    Frontier,
    /// The command at this index is not the recorded one.
    Divergence(usize),
    /// The candidate waits for something for which the journal has no result, while recorded commands remain.
    Await(AddedAwait),
    /// The candidate returned where a command is recorded, and issued none itself, not even an Output. The SDKs'
    /// machine gives 571 for that, not 570.
    Returned(usize),
    /// The SDK calls the command at this index a violation of the protocol (RT0012) instead of a mismatch.
    Violation(usize),
    /// The candidate failed before it issued the command at this index. The index is the number of commands if it
    /// failed after it had replayed all of them.
    Failed(usize),
    /// The trace ends here, and it is not known whether the candidate would have issued the command at this index.
    TraceEnds(usize),
    /// The candidate gave no verdict, for this reason.
    Undecided(String),
}

/// Whether an invocation would replay on the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The SDK would raise RT0016.
    Mismatch,
    /// The candidate failed in another way during replay.
    Failed,
    /// The check could not decide; the reason says why.
    Inconclusive,
    /// The candidate would replay the whole journal.
    Compatible,
}

/// An await that never ends during replay, because the journal has no result for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedAwait {
    /// The index of the recorded command that replay never reaches.
    pub before: usize,
    /// The index of the awaited run, or of the last one of several. SDKs report this index; they report none for other
    /// awaits.
    pub run: Option<usize>,
    pub awaited: Await,
}

/// The side to which an entry belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Recorded,
    Replayed,
}

/// An entry that the check needs but cannot decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{side} entry {entry_index}: {source}")]
pub struct Undecodable {
    pub side: Side,
    pub entry_index: usize,
    pub source: DecodeError,
}

impl Stop {
    /// The verdict that follows.
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

    /// The name in reports.
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
