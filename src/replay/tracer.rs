//! A tracer: what the candidate does from its SDK's verdict on, step by step, to explain a divergence.
//!
//! The trace starts from the verdict: the candidate gets the recorded journal up to the divergence, so that it meets the
//! same scheduling as on the server, and leaves replay there. Two kinds of attempts take turns:
//!
//! - **Issue**: the known commands with their results, and a **fence** on every id above them. The candidate writes its
//!   next commands in full, until it waits for a fenced id.
//! - **Resume**: the known commands, then the recorded ones that should come next (under the ids that the candidate would
//!   give them), and the sentinel. The SDK itself says how many of them the candidate issues as recorded.
//!
//! So each place that differs costs two attempts, however long the journal is. A result is handed out only to a command
//! that the candidate has issued, and only of the kind that this command takes: a result of another kind kills some
//! candidates. What was not recorded gets a made-up result.

use std::collections::BTreeMap;

use super::Sdk;
use super::answer::{Answer, AttemptEnd};
use super::request::{Attempt, AttemptBody};
use super::tripwire::fence;
use crate::diff::{Replayed, Shape, Side, Stop, Undecodable, align, replay_trace};
use crate::journal::command::{Command, Compared, FieldValue, fields};
use crate::journal::{Await, CommandKind, Ending, Entries, EntryKind, NotificationKind, Step, Trace};
use crate::protocol::{
    AttemptError, CompletionResult, Notification, NotificationId, decode, decode_notification, encode,
    encode_notification,
};

/// One journal's tracer: send [`Self::request`], pass the reply to [`Self::answer`], until it is done.
#[derive(Debug)]
pub struct Tracer<'j> {
    recorded: Entries<'j>,
    attempt: Attempt,
    sdk: Sdk,
    recording: Recording,
    /// What the candidate has issued so far, or replayed as recorded.
    known: Vec<Known>,
    /// So many of them are certain. The candidate issued the rest after it had met a fence, and some candidates go on with
    /// a fence as if it were a result.
    verified: usize,
    phase: TracerPhase,
    attempts: usize,
    /// Whether the candidate issued other commands than it had issued before.
    differs: bool,
    end: Option<(Ending, Option<Await>)>,
}

/// The journal's commands and results, by what a tracer needs of them.
#[derive(Debug)]
struct Recording {
    commands: Vec<RecordedCommand>,
    /// By completion id.
    results: BTreeMap<u32, Completion>,
    /// Signals, which no completion id numbers, with their places among the entries.
    signals: Vec<(usize, NotificationKind, Vec<u8>)>,
}

#[derive(Debug)]
struct RecordedCommand {
    kind: CommandKind,
    place: usize,
    first_id: u32,
}

/// A result, with its place in the journal: candidates hear of results in the order in which they came.
#[derive(Clone, Debug)]
struct Completion {
    place: usize,
    kind: NotificationKind,
    result: CompletionResult,
}

/// A command that the candidate has issued.
#[derive(Clone, Debug)]
struct Known {
    kind: CommandKind,
    raw: Vec<u8>,
    /// The recorded command whose results it gets; without one it gets made-up results.
    recorded: Option<usize>,
    /// Whether that is decided. Another result in a later attempt would make another run of it.
    decided: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TracerPhase {
    /// The candidate issues its next commands.
    Issue,
    /// The candidate may go on as recorded, from this recorded command on.
    Resume {
        from: usize,
    },
    /// The candidate replays what it has issued, once more.
    Confirm,
    Done,
}

/// A place that differs takes two attempts; journals that differ in more places than this are traced that far.
const MOST_ATTEMPTS: usize = 64;

/// Ids above the known ones that get a fence.
const FENCES: u32 = 1024;

impl<'j> Tracer<'j> {
    /// Starts where the SDK stopped: at a divergence the candidate issues what comes next, elsewhere all is known already.
    pub fn new(recorded: Entries<'j>, attempt: Attempt, sdk: Sdk, stop: &Stop) -> Result<Self, Undecodable> {
        let recording = Recording::of(recorded)?;
        let replayed = stop.at().unwrap_or(recording.commands.len()).min(recording.commands.len());
        let known: Vec<Known> = (0..replayed)
            .map(|at| {
                let RecordedCommand { kind, place, .. } = recording.commands[at];
                Known { kind, raw: recorded.raw(place).to_vec(), recorded: Some(at), decided: true }
            })
            .collect();
        let (phase, end) = match stop {
            Stop::Divergence(_) | Stop::Violation(_) => (TracerPhase::Issue, None),
            Stop::Await(added) => (TracerPhase::Done, Some((Ending::Suspended, Some(added.awaited.clone())))),
            Stop::Returned(_) => (TracerPhase::Done, Some((Ending::Returned, None))),
            Stop::Failed(_) => (TracerPhase::Done, Some((Ending::Failed, None))),
            Stop::Frontier | Stop::TraceEnds(_) | Stop::Undecided(_) => (TracerPhase::Done, None),
        };
        Ok(Self {
            recorded,
            attempt,
            sdk,
            recording,
            verified: known.len(),
            known,
            phase,
            attempts: 0,
            differs: false,
            end,
        })
    }

    /// The next body to send; `None` when the trace is complete.
    pub fn request(&self) -> Option<Vec<u8>> {
        match self.phase {
            TracerPhase::Issue => Some(self.body(&self.known, Beyond::Fences)),
            TracerPhase::Resume { from } => Some(self.body(&self.resumed(from), Beyond::Sentinel)),
            TracerPhase::Confirm => Some(self.body(&self.known, Beyond::Sentinel)),
            TracerPhase::Done => None,
        }
    }

    /// Whether the next answer's commands are wanted; else its end is.
    pub fn issues(&self) -> bool {
        self.phase == TracerPhase::Issue
    }

    /// Whether the request that comes next only repeats what is known, to see whether the candidate agrees with itself.
    pub fn confirms(&self) -> bool {
        self.phase == TracerPhase::Confirm
    }

    /// Takes the answer to the last request.
    pub fn answer(&mut self, answer: &Answer) -> Result<(), Undecodable> {
        self.attempts += 1;
        match self.phase {
            TracerPhase::Issue => self.take_issued(answer),
            TracerPhase::Resume { from } => {
                self.take_resumed(answer, from);
                Ok(())
            }
            TracerPhase::Confirm => {
                self.phase = match self.contradicted_at(answer) {
                    Some(index) if index >= self.verified && self.attempts < MOST_ATTEMPTS => {
                        self.known.truncate(index);
                        self.verified = index;
                        self.end = None;
                        TracerPhase::Issue
                    }
                    at => {
                        self.differs |= at.is_some_and(|at| at < self.verified);
                        self.known.truncate(at.unwrap_or(self.known.len()));
                        TracerPhase::Done
                    }
                };
                Ok(())
            }
            TracerPhase::Done => Ok(()),
        }
    }

    /// There is no answer to the last request, and there will be none: the trace ends here.
    pub fn give_up(&mut self) {
        self.phase = TracerPhase::Done;
    }

    /// Whether the candidate did otherwise the second time.
    pub fn differs_from_itself(&self) -> bool {
        self.differs
    }

    /// What the candidate did.
    pub fn trace(&self) -> Result<Trace, Undecodable> {
        let mut steps = Vec::with_capacity(self.known.len() + 1);
        for (entry_index, Known { kind, raw, recorded, .. }) in self.known.iter().enumerate() {
            if *kind == CommandKind::Input {
                steps.push(Step::Command(Command { kind: *kind, fields: Vec::new(), complete: true }));
                continue;
            }
            let side = if recorded.is_some() { Side::Recorded } else { Side::Replayed };
            let command = decode(*kind, raw).map_err(|source| Undecodable { side, entry_index, source })?;
            steps.push(Step::Command(command.into_owned()));
        }
        let (mut ending, awaited) = self.end.clone().unwrap_or_default();
        steps.extend(awaited.map(Step::Await));
        if ending == Ending::Unknown && self.known.last().is_some_and(|last| last.kind == CommandKind::Output) {
            ending = Ending::Returned;
        }
        Ok(Trace { steps, ending })
    }

    fn take_issued(&mut self, answer: &Answer) -> Result<(), Undecodable> {
        match self.contradicted_at(answer) {
            Some(index) if index < self.verified => {
                self.differs = true;
                self.phase = TracerPhase::Done;
                return Ok(());
            }
            Some(index) => {
                self.known.truncate(index);
                self.verified = index;
                self.phase = if self.attempts < MOST_ATTEMPTS { TracerPhase::Issue } else { TracerPhase::Done };
                return Ok(());
            }
            None => {}
        }
        let mut issued: Vec<Known> = answer
            .commands
            .iter()
            .map(|(kind, raw)| Known { kind: *kind, raw: raw.to_vec(), recorded: None, decided: false })
            .collect();
        let ends = match &answer.end {
            AttemptEnd::Suspended(awaited) => Some((Ending::Suspended, Some(awaited.clone()))),
            AttemptEnd::End => Some((Ending::Returned, None)),
            // A fence ends an attempt too: what comes next is not known.
            _ => None,
        };
        // A failure that the candidate may catch: what it does after it is not what it does with a result.
        if fence_can_be_caught(self.sdk)
            && let Some(first) = issued.iter().position(|command| command.kind.completion_ids() > 0)
            && first + 1 < issued.len()
        {
            issued.truncate(first + 1);
        } else {
            self.end = ends;
        }
        let nothing_new = issued.is_empty();
        // The first one came before any fence.
        self.verified = self.known.len() + usize::from(!nothing_new);
        self.known.extend(issued);
        for known in &self.known {
            // What can not be decoded now could not be explained later.
            if known.kind != CommandKind::Input {
                decode(known.kind, &known.raw).map_err(|source| Undecodable {
                    side: Side::Replayed,
                    entry_index: 0,
                    source,
                })?;
            }
        }
        let next = self.pair()?;
        let over = nothing_new || self.end.is_some() || self.attempts >= MOST_ATTEMPTS;
        self.phase = match next {
            _ if over => TracerPhase::Confirm,
            Some(from) => TracerPhase::Resume { from },
            None => TracerPhase::Confirm,
        };
        Ok(())
    }

    fn take_resumed(&mut self, answer: &Answer, from: usize) {
        let resumed = self.resumed(from);
        let reached = match &answer.end {
            AttemptEnd::Error(error) if error.code == AttemptError::JOURNAL_MISMATCH => {
                error.related_command_index.map(|index| index as usize)
            }
            AttemptEnd::End => Some(resumed.len()),
            _ => None,
        };
        match reached {
            Some(index) if index < self.verified => {
                self.differs = true;
                self.phase = TracerPhase::Done;
            }
            Some(index) if index >= resumed.len() => {
                self.verified = resumed.len();
                self.known = resumed;
                self.phase = TracerPhase::Confirm;
            }
            Some(index) => {
                self.known = resumed;
                self.known.truncate(index);
                self.verified = index;
                self.end = None;
                self.phase = if self.attempts < MOST_ATTEMPTS { TracerPhase::Issue } else { TracerPhase::Confirm };
            }
            // It waits for something, or failed with the results it was given: step by step.
            None if self.attempts < MOST_ATTEMPTS => self.phase = TracerPhase::Issue,
            None => self.phase = TracerPhase::Confirm,
        }
    }

    /// The known command that the candidate does not issue again, by what an attempt says.
    fn contradicted_at(&self, answer: &Answer) -> Option<usize> {
        match &answer.end {
            AttemptEnd::Error(error) if error.code == AttemptError::JOURNAL_MISMATCH => {
                let index = error.related_command_index? as usize;
                (index < self.known.len() && !self.awaits_run(error)).then_some(index)
            }
            _ => None,
        }
    }

    /// An await that can not be replayed names the run that it waits for, and contradicts nothing.
    fn awaits_run(&self, error: &AttemptError) -> bool {
        let at = error.related_command_index.unwrap_or_default() as usize;
        self.known.get(at).is_some_and(|known| {
            known.kind == CommandKind::Run
                && error.related_command_type == Some(u32::from(0x0400 + CommandKind::Run as u16))
                && decode(known.kind, &known.raw).is_ok_and(|run| {
                    run.text("name").unwrap_or_default() == error.related_command_name.as_deref().unwrap_or_default()
                })
        })
    }

    /// Pairs what was issued with the recorded commands, so that results go where they belong; where the candidate should
    /// go on as recorded, unless nothing is left.
    fn pair(&mut self) -> Result<Option<usize>, Undecodable> {
        let trace = self.trace()?;
        let stop = replay_trace(self.recorded, &trace)?.stop;
        let alignment = align(self.recorded, Replayed::Trace(&trace), &stop)?;
        for row in alignment.rows.iter() {
            if let (Some(recorded), Some(replayed)) = (row.recorded, row.replayed)
                && row.shape != Some(Shape::Replaced)
                && let Some(known) = self.known.get_mut(replayed).filter(|known| !known.decided)
            {
                known.recorded = Some(recorded);
            }
        }
        self.known.iter_mut().for_each(|known| known.decided = true);
        let next = self.known.iter().filter_map(|known| known.recorded).max().map_or(0, |last| last + 1);
        // What stands beside the last command, replaced, is not what comes next.
        let replaced = alignment.rows.iter().filter(|row| row.shape == Some(Shape::Replaced));
        let next = replaced.filter_map(|row| row.recorded.map(|at| at + 1)).fold(next, usize::max);
        Ok((next < self.recording.commands.len()).then_some(next))
    }

    /// What is known, and behind it the recorded commands from one on, under the ids that they would have there.
    fn resumed(&self, from: usize) -> Vec<Known> {
        let mut all = self.known.clone();
        let mut next_id = next_id(&all);
        for (at, command) in self.recording.commands.iter().enumerate().skip(from) {
            let raw = self.recorded.raw(command.place);
            let raw = if next_id == command.first_id {
                raw.to_vec()
            } else {
                renumbered(command.kind, raw, next_id).unwrap_or_else(|| raw.to_vec())
            };
            next_id += command.kind.completion_ids();
            all.push(Known { kind: command.kind, raw, recorded: Some(at), decided: true });
        }
        all
    }

    fn body(&self, commands: &[Known], beyond: Beyond) -> Vec<u8> {
        // By place: commands in their order, each result where it came.
        let mut entries: Vec<(usize, EntryKind, Vec<u8>)> = Vec::new();
        for (place, kind, raw) in &self.recording.signals {
            entries.push((*place, EntryKind::Notification(*kind), raw.clone()));
        }
        let mut place = 0;
        let mut id = 1;
        let mut fenced = Vec::new();
        for Known { kind, raw, recorded, .. } in commands {
            let own = recorded.map(|at| &self.recording.commands[at]);
            place = place.max(own.map_or(0, |command| command.place));
            entries.push((place, EntryKind::Command(*kind), raw.clone()));
            let ids = id..id + kind.completion_ids();
            match own {
                // It carries its result in itself.
                _ if matches!(kind, CommandKind::GetEagerState | CommandKind::GetEagerStateKeys) => {}
                Some(command) => {
                    for (offset, id) in ids.clone().enumerate() {
                        match self.recording.results.get(&(command.first_id + offset as u32)) {
                            Some(completion) if is_result_of(*kind, offset, completion.kind) => {
                                entries.push(completion.entry(id));
                            }
                            // A run that is under way would execute here.
                            _ if *kind == CommandKind::Run => fenced.push(id),
                            _ => {}
                        }
                    }
                }
                None => {
                    for (id, mut completion) in made_up(*kind, id) {
                        completion.place = place;
                        entries.push(completion.entry(id));
                    }
                }
            }
            id = ids.end;
        }
        entries.sort_by_key(|(place, kind, _)| (*place, matches!(kind, EntryKind::Notification(_))));
        let mut body = AttemptBody::default();
        for (_, kind, raw) in entries {
            body.entry(kind, &raw);
        }
        match beyond {
            Beyond::Sentinel => {
                if commands.last().is_none_or(|last| last.kind != CommandKind::Output) {
                    body.sentinel();
                }
            }
            // Fences last: one that stood before a recorded cancellation would hide it.
            Beyond::Fences => {
                for id in fenced.into_iter().chain(id..id.saturating_add(FENCES)) {
                    body.completion(NotificationKind::Run, id, fence(self.sdk));
                }
            }
        }
        body.finish(&self.attempt)
    }
}

/// What stands behind the known commands of an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beyond {
    Fences,
    Sentinel,
}

impl Recording {
    fn of(recorded: Entries<'_>) -> Result<Self, Undecodable> {
        let undecodable = |entry_index: usize| move |source| Undecodable { side: Side::Recorded, entry_index, source };
        let (mut commands, mut results, mut signals) = (Vec::new(), BTreeMap::new(), Vec::new());
        let mut first_id = 1;
        for place in 0..recorded.len() {
            match recorded.kind(place) {
                EntryKind::Command(kind) => {
                    let command = decode(kind, recorded.raw(place)).map_err(undecodable(place))?;
                    if let Some((kind, result)) = eager_result(&command) {
                        results.insert(first_id, Completion { place, kind, result });
                    }
                    commands.push(RecordedCommand { kind, place, first_id });
                    first_id += kind.completion_ids();
                }
                EntryKind::Notification(kind) => {
                    let raw = recorded.raw(place);
                    let notification = decode_notification(kind, raw).map_err(undecodable(place))?;
                    match (notification.id, notification.outcome) {
                        (NotificationId::Completion(id), Some(result)) => {
                            results.insert(id, Completion { place, kind, result });
                        }
                        (NotificationId::Completion(_), None) => {}
                        _ => signals.push((place, kind, raw.to_vec())),
                    }
                }
            }
        }
        Ok(Self { commands, results, signals })
    }
}

impl Completion {
    /// As an entry that answers this id.
    fn entry(&self, id: u32) -> (usize, EntryKind, Vec<u8>) {
        let notification = Notification { id: NotificationId::Completion(id), outcome: Some(self.result.clone()) };
        (self.place, EntryKind::Notification(self.kind), encode_notification(&notification))
    }
}

/// Whether user code can catch what a fence raises in it.
fn fence_can_be_caught(sdk: Sdk) -> bool {
    matches!(fence(sdk), CompletionResult::Failure(_))
}

/// The first id behind all that these commands take.
fn next_id(commands: &[Known]) -> u32 {
    1 + commands.iter().map(|known| known.kind.completion_ids()).sum::<u32>()
}

/// A recorded command under other completion ids, the first of which is given.
fn renumbered(kind: CommandKind, raw: &[u8], first_id: u32) -> Option<Vec<u8>> {
    let mut command = decode(kind, raw).ok()?;
    let ids = fields(kind)
        .iter()
        .filter(|field| field.compared == Compared::CompletionId || field.name == "result_completion_id");
    for (offset, field) in ids.enumerate() {
        command.fields.retain(|(own, _)| own.tag != field.tag);
        command.fields.push((field, FieldValue::Number(u64::from(first_id) + offset as u64)));
    }
    command.fields.sort_by_key(|(field, _)| field.tag);
    Some(encode(&command))
}

/// Whether a command takes a result of this kind on its id number `offset`.
fn is_result_of(kind: CommandKind, offset: usize, result: NotificationKind) -> bool {
    made_up(kind, 1).nth(offset).is_some_and(|(_, taken)| taken.kind == result)
}

/// What an eager read has in itself, as the result of a lazy one: a candidate that gets no state reads lazily.
fn eager_result(command: &Command<'_>) -> Option<(NotificationKind, CompletionResult)> {
    let result = match (command.kind, command.get("value")) {
        (CommandKind::GetEagerState, Some(FieldValue::Bytes(value))) => CompletionResult::Value(value.to_vec()),
        (CommandKind::GetEagerState, _) => CompletionResult::Void,
        (CommandKind::GetEagerStateKeys, Some(FieldValue::StateKeys(keys))) => {
            CompletionResult::StateKeys(keys.keys.clone())
        }
        (CommandKind::GetEagerStateKeys, _) => CompletionResult::StateKeys(Vec::new()),
        _ => return None,
    };
    let kind = match command.kind {
        CommandKind::GetEagerState => NotificationKind::GetLazyState,
        _ => NotificationKind::GetLazyStateKeys,
    };
    Some((kind, result))
}

/// Results for a command that was not recorded: as little as possible. If the candidate stumbles over them, the trace
/// ends there.
fn made_up(kind: CommandKind, id: u32) -> impl Iterator<Item = (u32, Completion)> {
    use NotificationKind as To;
    let null = || CompletionResult::Value(b"null".to_vec());
    let invocation = || CompletionResult::InvocationId("inv_1".to_owned() + &"0".repeat(33));
    let results = match kind {
        CommandKind::GetLazyState | CommandKind::GetEagerState => {
            vec![(id, (To::GetLazyState, CompletionResult::Void))]
        }
        CommandKind::GetLazyStateKeys | CommandKind::GetEagerStateKeys => {
            vec![(id, (To::GetLazyStateKeys, CompletionResult::StateKeys(Vec::new())))]
        }
        CommandKind::GetPromise => vec![(id, (To::GetPromise, null()))],
        CommandKind::PeekPromise => vec![(id, (To::PeekPromise, CompletionResult::Void))],
        CommandKind::CompletePromise => vec![(id, (To::CompletePromise, CompletionResult::Void))],
        CommandKind::Sleep => vec![(id, (To::Sleep, CompletionResult::Void))],
        CommandKind::Call => vec![(id, (To::CallInvocationId, invocation())), (id + 1, (To::Call, null()))],
        CommandKind::OneWayCall => vec![(id, (To::CallInvocationId, invocation()))],
        CommandKind::Run => vec![(id, (To::Run, null()))],
        CommandKind::AttachInvocation => vec![(id, (To::AttachInvocation, null()))],
        CommandKind::GetInvocationOutput => vec![(id, (To::GetInvocationOutput, CompletionResult::Void))],
        CommandKind::Input
        | CommandKind::Output
        | CommandKind::SetState
        | CommandKind::ClearState
        | CommandKind::ClearAllState
        | CommandKind::SendSignal
        | CommandKind::CompleteAwakeable => Vec::new(),
    };
    results.into_iter().map(|(id, (kind, result))| (id, Completion { place: 0, kind, result }))
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

    #[test]
    fn a_command_is_renumbered_in_the_order_in_which_sdks_hand_ids_out() {
        let raw = hex_simd::decode_to_vec("0a075061796d656e7412066368617267651a0d7b22616d6f756e74223a31307d50035804")
            .unwrap();
        let call = renumbered(CommandKind::Call, &raw, 9).unwrap();
        let call = decode(CommandKind::Call, &call).unwrap();
        assert_eq!(call.number("invocation_id_notification_idx"), Some(9));
        assert_eq!(call.number("result_completion_id"), Some(10));
        assert_eq!(renumbered(CommandKind::SetState, &[0x0a, 0x01, b'k'], 9).unwrap(), [0x0a, 0x01, b'k']);
    }
}
