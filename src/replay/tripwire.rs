//! A tripwire: the SDK's own verdict on one journal, obtained without running anything.
//!
//! Behind the recorded commands stands a **sentinel**, a command that no handler can issue. The SDK never leaves
//! replay, so no closure starts, and every ending is an error that can be read: a mismatch at the sentinel means that
//! everything recorded was replayed; one before it is the divergence. Where an await or a failure names no command,
//! the sentinel is moved towards the front until the last command that was reached is found.
//!
//! Facts are taken from codes and indexes, never from the text of a message.

use super::Sdk;
use super::answer::{Answer, AttemptEnd};
use super::request::{Attempt, AttemptBody};
use crate::diff::{AddedAwait, Stop, Verdict};
use crate::journal::command::FailureMessage;
use crate::journal::{Await, CommandKind, Entries, EntryKind, NotificationKind};
use crate::protocol::{AttemptError, CompletionResult, MessageType, decode};

/// The verdict of the candidate's own SDK on one journal.
#[derive(Clone, Debug, PartialEq)]
pub struct SdkVerdict {
    pub stop: Stop,
    /// What the candidate issues where replay diverges, as the SDK names it.
    pub issued: Option<Issued>,
    /// The error that the candidate failed with, where it failed.
    pub error: Option<HandlerFailure>,
}

/// A command as an SDK's error names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    pub kind: CommandKind,
    pub name: Option<String>,
}

/// An error that a candidate answered with: neither a mismatch nor a protocol violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerFailure {
    pub code: u32,
    pub message: String,
}

impl SdkVerdict {
    fn at(stop: Stop) -> Self {
        Self { stop, issued: None, error: None }
    }

    fn undecided(reason: impl Into<String>) -> Self {
        Self::at(Stop::Undecided(reason.into()))
    }

    /// Whether the candidate did something else than recorded, or not all of it.
    fn is_difference(&self) -> bool {
        matches!(self.stop.verdict(), Verdict::Mismatch | Verdict::Failed)
    }

    /// How far replay got, to compare two seeds. A wrong seed shows in a payload; a failure counts as far, because no
    /// payload was wrong until then.
    fn reach(&self) -> usize {
        match &self.stop {
            Stop::Frontier => usize::MAX,
            Stop::Failed(_) => usize::MAX - 1,
            Stop::Undecided(_) => 0,
            stop => stop.at().unwrap_or(0),
        }
    }
}

/// One journal's tripwire: send [`Self::request`], pass the reply to [`Self::answer`], until there is a verdict.
#[derive(Debug)]
pub struct Tripwire<'j> {
    recorded: Entries<'j>,
    attempt: Attempt,
    seeds: SeedTrial,
    sdk: Sdk,
    /// Places of the recorded commands among the entries.
    commands: Vec<usize>,
    state: Probe,
    attempts: u32,
    flaky: bool,
}

/// Which random seed the journal was recorded with, where that is not known beforehand.
///
/// A success on the second seed counts only if the first seed fails again, twice: a candidate that alternates from
/// attempt to attempt, or flips a coin, would pass otherwise.
#[derive(Debug)]
enum SeedTrial {
    /// One seed, which the verdict stands on.
    Settled,
    /// Another seed is tried if this one ends in a difference.
    First { other: u64 },
    /// The first seed ended in a difference; the other one is under way.
    Other { first: SdkVerdict, first_seed: u64 },
    /// The other seed got further; the first one is tried again, so many times more.
    Again { first: SdkVerdict, other: SdkVerdict, other_seed: u64, left: u8 },
}

/// Where the sentinel stands in the next request.
#[derive(Debug)]
enum Probe {
    /// Behind all recorded commands.
    Full,
    /// Looking for the first command that is not reached: the sentinel stands at `at`, between one that was reached and
    /// one that was not.
    Search { sought: Sought, at: usize, reached: usize, missed: usize },
}

/// What a search looks for, and what is known already.
#[derive(Clone, Debug)]
enum Sought {
    Await {
        run: Option<usize>,
        awaited: Await,
    },
    /// The SDK complains of a protocol violation, which names no index.
    Violation,
    /// The Java SDK's legacy machine names no index where a state read has another key; it suspends on awaits.
    OtherKey,
    /// The candidate failed, and its error names no command.
    Failure(HandlerFailure),
}

/// So many fences stand behind every id that a replay can ask for.
const FENCES: u32 = 1024;

/// So often the first seed must fail again before a success on the other one counts.
const SEED_CHECKS: u8 = 2;

impl<'j> Tripwire<'j> {
    pub fn new(recorded: Entries<'j>, attempt: Attempt, other_seed: Option<u64>, sdk: Sdk) -> Self {
        let commands = recorded.commands().collect();
        let seeds = other_seed.map_or(SeedTrial::Settled, |other| SeedTrial::First { other });
        Self { recorded, attempt, seeds, sdk, commands, state: Probe::Full, attempts: 0, flaky: false }
    }

    /// What was sent with, once there is a verdict: the seed is the one that the verdict stands on.
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// How many attempts were answered.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether two attempts with the same request ended differently.
    pub fn is_flaky(&self) -> bool {
        self.flaky
    }

    /// The next body to send.
    pub fn request(&self) -> Vec<u8> {
        match &self.state {
            Probe::Full => self.body(self.commands.len()),
            Probe::Search { at, .. } => self.body(*at),
        }
    }

    /// The first `commands` commands with all notifications, and the sentinel.
    fn body(&self, commands: usize) -> Vec<u8> {
        let mut body = AttemptBody::default();
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
                body.completion(NotificationKind::Run, id, fence(self.sdk));
            }
        }
        body.finish(&self.attempt)
    }

    fn is_complete(&self) -> bool {
        let last = self.commands.last().and_then(|at| self.recorded.command_kind(*at));
        last == Some(CommandKind::Output)
    }

    /// What the answer means; `None` to ask once more.
    pub fn answer(&mut self, answer: &Answer) -> Option<SdkVerdict> {
        self.attempts += 1;
        let verdict = match &self.state {
            Probe::Full => self.full_answer(answer),
            Probe::Search { sought, at, reached, missed } => {
                self.search_answer(answer, sought.clone(), *at, *reached, *missed)
            }
        };
        self.settle(verdict?)
    }

    /// Before a difference counts, the other seed is tried: payloads may hold random values, and branches depend on them.
    /// The seed that gets further counts, because a wrong one can only end a replay early.
    fn settle(&mut self, verdict: SdkVerdict) -> Option<SdkVerdict> {
        self.state = Probe::Full;
        match std::mem::replace(&mut self.seeds, SeedTrial::Settled) {
            SeedTrial::Settled => Some(verdict),
            SeedTrial::First { other } if verdict.is_difference() => {
                let first_seed = std::mem::replace(&mut self.attempt.random_seed, other);
                self.seeds = SeedTrial::Other { first: verdict, first_seed };
                None
            }
            SeedTrial::First { .. } => Some(verdict),
            SeedTrial::Other { first, first_seed } => {
                let other_seed = std::mem::replace(&mut self.attempt.random_seed, first_seed);
                if verdict.reach() <= first.reach() {
                    return Some(first);
                }
                self.seeds = SeedTrial::Again { first, other: verdict, other_seed, left: SEED_CHECKS };
                None
            }
            SeedTrial::Again { first, .. } if verdict != first => {
                self.flaky = true;
                Some(first)
            }
            SeedTrial::Again { other, other_seed, left: 0 | 1, .. } => {
                self.attempt.random_seed = other_seed;
                Some(other)
            }
            SeedTrial::Again { first, other, other_seed, left } => {
                self.seeds = SeedTrial::Again { first, other, other_seed, left: left - 1 };
                None
            }
        }
    }

    fn full_answer(&mut self, answer: &Answer) -> Option<SdkVerdict> {
        let commands = self.commands.len();
        match &answer.end {
            AttemptEnd::End if self.is_complete() => Some(SdkVerdict::at(Stop::Frontier)),
            AttemptEnd::End => Some(SdkVerdict::undecided(RETURNED)),
            AttemptEnd::Suspended(awaited) => self.search_await(None, awaited.clone()),
            AttemptEnd::Error(error) if error.code == AttemptError::JOURNAL_MISMATCH => {
                let index = error.related_command_index.map(|index| index as usize);
                match index {
                    Some(index) if self.is_awaited_run(index, error) => {
                        self.search_await(Some(index), Await::default())
                    }
                    Some(index) if index == commands => Some(SdkVerdict::at(Stop::Frontier)),
                    Some(index) if index < commands => {
                        Some(SdkVerdict { issued: issued(error), ..SdkVerdict::at(Stop::Divergence(index)) })
                    }
                    Some(index) => Some(SdkVerdict::undecided(format!(
                        "the candidate: it objects to command {index} of {commands}"
                    ))),
                    None if self.sdk == Sdk::Java => self.search_other_key(),
                    None => self.search_await(None, Await::default()),
                }
            }
            AttemptEnd::Error(error) if error.code == AttemptError::PROTOCOL_VIOLATION => self.search_violation(error),
            AttemptEnd::Error(error) => self.search_failure(error),
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

    /// It waits for something. That is fine at the frontier; anywhere before, an await was added.
    fn search_await(&mut self, run: Option<usize>, awaited: Await) -> Option<SdkVerdict> {
        let commands = self.commands.len();
        if commands <= 1 || run == Some(commands - 1) {
            return Some(SdkVerdict::at(Stop::Frontier));
        }
        self.search(Sought::Await { run, awaited }, commands - 1)
    }

    fn search_other_key(&mut self) -> Option<SdkVerdict> {
        let commands = self.commands.len();
        if commands <= 1 {
            return Some(SdkVerdict::undecided("the candidate: it objects to a journal of no steps"));
        }
        self.search(Sought::OtherKey, commands - 1)
    }

    fn search_violation(&mut self, error: &AttemptError) -> Option<SdkVerdict> {
        let Some(last) = self.sentinel_places(self.commands.len()).last().copied() else {
            return Some(SdkVerdict::at(Stop::Frontier));
        };
        if self.sdk == Sdk::Unknown {
            return self.search_failure(error);
        }
        self.search(Sought::Violation, last)
    }

    fn search_failure(&mut self, error: &AttemptError) -> Option<SdkVerdict> {
        let error = HandlerFailure { code: error.code, message: error.message.clone() };
        match self.sentinel_places(self.commands.len()).last() {
            Some(last) => self.search(Sought::Failure(error), *last),
            None => Some(failed(error, self.commands.len())),
        }
    }

    fn search(&mut self, sought: Sought, at: usize) -> Option<SdkVerdict> {
        self.state = Probe::Search { sought, at, reached: 0, missed: self.commands.len() };
        None
    }

    /// Where the sentinel can stand. The Java SDK's legacy machine meets it with a protocol violation on a state read: no
    /// place for it where one is recorded.
    fn sentinel_places(&self, below: usize) -> Vec<usize> {
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
        sought: Sought,
        at: usize,
        mut reached: usize,
        mut missed: usize,
    ) -> Option<SdkVerdict> {
        let hit = match (&answer.end, &sought) {
            // No run behind the sentinel has been issued, so none can be what is awaited here.
            (AttemptEnd::Error(error), _) if error.code == AttemptError::JOURNAL_MISMATCH => {
                error.related_command_index == Some(at as u32)
            }
            // The legacy machine of Java answers the sentinel so where it reads state; nothing else can be meant where
            // the whole journal ended without a violation.
            (AttemptEnd::Error(error), Sought::OtherKey) if error.code == AttemptError::PROTOCOL_VIOLATION => true,
            (AttemptEnd::Error(error), Sought::Await { .. }) if error.code == AttemptError::PROTOCOL_VIOLATION => {
                self.sdk == Sdk::Java
            }
            (AttemptEnd::Error(error), _) if error.code == AttemptError::PROTOCOL_VIOLATION => false,
            (AttemptEnd::Error(error), Sought::Failure(first)) if error.code == first.code => false,
            (AttemptEnd::Suspended(_), _) => false,
            (AttemptEnd::Error(error), _) => {
                let error = HandlerFailure { code: error.code, message: error.message.clone() };
                return Some(failed(error, reached + 1));
            }
            (other, _) => return Some(common(other)),
        };
        if hit {
            reached = at;
        } else {
            missed = at;
        }
        // What lies between is not known; of what was reached, the probe of the whole journal found that the command
        // itself is the recorded one.
        let places: Vec<usize> = match sought {
            Sought::Await { .. } | Sought::OtherKey => (reached + 1..missed).collect(),
            Sought::Violation | Sought::Failure(_) => {
                self.sentinel_places(missed).into_iter().filter(|index| *index > reached).collect()
            }
        };
        if let Some(middle) = places.get(places.len() / 2).filter(|_| !places.is_empty()) {
            self.state = Probe::Search { sought, at: *middle, reached, missed };
            return None;
        }
        let commands = self.commands.len();
        Some(match sought {
            Sought::Await { .. } if reached + 1 >= commands => SdkVerdict::at(Stop::Frontier),
            Sought::Await { run, awaited } => {
                SdkVerdict::at(Stop::Await(AddedAwait { before: reached + 1, run, awaited }))
            }
            Sought::Violation if missed >= commands => SdkVerdict::at(Stop::Frontier),
            Sought::Violation if self.sdk == Sdk::Java => SdkVerdict::at(Stop::Violation(missed)),
            Sought::OtherKey => SdkVerdict::at(Stop::Divergence(reached)),
            Sought::Violation => SdkVerdict::at(Stop::Returned(reached + 1)),
            Sought::Failure(error) => failed(error, reached + 1),
        })
    }
}

const RETURNED: &str = "the candidate: it returned where a command is recorded";

fn failed(error: HandlerFailure, before: usize) -> SdkVerdict {
    SdkVerdict { error: Some(error), ..SdkVerdict::at(Stop::Failed(before)) }
}

/// A fence for an SDK: a completion that stops the attempt before anything depends on it.
pub(super) fn fence(sdk: Sdk) -> CompletionResult {
    match sdk {
        Sdk::Python | Sdk::Ruby => CompletionResult::Failure(FailureMessage {
            code: 500,
            message: "rehearse: nothing is recorded here".to_owned(),
            metadata: Vec::new(),
        }),
        Sdk::TypeScript | Sdk::Rust | Sdk::Go | Sdk::Java | Sdk::Unknown => {
            CompletionResult::InvocationId("inv_1".to_owned() + &"0".repeat(33))
        }
    }
}

fn issued(error: &AttemptError) -> Option<Issued> {
    let kind = MessageType(u16::try_from(error.related_command_type?).ok()?).command()?;
    Some(Issued { kind, name: error.related_command_name.clone().filter(|name| !name.is_empty()) })
}

/// Endings that mean the same whatever was asked.
fn common(end: &AttemptEnd) -> SdkVerdict {
    match end {
        AttemptEnd::Executing(what) => {
            SdkVerdict::undecided(format!("the candidate does not replay ({what}); the attempt was stopped at once"))
        }
        AttemptEnd::Nothing => SdkVerdict::undecided("the candidate: it answered nothing"),
        AttemptEnd::Garbage(what) => {
            SdkVerdict::undecided(format!("the candidate: its answer could not be read: {what}"))
        }
        AttemptEnd::End => SdkVerdict::undecided(RETURNED),
        AttemptEnd::Suspended(_) => SdkVerdict::undecided("the candidate: it suspended"),
        AttemptEnd::Error(error) => {
            SdkVerdict::undecided(format!("the candidate: it failed with {}: {}", error.code, error.message))
        }
    }
}
