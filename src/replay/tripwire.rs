//! The SDK's own verdict, without running anything.
//!
//! Behind the recorded commands stands a **sentinel**, a command that no handler can issue. The SDK never leaves
//! replay, so no closure starts, and every ending is an error that can be read: a mismatch at the sentinel means that
//! everything recorded was replayed; one before it is the divergence; an await that can not be replayed is looked into
//! with the sentinel further to the front.
//!
//! Facts are taken from codes and indexes, never from the text of a message.

use super::Sdk;
use super::answer::{Answer, Ended};
use super::request::{Attempt, Body};
use crate::journal::{Await, CommandKind, Entries, EntryKind};
use crate::protocol::{AttemptError, MessageType, Outcome as Result, decode};

/// What the SDK makes of a journal.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Everything recorded was replayed.
    Reached,
    /// The command at this index is not the recorded one; what the candidate issues instead, as it says.
    Diverges { at: usize, issued: Option<Issued> },
    /// It objects to the command at this index as a violation of the protocol, which is no RT0016.
    Violates(usize),
    /// It waits, before this command, for something that has no result. The awaited run, if it is one.
    Awaits { before: usize, run: Option<usize>, awaited: Await },
    /// It returned without a word where this command is recorded.
    Returned(usize),
    /// It failed otherwise.
    Failed { code: u32, message: String },
    /// It does not replay at all.
    Executing(String),
    /// No verdict.
    Undecided(String),
}

impl Outcome {
    /// Whether the candidate did otherwise than recorded, or not all of it.
    fn is_difference(&self) -> bool {
        match self {
            Self::Diverges { .. }
            | Self::Violates(_)
            | Self::Awaits { .. }
            | Self::Returned(_)
            | Self::Failed { .. } => true,
            Self::Reached | Self::Executing(_) | Self::Undecided(_) => false,
        }
    }

    /// How far replay got, to hold two seeds against each other. A wrong one shows in a payload; where the code fails is
    /// not known, but no payload was wrong until then.
    fn reach(&self) -> usize {
        match self {
            Self::Diverges { at, .. } | Self::Violates(at) | Self::Returned(at) => *at,
            Self::Awaits { before, .. } => *before,
            Self::Failed { .. } => usize::MAX - 1,
            Self::Reached => usize::MAX,
            Self::Executing(_) | Self::Undecided(_) => 0,
        }
    }
}

/// A command as an error names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    pub kind: CommandKind,
    pub name: Option<String>,
}

/// One journal's tripwire: ask with [`Self::request`], tell with [`Self::answer`], until there is an outcome.
#[derive(Debug)]
pub struct Tripwire<'j> {
    recorded: Entries<'j>,
    attempt: Attempt,
    /// A second seed to try before a difference counts.
    other_seed: Option<u64>,
    /// What came of the first seed, which this is.
    first: Option<(Outcome, u64)>,
    sdk: Sdk,
    /// Places of the recorded commands among the entries.
    commands: Vec<usize>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// All recorded commands, then the sentinel.
    Full,
    /// Looking for the first command that is not reached: the sentinel stands at `at`, between one that was reached and
    /// one that was not.
    Search { found: Found, at: usize, reached: usize, missed: usize },
}

/// What the search is for, and what is known already.
#[derive(Clone, Debug)]
enum Found {
    Await {
        run: Option<usize>,
        awaited: Await,
    },
    /// The SDK complains of a protocol violation, which names no index.
    Violation,
    /// The Java SDK's own machine names no index where a state read has another key; it suspends on awaits.
    OtherKey,
}

/// Fences begin behind every id that a replay can ask for.
const FENCES: u32 = 1024;

impl<'j> Tripwire<'j> {
    pub fn new(recorded: Entries<'j>, attempt: Attempt, other_seed: Option<u64>, sdk: Sdk) -> Self {
        let commands = recorded.commands().collect();
        Self { recorded, attempt, other_seed, first: None, sdk, commands, state: State::Full }
    }

    /// What was sent with, once there is an outcome: the seed is the one that the outcome came of.
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// The next body to send.
    pub fn request(&self) -> Vec<u8> {
        match &self.state {
            State::Full => self.body(self.commands.len()),
            State::Search { at, .. } => self.body(*at),
        }
    }

    /// The first `commands` commands with all notifications, and the sentinel.
    fn body(&self, commands: usize) -> Vec<u8> {
        let mut body = Body::default();
        let mut command = 0;
        for at in 0..self.recorded.len() {
            let kind = self.recorded.kind(at);
            if let EntryKind::Command(_) = kind {
                command += 1;
                if command > commands {
                    continue;
                }
            }
            body.entry(kind, self.recorded.raw(at));
        }
        // A handler that has returned has nothing more to issue.
        if !(commands == self.commands.len() && self.is_complete()) {
            body.sentinel();
        }
        if self.sdk.may_skip_replay() {
            let first = 1 + 2 * u32::try_from(self.commands.len()).unwrap_or(u32::MAX / 4);
            for id in first..first + FENCES {
                body.completion(crate::journal::NotificationKind::Run, id, fence(self.sdk));
            }
        }
        body.finish(&self.attempt)
    }

    fn is_complete(&self) -> bool {
        let last = self.commands.last().and_then(|at| self.recorded.command_kind(*at));
        last == Some(CommandKind::Output)
    }

    /// What the answer means; `None` to ask once more.
    pub fn answer(&mut self, answer: &Answer) -> Option<Outcome> {
        let outcome = match &self.state {
            State::Full => self.full_answer(answer),
            State::Search { found, at, reached, missed } => {
                self.search_answer(answer, found.clone(), *at, *reached, *missed)
            }
        };
        self.settle(outcome?)
    }

    /// Before a difference counts, the other seed is tried: payloads may hold random values, and branches depend on them.
    /// The seed that gets further counts: the wrong one can only end a replay early.
    fn settle(&mut self, outcome: Outcome) -> Option<Outcome> {
        self.state = State::Full;
        match self.first.take() {
            None => match self.other_seed.take().filter(|_| outcome.is_difference()) {
                Some(seed) => {
                    self.first = Some((outcome, std::mem::replace(&mut self.attempt.random_seed, seed)));
                    None
                }
                None => Some(outcome),
            },
            Some((first, _)) if outcome.reach() > first.reach() => Some(outcome),
            Some((first, seed)) => {
                self.attempt.random_seed = seed;
                Some(first)
            }
        }
    }

    fn full_answer(&mut self, answer: &Answer) -> Option<Outcome> {
        let commands = self.commands.len();
        match &answer.ended {
            Ended::End if self.is_complete() => Some(Outcome::Reached),
            Ended::End => Some(Outcome::Undecided("it returned where a command is recorded".to_owned())),
            Ended::Suspended(awaited) => self.search_await(None, awaited.clone()),
            Ended::Error(error) if error.code == AttemptError::JOURNAL_MISMATCH => {
                let index = error.related_command_index.map(|index| index as usize);
                match index {
                    Some(index) if self.is_awaited_run(index, error) => {
                        self.search_await(Some(index), Await::default())
                    }
                    Some(index) if index == commands => Some(Outcome::Reached),
                    Some(index) if index < commands => Some(Outcome::Diverges { at: index, issued: issued(error) }),
                    Some(index) => Some(Outcome::Undecided(format!("it objects to command {index} of {commands}"))),
                    None if self.sdk == Sdk::Java => self.search_other_key(),
                    None => self.search_await(None, Await::default()),
                }
            }
            Ended::Error(error) if error.code == AttemptError::PROTOCOL_VIOLATION => self.search_violation(error),
            other => Some(common(other)),
        }
    }

    /// An await that names a run has the index of that run; a mismatch has that of what is issued in its place.
    fn is_awaited_run(&self, index: usize, error: &AttemptError) -> bool {
        let run = EntryKind::Command(CommandKind::Run);
        let names_run = error.related_command_type == Some(MessageType::of(run).0.into());
        let Some(at) = self.commands.get(index).filter(|_| names_run) else { return false };
        self.recorded.kind(*at) == run
            && decode(CommandKind::Run, self.recorded.raw(*at)).is_ok_and(|recorded| {
                recorded.text("name").unwrap_or_default() == error.related_command_name.as_deref().unwrap_or_default()
            })
    }

    /// It waits for something. Fine at the frontier; anywhere before, an await was added.
    fn search_await(&mut self, run: Option<usize>, awaited: Await) -> Option<Outcome> {
        let commands = self.commands.len();
        if commands <= 1 || run == Some(commands - 1) {
            return Some(Outcome::Reached);
        }
        self.state =
            State::Search { found: Found::Await { run, awaited }, at: commands - 1, reached: 0, missed: commands };
        None
    }

    fn search_other_key(&mut self) -> Option<Outcome> {
        let commands = self.commands.len();
        if commands <= 1 {
            return Some(Outcome::Undecided("it objects to a journal of no steps".to_owned()));
        }
        self.state = State::Search { found: Found::OtherKey, at: commands - 1, reached: 0, missed: commands };
        None
    }

    fn search_violation(&mut self, error: &AttemptError) -> Option<Outcome> {
        let Some(last) = self.probes(self.commands.len()).last().copied() else { return Some(Outcome::Reached) };
        if self.sdk == Sdk::Unknown {
            return Some(Outcome::Failed { code: error.code, message: error.message.clone() });
        }
        self.state = State::Search { found: Found::Violation, at: last, reached: 0, missed: self.commands.len() };
        None
    }

    /// Where the sentinel can stand. The Java SDK's own machine meets it with a protocol violation on a state read: no
    /// place for it where one is recorded.
    fn probes(&self, below: usize) -> Vec<usize> {
        (1..below)
            .filter(|index| {
                let kind = self.recorded.command_kind(self.commands[*index]).map(CommandKind::modulo_eager);
                self.sdk != Sdk::Java
                    || !matches!(kind, Some(CommandKind::GetLazyState | CommandKind::GetLazyStateKeys))
            })
            .collect()
    }

    fn search_answer(
        &mut self,
        answer: &Answer,
        found: Found,
        at: usize,
        mut reached: usize,
        mut missed: usize,
    ) -> Option<Outcome> {
        let hit = match &answer.ended {
            // No run behind the sentinel has been issued, so none can be what is awaited here.
            Ended::Error(error) if error.code == AttemptError::JOURNAL_MISMATCH => {
                error.related_command_index == Some(at as u32)
            }
            // A state read at the sentinel.
            Ended::Error(error) if error.code == AttemptError::PROTOCOL_VIOLATION => matches!(found, Found::OtherKey),
            Ended::Suspended(_) => false,
            other => return Some(common(other)),
        };
        if hit {
            reached = at;
        } else {
            missed = at;
        }
        // What lies between is not known; of what was reached the command itself was found to be the recorded one by
        // the probe of all of them.
        let probes: Vec<usize> = match found {
            Found::Await { .. } | Found::OtherKey => (reached + 1..missed).collect(),
            Found::Violation => self.probes(missed).into_iter().filter(|index| *index > reached).collect(),
        };
        if let Some(middle) = probes.get(probes.len() / 2).filter(|_| !probes.is_empty()) {
            self.state = State::Search { found, at: *middle, reached, missed };
            return None;
        }
        let commands = self.commands.len();
        Some(match found {
            Found::Await { .. } if reached + 1 >= commands => Outcome::Reached,
            Found::Await { run, awaited } => Outcome::Awaits { before: reached + 1, run, awaited },
            Found::Violation if missed >= commands => Outcome::Reached,
            Found::Violation if self.sdk == Sdk::Java => Outcome::Violates(missed),
            Found::OtherKey => Outcome::Diverges { at: reached, issued: None },
            Found::Violation => Outcome::Returned(reached + 1),
        })
    }
}

/// What a fence is for an SDK: a completion that stops the attempt before anything depends on it.
pub(super) fn fence(sdk: Sdk) -> Result {
    match sdk {
        Sdk::Python | Sdk::Ruby => Result::Failure(crate::journal::command::FailureMessage {
            code: 500,
            message: "rehearse: nothing is recorded here".to_owned(),
            metadata: Vec::new(),
        }),
        Sdk::TypeScript | Sdk::Rust | Sdk::Go | Sdk::Java | Sdk::Unknown => {
            Result::InvocationId("inv_1".to_owned() + &"0".repeat(33))
        }
    }
}

fn issued(error: &AttemptError) -> Option<Issued> {
    let kind = MessageType(u16::try_from(error.related_command_type?).ok()?).command()?;
    Some(Issued { kind, name: error.related_command_name.clone().filter(|name| !name.is_empty()) })
}

/// Endings that mean the same whatever was asked.
fn common(ended: &Ended) -> Outcome {
    match ended {
        Ended::Error(error) => Outcome::Failed { code: error.code, message: error.message.clone() },
        Ended::Executing(what) => Outcome::Executing(what.clone()),
        Ended::Nothing => Outcome::Undecided("it answered nothing".to_owned()),
        Ended::Garbage(what) => Outcome::Undecided(format!("its answer could not be read: {what}")),
        Ended::End => Outcome::Undecided("it returned where a command is recorded".to_owned()),
        Ended::Suspended(_) => Outcome::Undecided("it suspended".to_owned()),
    }
}
