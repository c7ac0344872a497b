//! The candidate's whole step trace, to explain a verdict.
//!
//! The candidate gets its Input and every result, but no command: it is at once past replay and writes each command in
//! full, and every run finds its result there already. No id is without an answer: recorded, made up for a command that
//! was not recorded, or a **fence** that ends the attempt. An inserted or removed command shifts all ids behind it; so
//! what was written is aligned with the recording, results are handed out anew under the ids that the candidate uses,
//! and the attempt is made again, until nothing changes any more.

use std::collections::BTreeMap;

use super::Sdk;
use super::answer::{Answer, Ended};
use super::request::{Attempt, Body};
use super::tripwire::fence;
use crate::diff::{Replayed, Rows, Shape, Side, Stop, Undecodable, align, replay_trace};
use crate::journal::command::{Command, FieldValue};
use crate::journal::{CommandKind, Compared, Ending, Entries, EntryKind, NotificationKind, Step, Trace};
use crate::protocol::{Notification, NotificationId, Outcome, decode, decode_notification, encode_notification};

/// One journal's trace: ask with [`Self::request`], tell with [`Self::answer`], until there is a trace.
#[derive(Debug)]
pub struct Tracer<'j> {
    recorded: Entries<'j>,
    attempt: Attempt,
    sdk: Sdk,
    /// What is recorded for each recorded completion id.
    results: Answers,
    /// The kinds of the recorded commands, with the first id of each.
    commands: Vec<(CommandKind, u32)>,
    /// Signals and the like, which no id numbers, with their places among the entries.
    signals: Vec<(usize, EntryKind, Vec<u8>)>,
    /// What each of the candidate's ids is answered with.
    answers: Answers,
    passes: usize,
}

/// By completion id.
type Answers = BTreeMap<u32, Completion>;

/// A result, with its place in the journal: candidates are told of results in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
struct Completion {
    place: usize,
    kind: NotificationKind,
    outcome: Outcome,
}

/// A pass gets at least one command further; most journals take one or two.
const MOST_PASSES: usize = 64;

/// Ids behind the last answered one that get a fence.
const FENCES: u32 = 1024;

impl<'j> Tracer<'j> {
    pub fn new(recorded: Entries<'j>, attempt: Attempt, sdk: Sdk) -> Result<Self, Undecodable> {
        let undecodable = |entry_index: usize| move |source| Undecodable { side: Side::Recorded, entry_index, source };
        let mut results = BTreeMap::new();
        let mut commands = Vec::new();
        let mut signals = Vec::new();
        let mut next_id = 1;
        for at in 0..recorded.len() {
            match recorded.kind(at) {
                EntryKind::Command(kind) => {
                    let command = decode(kind, recorded.raw(at)).map_err(undecodable(at))?;
                    if let Some(outcome) = eager_result(&command) {
                        let lazy = if kind == CommandKind::GetEagerState {
                            NotificationKind::GetLazyState
                        } else {
                            NotificationKind::GetLazyStateKeys
                        };
                        results.insert(next_id, Completion { place: at, kind: lazy, outcome });
                    }
                    commands.push((kind, next_id));
                    next_id += kind.completion_ids();
                }
                EntryKind::Notification(kind) => {
                    let notification = decode_notification(kind, recorded.raw(at)).map_err(undecodable(at))?;
                    match (notification.id, notification.outcome) {
                        (NotificationId::Completion(id), Some(outcome)) => {
                            results.insert(id, Completion { place: at, kind, outcome });
                        }
                        (NotificationId::Completion(_), None) => {}
                        _ => signals.push((at, recorded.kind(at), recorded.raw(at).to_vec())),
                    }
                }
            }
        }
        let answers = results.clone();
        Ok(Self { recorded, attempt, sdk, results, commands, signals, answers, passes: 0 })
    }

    /// The next body to send.
    pub fn request(&self) -> Vec<u8> {
        let mut body = Body::default();
        if self.recorded.command_kind(0).is_some() {
            body.entry(self.recorded.kind(0), self.recorded.raw(0));
        }
        let mut results: Vec<(usize, EntryKind, Vec<u8>)> = self.signals.clone();
        results.extend(self.answers.iter().map(|(id, Completion { place, kind, outcome })| {
            let notification = Notification { id: NotificationId::Completion(*id), outcome: Some(outcome.clone()) };
            (*place, EntryKind::Notification(*kind), encode_notification(&notification))
        }));
        results.sort_by_key(|(place, ..)| *place);
        for (_, kind, raw) in results {
            body.entry(kind, &raw);
        }
        // Fences last: one that stood before a recorded cancellation would hide it.
        let highest = self.answers.keys().next_back().copied().unwrap_or(0).max(self.last_id());
        for id in (1..=highest.saturating_add(FENCES)).filter(|id| !self.answers.contains_key(id)) {
            body.completion(NotificationKind::Run, id, fence(self.sdk));
        }
        body.finish(&self.attempt)
    }

    fn last_id(&self) -> u32 {
        self.commands.last().map_or(0, |(kind, first)| first + kind.completion_ids())
    }

    /// What the answer tells; `None` to ask once more, with results under other ids.
    pub fn answer(&mut self, answer: &Answer) -> Result<Option<Trace>, Undecodable> {
        let trace = self.trace(answer)?;
        self.passes += 1;
        let stop = replay_trace(self.recorded, &trace)?.stop;
        let rows = align(self.recorded, Replayed::Trace(&trace), &stop)?.rows;
        let answers = self.answers_for(&rows, &trace);
        if stop == Stop::Frontier || answers == self.answers || self.passes >= MOST_PASSES {
            return Ok(Some(trace));
        }
        self.answers = answers;
        Ok(None)
    }

    /// Starts over as if a command of this kind had been added before the recorded command `at`: for a candidate that
    /// waits for good where results stand under the ids of the recorded commands.
    pub fn suppose_added(&mut self, at: usize, kind: CommandKind) {
        let mut answers = BTreeMap::new();
        let mut shift = 0;
        for (recorded, (_, first)) in self.commands.iter().enumerate() {
            if recorded == at {
                answers.extend(made_up(kind, *first));
                shift = kind.completion_ids();
            }
            self.hand_out(recorded, first + shift, &mut answers);
        }
        self.answers = answers;
    }

    /// The steps in an answer.
    pub fn trace(&self, answer: &Answer) -> Result<Trace, Undecodable> {
        let mut steps = Vec::new();
        let input = Command { kind: CommandKind::Input, fields: Vec::new(), complete: true };
        steps.push(Step::Command(input));
        for (entry_index, (kind, raw)) in answer.commands.iter().enumerate() {
            let command =
                decode(*kind, raw).map_err(|source| Undecodable { side: Side::Replayed, entry_index, source })?;
            steps.push(Step::Command(command.into_owned()));
        }
        let ending = match &answer.ended {
            Ended::Suspended(awaited) => {
                steps.push(Step::Await(awaited.clone()));
                Ending::Suspended
            }
            Ended::End => Ending::Returned,
            // A fence ends an attempt too: what comes next is not known.
            _ => Ending::Unknown,
        };
        Ok(Trace { steps, ending })
    }

    /// Results under the ids that the candidate gave its commands, as far as they are known; further on, as if it went on
    /// as recorded.
    fn answers_for(&self, rows: &Rows, trace: &Trace) -> Answers {
        let mut pairs: BTreeMap<usize, usize> = BTreeMap::new();
        for row in rows.iter() {
            if let (Some(recorded), Some(replayed)) = (row.recorded, row.replayed)
                && row.shape != Some(Shape::Replaced)
            {
                pairs.insert(replayed, recorded);
            }
        }
        let mut answers = BTreeMap::new();
        let mut next_id = 1;
        let mut next_recorded = 0;
        for (at, command) in trace.commands().enumerate() {
            match pairs.get(&at) {
                Some(recorded) => {
                    self.hand_out(*recorded, next_id, &mut answers);
                    next_recorded = next_recorded.max(recorded + 1);
                }
                None => answers.extend(made_up(command.kind, next_id)),
            }
            next_id += command.kind.completion_ids();
        }
        for (recorded, (kind, _)) in self.commands.iter().enumerate().skip(next_recorded) {
            self.hand_out(recorded, next_id, &mut answers);
            next_id += kind.completion_ids();
        }
        answers
    }

    fn hand_out(&self, recorded: usize, to: u32, answers: &mut Answers) {
        let (kind, first) = self.commands[recorded];
        for at in 0..kind.completion_ids() {
            if let Some(result) = self.results.get(&(first + at)) {
                answers.insert(to + at, result.clone());
            }
        }
    }
}

/// What an eager read has in itself, as the result of a lazy one.
fn eager_result(command: &Command<'_>) -> Option<Outcome> {
    match (command.kind, command.get("value")) {
        (CommandKind::GetEagerState, Some(FieldValue::Bytes(value))) => Some(Outcome::Value(value.to_vec())),
        (CommandKind::GetEagerState, _) => Some(Outcome::Void),
        (CommandKind::GetEagerStateKeys, Some(FieldValue::StateKeys(keys))) => {
            Some(Outcome::StateKeys(keys.keys.clone()))
        }
        (CommandKind::GetEagerStateKeys, _) => Some(Outcome::StateKeys(Vec::new())),
        _ => None,
    }
}

/// Results for a command that was not recorded: as little as possible. If the candidate stumbles over them, the trace
/// ends there.
fn made_up(kind: CommandKind, id: u32) -> impl Iterator<Item = (u32, Completion)> {
    use NotificationKind as To;
    let null = || Outcome::Value(b"null".to_vec());
    let invocation = || Outcome::InvocationId("inv_1".to_owned() + &"0".repeat(33));
    let results = match kind {
        CommandKind::GetLazyState | CommandKind::GetEagerState => vec![(id, (To::GetLazyState, Outcome::Void))],
        CommandKind::GetLazyStateKeys | CommandKind::GetEagerStateKeys => {
            vec![(id, (To::GetLazyStateKeys, Outcome::StateKeys(Vec::new())))]
        }
        CommandKind::GetPromise => vec![(id, (To::GetPromise, null()))],
        CommandKind::PeekPromise => vec![(id, (To::PeekPromise, Outcome::Void))],
        CommandKind::CompletePromise => vec![(id, (To::CompletePromise, Outcome::Void))],
        CommandKind::Sleep => vec![(id, (To::Sleep, Outcome::Void))],
        CommandKind::Call => vec![(id, (To::CallInvocationId, invocation())), (id + 1, (To::Call, null()))],
        CommandKind::OneWayCall => vec![(id, (To::CallInvocationId, invocation()))],
        CommandKind::Run => vec![(id, (To::Run, null()))],
        CommandKind::AttachInvocation => vec![(id, (To::AttachInvocation, null()))],
        CommandKind::GetInvocationOutput => vec![(id, (To::GetInvocationOutput, Outcome::Void))],
        CommandKind::Input
        | CommandKind::Output
        | CommandKind::SetState
        | CommandKind::ClearState
        | CommandKind::ClearAllState
        | CommandKind::SendSignal
        | CommandKind::CompleteAwakeable => Vec::new(),
    };
    // There from the start.
    results.into_iter().map(|(id, (kind, outcome))| (id, Completion { place: 0, kind, outcome }))
}

/// Whether two traces of one candidate did the same, as far as the shorter one goes.
pub fn agree(one: &Trace, other: &Trace) -> bool {
    one.commands().zip(other.commands()).all(|(one, other)| {
        one.kind.modulo_eager() == other.kind.modulo_eager()
            && one.differences(other).iter().all(|difference| difference.field.compared != Compared::Always)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_result_answers_every_id_a_command_takes() {
        for kind in CommandKind::ALL {
            assert_eq!(made_up(*kind, 7).count(), kind.completion_ids() as usize, "{kind:?}");
        }
    }
}
