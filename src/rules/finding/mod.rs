//! A finding: a divergence judged by one rule, with everything that explains it.
//!
//! Most findings are only counted. So the parts for people (both commands in full, the neighbouring commands) stay the
//! raw bytes that they were read as, and become words when a report shows them.

mod changes;
mod context;
mod encodings;
mod fingerprint;
mod hints;
mod make;
mod notes;
mod redaction;

use serde::Serialize;

use super::{Level, find};

pub use crate::diff::payload::Change;
pub use context::{Context, ContextRow};
pub use make::Findings;
pub use notes::Notes;
pub use redaction::{CommandShown, Redaction};

pub(super) use context::{describe_await, describe_move};

/// The likely cause of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Two replays of the candidate agree.
    CodeChange,
    /// Two replays of the candidate differ from each other.
    NonDeterminism,
    /// There was only one replay.
    Unknown,
}

/// A divergence judged by one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub rule: &'static str,
    pub level: Level,
    /// The index at which replay meets the divergence, counting recorded commands from Input = 0.
    pub command_index: usize,
    /// The index of this command's entry in the journal.
    pub entry_index: Option<usize>,
    pub cause: Cause,
    pub recorded: Option<CommandShown>,
    pub replayed: Option<CommandShown>,
    pub changes: Vec<Change>,
    /// What the differing values look like: a uuid, a timestamp, the same JSON in another notation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Equal for findings with the same cause, across invocations.
    pub fingerprint: String,
    /// How many more notes with this fingerprint the journal has, beyond the ones that are listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// Why the policy lets the finding pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excuse: Option<Box<Excuse>>,
    /// The neighbouring commands, for people.
    #[serde(skip)]
    pub context: Context,
    /// How many commands agree after the context, up to the frontier.
    #[serde(skip)]
    pub agree_after: usize,
}

/// The position of a part of a journal in the whole journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartOffset {
    pub entries_before: usize,
    pub commands_before: usize,
    pub commands_after: usize,
}

impl Finding {
    /// Turns the positions in a part into positions in the whole journal.
    fn in_journal(mut self, part: PartOffset) -> Self {
        self.command_index += part.commands_before;
        self.entry_index = self.entry_index.map(|at| at + part.entries_before);
        self.context.shift(part.commands_before);
        self.agree_after += part.commands_after;
        self
    }

    /// Whether an invocation gets stuck here, whatever level the policy gives the finding.
    pub fn stops_replay(&self) -> bool {
        find(self.rule).is_none_or(|rule| rule.level == Level::Error)
    }

    /// Whether the finding has at least this level and nothing excuses it.
    pub fn weighs(&self, at_least: Level) -> bool {
        self.excuse.is_none() && self.level <= at_least
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(more: &usize) -> bool {
    *more == 0
}

/// The reason for which the policy lets a finding pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Excuse {
    /// A person accepted the finding.
    Acceptance {
        reason: String,
        author: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<String>,
    },
    /// The policy ignores every path that differs.
    IgnoredPlaces,
}
