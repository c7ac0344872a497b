//! A divergence judged by one rule, with all that explains it. What only people look at (both commands in full, the
//! neighbours) is kept as the bytes it came as, and put into words when it is shown.

mod changes;
mod context;
mod fingerprint;
mod hints;
mod make;
mod notes;
mod shown;

use serde::Serialize;

use super::{Level, find};

pub use crate::diff::payload::Change;
pub use context::{Context, ContextRow};
pub use make::Findings;
pub use notes::Notes;
pub use shown::{CommandShown, Redaction};

pub(super) use context::{describe_await, describe_move};

/// Why a finding came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Two replays of the candidate agree.
    CodeChange,
    /// Two replays of the candidate differ from each other.
    NonDeterminism,
    /// There was but one replay.
    Unknown,
}

/// A divergence judged by one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub rule: &'static str,
    pub level: Level,
    /// Where replay meets it, counting recorded commands from Input = 0.
    pub command_index: usize,
    /// The entry of the recorded command there.
    pub entry_index: Option<usize>,
    pub cause: Cause,
    pub recorded: Option<CommandShown>,
    pub replayed: Option<CommandShown>,
    pub changes: Vec<Change>,
    /// What the differing values look like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The same for the same cause, whatever the invocation.
    pub fingerprint: String,
    /// How many more places of this fingerprint the journal has behind the notes that are listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// Why the policy lets it pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excuse: Option<Box<Excuse>>,
    /// The finding among its neighbours, for people.
    #[serde(skip)]
    pub context: Context,
    /// How many commands behind the context agree, up to the frontier.
    #[serde(skip)]
    pub agree_after: usize,
}

/// Where a part of a journal stands in the whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    pub entries_before: usize,
    pub commands_before: usize,
    pub commands_behind: usize,
}

impl Finding {
    /// What was found in a part, in the places of the whole.
    fn in_journal(mut self, part: Part) -> Self {
        self.command_index += part.commands_before;
        self.entry_index = self.entry_index.map(|at| at + part.entries_before);
        self.context.stands_behind(part.commands_before);
        self.agree_after += part.commands_behind;
        self
    }

    /// Whether an SDK gets stuck here, whatever a policy makes of it.
    pub fn stops_replay(&self) -> bool {
        find(self.rule).is_none_or(|rule| rule.level == Level::Error)
    }

    /// Whether it weighs at least this much and nothing lets it pass.
    pub fn weighs(&self, at_least: Level) -> bool {
        self.excuse.is_none() && self.level <= at_least
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde passes it")]
fn is_zero(more: &usize) -> bool {
    *more == 0
}

/// What lets a finding pass although its level would not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Excuse {
    /// Someone looked at it and accepted it.
    Acceptance {
        reason: String,
        author: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<String>,
    },
    /// All that differs is at places that the policy ignores.
    IgnoredPlaces,
}
