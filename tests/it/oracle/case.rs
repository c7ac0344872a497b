//! One case: a recorded journal and a candidate, both built from rows of bytes.

use std::fmt;

use proptest::array::{uniform8, uniform16, uniform32};
use proptest::collection::vec;
use proptest::prelude::*;
use rehearsal::journal::command::{FailureMessage, fields};
use rehearsal::journal::{CommandKind, Ending, EntryBuffer, EntryKind, NotificationKind};
use rehearsal::protocol::{self, CompletionResult, Notification, NotificationId};
use restate_sdk_shared_core::Version;

use super::choices::Choices;
use super::generate::{Operation, State, Step, is_eager};
use super::machine;
use super::mutate::{Sides, describe};

pub struct Case {
    pub version: Version,
    pub recorded: EntryBuffer,
    pub steps: Vec<Step>,
    /// The commands that the candidate writes when it replays nothing.
    pub replayed: EntryBuffer,
    pub ending: Ending,
    pub mutations: Vec<String>,
}

/// Cases as bytes, so that they shrink to fewer commands, fewer mutations and simpler choices.
pub fn cases() -> impl Strategy<Value = Case> {
    let commands = vec(uniform32(any::<u8>()), 0..12);
    let mutations = vec(uniform16(any::<u8>()), 0..3);
    let awaits = vec(uniform8(any::<u8>()), 0..4);
    (uniform32(any::<u8>()), commands, mutations, awaits)
        .prop_map(|(journal, commands, mutations, awaits)| Case::build(&journal, &commands, &mutations, &awaits))
}

impl Case {
    fn build(journal: &[u8], commands: &[[u8; 32]], mutations: &[[u8; 16]], awaits: &[[u8; 8]]) -> Self {
        let mut choices = Choices::new(journal);
        let version = choices.pick(&[Version::V7, Version::V6, Version::V5]);
        let input = choices.pick(&[&[][..], b"\x72\x03\x0a\x01\x31", b"\x0a\x06\x0a\x01k\x12\x01v\x72\x00"]);
        let state = State::any(&mut choices);
        let operations: Vec<Operation> =
            commands.iter().map(|row| Operation::any(&mut Choices::new(&row[..26]), version)).collect();

        let written = machine::write(version, input, &operations.iter().collect::<Vec<_>>(), &state);
        let mut sides = Sides { version, recorded: commands_of(&written), steps: Vec::new(), ending: Ending::Unknown };
        let results = results(&sides.recorded, &operations, commands, &mut choices);
        sides.steps = operations.into_iter().map(Step::Issue).collect();
        if choices.once_in(2) {
            awaits.iter().for_each(|row| sides.await_any(row));
        }
        let mutations = mutations.iter().map(|row| sides.mutate(row)).collect();

        let mut recorded = EntryBuffer::default();
        for (at, (kind, raw)) in sides.recorded.iter().enumerate() {
            recorded.push(EntryKind::Command(*kind), raw);
            for (_, kind, raw) in results.iter().filter(|(after, ..)| *after == at) {
                recorded.push(EntryKind::Notification(*kind), raw);
            }
        }
        let issued: Vec<&Operation> = sides
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Issue(operation) => Some(operation),
                Step::Await(_) => None,
            })
            .collect();
        let state = if choices.once_in(2) { State::any(&mut choices) } else { state };
        let replayed = machine::write(version, &[], &issued, &state);
        Self { version, recorded, steps: sides.steps, replayed, ending: sides.ending, mutations }
    }

    /// Whether a mutation numbered a lazy read out of order where the candidate reads eagerly. The machine counts ids
    /// and objects; an eager read as we see it has none, and no SDK records such a number.
    pub fn has_misnumbered_read(&self) -> bool {
        let mut next = 1;
        commands_of(&self.recorded).iter().zip(commands_of(&self.replayed)).any(|((kind, raw), (their_kind, _))| {
            let taken = match kind {
                CommandKind::Call => 2,
                CommandKind::OneWayCall => 1,
                kind if is_eager(*kind) || fields(*kind).iter().any(|field| field.name == "result_completion_id") => 1,
                _ => 0,
            };
            next += taken;
            let id = || protocol::decode(*kind, raw).ok()?.number("result_completion_id");
            !is_eager(*kind)
                && is_eager(their_kind)
                && kind.modulo_eager() == their_kind.modulo_eager()
                && id() != Some(next - taken)
        })
    }
}

pub fn commands_of(entries: &EntryBuffer) -> Vec<(CommandKind, Vec<u8>)> {
    let entries = entries.view();
    let command = |at| Some((entries.command_kind(at)?, entries.raw(at).to_vec()));
    (0..entries.len()).filter_map(command).collect()
}

/// Notifications, each with the command that it follows.
fn results(
    commands: &[(CommandKind, Vec<u8>)],
    operations: &[Operation],
    rows: &[[u8; 32]],
    journal: &mut Choices<'_>,
) -> Vec<(usize, NotificationKind, Vec<u8>)> {
    let mut results = Vec::new();
    let last = commands.len() - 1;
    let mut next = 1;
    for (at, ((kind, _), (operation, row))) in commands.iter().skip(1).zip(operations.iter().zip(rows)).enumerate() {
        let mut choices = Choices::new(&row[26..]);
        for offset in 0..operation.completion_ids() {
            let after = (at + 1 + choices.below(4)).min(last);
            if choices.below(4) == 3 || is_eager(*kind) {
                continue;
            }
            let (kind, outcome) = result(*kind, offset, &mut choices);
            results.push((after, kind, notification(NotificationId::Completion(next + offset), outcome)));
        }
        next += operation.completion_ids();
    }
    let go = NotificationId::NamedSignal("go".to_owned());
    let failure = CompletionResult::Failure(FailureMessage::default());
    for (times, id, outcome) in [
        // Cancellations.
        (6, NotificationId::Signal(1), CompletionResult::Void),
        (12, NotificationId::Signal(1), CompletionResult::Void),
        // Awakeables.
        (2, NotificationId::Signal(17), CompletionResult::Value(Vec::new())),
        (3, NotificationId::Signal(18), failure.clone()),
        (2, go.clone(), failure),
        (4, go, CompletionResult::Void),
    ] {
        if journal.once_in(times) {
            let after = journal.below(commands.len());
            results.push((after, NotificationKind::Signal, notification(id, outcome)));
        }
    }
    results
}

fn notification(id: NotificationId, outcome: CompletionResult) -> Vec<u8> {
    protocol::encode_notification(&Notification { id, outcome: Some(outcome) })
}

/// The outcome that fits a command; a call's first id is answered with the invocation's id.
fn result(kind: CommandKind, offset: u32, choices: &mut Choices<'_>) -> (NotificationKind, CompletionResult) {
    use CompletionResult::{InvocationId, StateKeys, Void};
    let value = CompletionResult::Value(b"1".to_vec());
    let failure =
        CompletionResult::Failure(FailureMessage { code: 500, message: "boom".to_owned(), metadata: Vec::new() });
    let ended = choices.pick(&[value.clone(), failure.clone()]);
    match (kind, offset) {
        (CommandKind::Run, _) => (NotificationKind::Run, ended),
        (CommandKind::GetLazyState, _) => (NotificationKind::GetLazyState, choices.pick(&[Void, value])),
        (CommandKind::GetLazyStateKeys, _) => (NotificationKind::GetLazyStateKeys, StateKeys(vec![b"cart".to_vec()])),
        (CommandKind::GetPromise, _) => (NotificationKind::GetPromise, ended),
        (CommandKind::PeekPromise, _) => (NotificationKind::PeekPromise, choices.pick(&[Void, value, failure])),
        (CommandKind::CompletePromise, _) => (NotificationKind::CompletePromise, choices.pick(&[Void, failure])),
        (CommandKind::Sleep, _) => (NotificationKind::Sleep, Void),
        (CommandKind::Call, 1) => (NotificationKind::Call, ended),
        (CommandKind::Call | CommandKind::OneWayCall, _) => {
            (NotificationKind::CallInvocationId, InvocationId("inv_1".to_owned()))
        }
        (CommandKind::AttachInvocation, _) => (NotificationKind::AttachInvocation, ended),
        (CommandKind::GetInvocationOutput, _) => {
            (NotificationKind::GetInvocationOutput, choices.pick(&[Void, value, failure]))
        }
        _ => unreachable!("{kind:?} takes no completion id"),
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nprotocol {:?}; mutations: {:?}", self.version, self.mutations)?;
        writeln!(f, "recorded:")?;
        let entries = self.recorded.view();
        let mut index = 0;
        for at in 0..entries.len() {
            match entries.kind(at) {
                EntryKind::Command(kind) => {
                    match protocol::decode(kind, entries.raw(at)) {
                        Ok(command) => writeln!(f, "  {index:>3}  {}", describe(&command))?,
                        Err(error) => writeln!(f, "  {index:>3}  {error}")?,
                    }
                    index += 1;
                }
                EntryKind::Notification(kind) => {
                    writeln!(f, "       ({} {:?})", kind.name(), protocol::decode_notification(kind, entries.raw(at)))?;
                }
            }
        }
        writeln!(f, "candidate, after its input:")?;
        for step in &self.steps {
            match step {
                Step::Issue(operation) => writeln!(f, "       {operation:?}")?,
                Step::Await(awaited) => writeln!(f, "       await any of {awaited:?}")?,
            }
        }
        writeln!(f, "       ending: {:?}", self.ending)
    }
}
