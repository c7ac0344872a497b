//! Lockstep replay: compares commands position by position, as the SDKs' machine does, up to the first that differs or
//! to the frontier.

use std::collections::{HashMap, HashSet, VecDeque};

use super::stop::{AddedAwait, Side, Stop, Undecodable};
use crate::journal::command::{Command, Compared};
use crate::journal::{Await, CommandKind, Ending, Entries, EntryKind, Position, Step, Trace};
use crate::protocol::{self, Comparison, NotificationId};

/// The result of a lockstep replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockstep {
    /// Number of recorded commands, including the Input.
    pub commands: usize,
    pub stop: Stop,
    /// Whether a wake-up or send time differs among the compared commands. Replay ignores such a difference.
    pub timing_differs: bool,
}

/// Replays recorded entries against a candidate's entries. Entries with equal bytes are equal, and are not decoded.
pub fn replay_entries(recorded: Entries<'_>, replayed: Entries<'_>) -> Result<Lockstep, Undecodable> {
    if recorded.same_layout(&replayed) {
        return replay_layout(&recorded, &replayed);
    }
    let mut timing_differs = false;
    let mut theirs = replayed.commands();
    let mut stop = Stop::Frontier;
    for (index, at) in recorded.commands().enumerate() {
        let Some(their) = theirs.next() else {
            stop = Stop::TraceEnds(index);
            break;
        };
        if !recorded.same_bytes(at, &replayed, their)
            && !same_command(recorded, at, replayed, their, &mut timing_differs)?
        {
            stop = Stop::Divergence(index);
            break;
        }
    }
    Ok(Lockstep { commands: recorded.command_count(), stop, timing_differs })
}

/// Replays entries that have the same kinds and lengths on both sides. One comparison of all bytes finds the entries
/// that differ, which is faster than comparing entry by entry.
fn replay_layout(recorded: &Entries<'_>, replayed: &Entries<'_>) -> Result<Lockstep, Undecodable> {
    let mut timing_differs = false;
    let mut stop = Stop::Frontier;
    let mut from = Position::default();
    while let Some(at) = recorded.differs_from(replayed, from) {
        let entry = at.entry;
        from = Position { entry: entry + 1, byte: 0 };
        let Some(kind) = recorded.command_kind(entry) else { continue };
        if let Some(byte) = protocol::end_of_differing_time(kind, recorded.raw(entry), replayed.raw(entry), at.byte) {
            timing_differs = true;
            from = Position { entry, byte };
        } else if !same_command(*recorded, entry, *replayed, entry, &mut timing_differs)? {
            stop = Stop::Divergence(recorded.range(0..entry).command_count());
            break;
        }
    }
    Ok(Lockstep { commands: recorded.command_count(), stop, timing_differs })
}

fn same_command(
    recorded: Entries<'_>,
    at: usize,
    replayed: Entries<'_>,
    their: usize,
    timing: &mut bool,
) -> Result<bool, Undecodable> {
    let (EntryKind::Command(kind), EntryKind::Command(their_kind)) = (recorded.kind(at), replayed.kind(their)) else {
        return Ok(false);
    };
    if kind.modulo_eager() != their_kind.modulo_eager() {
        return Ok(false);
    }
    if kind == CommandKind::Input {
        return Ok(true);
    }
    let compared =
        if kind == their_kind { protocol::compare(kind, recorded.raw(at), replayed.raw(their)) } else { None };
    match compared {
        Some(Comparison::Same { timing: differs }) => {
            *timing |= differs;
            return Ok(true);
        }
        Some(Comparison::Differs) => return Ok(false),
        None => {}
    }
    let mine = decode_command(recorded, at, Side::Recorded)?;
    let theirs = decode_command(replayed, their, Side::Replayed)?;
    Ok(replays_as(&mine, &theirs, timing))
}

/// Whether replay accepts `replayed` in the place of `recorded`.
fn replays_as(recorded: &Command, replayed: &Command, timing: &mut bool) -> bool {
    if recorded.kind.modulo_eager() != replayed.kind.modulo_eager() {
        return false;
    }
    let mut seen_timing = false;
    let same = recorded.differences(replayed).iter().all(|difference| match difference.field.compared {
        Compared::Always | Compared::CompletionId => false,
        Compared::Timing => {
            seen_timing = true;
            true
        }
        Compared::Never => true,
    });
    *timing |= same && seen_timing;
    same
}

pub(super) fn decode_command(entries: Entries<'_>, at: usize, side: Side) -> Result<Command<'_>, Undecodable> {
    let EntryKind::Command(kind) = entries.kind(at) else { unreachable!("callers pass the place of a command") };
    protocol::decode(kind, entries.raw(at)).map_err(|source| Undecodable { side, entry_index: at, source })
}

/// Replays recorded entries against a trace, which has decoded steps, awaits and an ending.
pub fn replay_trace(recorded: Entries<'_>, trace: &Trace) -> Result<Lockstep, Undecodable> {
    let places: Vec<usize> = recorded.commands().collect();
    let commands = places.len();
    let mut timing_differs = false;
    let mut results: Option<Results> = None;
    let mut ids = CompletionIds::default();
    let mut index = 0;
    let mut steps = trace.steps.iter().peekable();
    // A hand-written trace may leave the Input out.
    if !matches!(steps.peek(), Some(Step::Command(command)) if command.kind == CommandKind::Input) && commands > 0 {
        index = 1;
    }
    let mut stop = None;
    let mut last_await = None;
    for step in steps {
        if index == commands {
            break;
        }
        match step {
            Step::Command(command) => {
                let mine = decode_command(recorded, places[index], Side::Recorded)?;
                if !replays_as(&mine, command, &mut timing_differs) {
                    stop = Some(Stop::Divergence(index));
                    break;
                }
                ids.assign(&mine, index);
                index += 1;
            }
            Step::Await(awaited) => {
                last_await = Some(awaited);
                if results.is_none() {
                    results = Some(Results::of(recorded)?);
                }
                if let Some(results) = &mut results
                    && !results.satisfy(awaited, &ids)
                {
                    stop = Some(Stop::Await(results.added_await(index, awaited, &ids)));
                    break;
                }
            }
        }
    }
    let stop = match stop {
        Some(stop) => stop,
        None if index == commands => Stop::Frontier,
        None => match trace.ending {
            Ending::Returned => Stop::Returned(index),
            Ending::Failed => Stop::Failed(index),
            // The candidate waits and does not go on, although recorded commands remain.
            Ending::Suspended => {
                let nothing = Await::default();
                Stop::Await(Results::of(recorded)?.added_await(index, last_await.unwrap_or(&nothing), &ids))
            }
            Ending::Unknown => Stop::TraceEnds(index),
        },
    };
    Ok(Lockstep { commands, stop, timing_differs })
}

/// The results in a journal. As in the SDKs' machine, they become ready one after the other, in stored order, until an
/// await has one for which it waits.
struct Results {
    stored: VecDeque<NotificationId>,
    /// The results that are ready, each with how many remain. A completion stays; each signal ends one await.
    ready: HashMap<NotificationId, usize>,
}

/// Signal 1 cancels: it ends any await.
const CANCEL: NotificationId = NotificationId::Signal(1);

impl Results {
    fn of(recorded: Entries<'_>) -> Result<Self, Undecodable> {
        let mut stored = VecDeque::new();
        for at in 0..recorded.len() {
            if let EntryKind::Notification(kind) = recorded.kind(at) {
                let notification = protocol::decode_notification(kind, recorded.raw(at))
                    .map_err(|source| Undecodable { side: Side::Recorded, entry_index: at, source })?;
                stored.push_back(notification.id);
            }
        }
        Ok(Self { stored, ready: HashMap::new() })
    }

    /// The await that stops replay. Of several pending runs it names the last, as SDKs do.
    fn added_await(&self, before: usize, awaited: &Await, ids: &CompletionIds) -> AddedAwait {
        let is_pending = |id: &&u32| {
            let id = NotificationId::Completion(**id);
            !self.ready.contains_key(&id) && !self.stored.contains(&id)
        };
        let run = awaited.completions.iter().rev().filter(is_pending).find_map(|id| ids.run_of(*id));
        AddedAwait { before, run, awaited: awaited.clone() }
    }

    /// Whether a recorded result ends this await. If so, the signals among its results are used up.
    fn satisfy(&mut self, awaited: &Await, ids: &CompletionIds) -> bool {
        let completions = awaited.completions.iter().map(|id| NotificationId::Completion(*id));
        let signals = awaited.signals.iter().map(|id| NotificationId::Signal(*id));
        let named = awaited.named_signals.iter().map(|name| NotificationId::NamedSignal(name.clone()));
        let mut wanted: Vec<NotificationId> = completions.chain(signals).chain(named).collect();
        if wanted.is_empty() {
            return true;
        }
        wanted.push(CANCEL);
        let has_eager_result = awaited.completions.iter().any(|id| ids.read_eagerly(*id));
        while !has_eager_result && !wanted.iter().any(|id| self.ready.contains_key(id)) {
            let Some(next) = self.stored.pop_front() else { return false };
            *self.ready.entry(next).or_default() += 1;
        }
        for id in wanted.iter().filter(|id| !matches!(id, NotificationId::Completion(_))) {
            self.take(id);
        }
        true
    }

    fn take(&mut self, id: &NotificationId) {
        if let Some(left) = self.ready.get_mut(id) {
            *left -= 1;
            if *left == 0 {
                self.ready.remove(id);
            }
        }
    }
}

/// The completion ids of the commands so far, as SDKs assign them.
struct CompletionIds {
    next: u32,
    eager: HashSet<u32>,
    /// Completion ids of runs, each with the index of its command.
    runs: Vec<(u32, usize)>,
}

impl Default for CompletionIds {
    fn default() -> Self {
        Self { next: 1, eager: HashSet::new(), runs: Vec::new() }
    }
}

impl CompletionIds {
    fn assign(&mut self, command: &Command, index: usize) {
        let assigned = command.kind.completion_ids();
        match command.kind {
            // The command of an eager read holds its own result.
            CommandKind::GetEagerState | CommandKind::GetEagerStateKeys => {
                self.eager.insert(self.next);
            }
            CommandKind::Run => self.runs.push((self.next, index)),
            _ => {}
        }
        self.next += assigned;
    }

    fn read_eagerly(&self, id: u32) -> bool {
        self.eager.contains(&id)
    }

    fn run_of(&self, id: u32) -> Option<usize> {
        self.runs.iter().find(|(run, _)| *run == id).map(|(_, index)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{EntryBuffer, NotificationKind};

    const SLEEP: EntryKind = EntryKind::Command(CommandKind::Sleep);
    const SLEPT: EntryKind = EntryKind::Notification(NotificationKind::Sleep);
    const SET: EntryKind = EntryKind::Command(CommandKind::SetState);

    fn entries(entries: &[(EntryKind, &[u8])]) -> EntryBuffer {
        let mut buffer = EntryBuffer::default();
        buffer.push(EntryKind::Command(CommandKind::Input), &[0x72, 0x00]);
        for (kind, raw) in entries {
            buffer.push(*kind, raw);
        }
        buffer
    }

    fn replay(recorded: &EntryBuffer, replayed: &EntryBuffer) -> (Stop, bool) {
        let Lockstep { stop, timing_differs, .. } = replay_entries(recorded.view(), replayed.view()).unwrap();
        (stop, timing_differs)
    }

    /// Entries of the same layout are compared as bytes, and others one by one. Both ways give the same result.
    #[test]
    fn entries_of_one_layout_replay_as_any_others() {
        let set = |value: u8| [0x0a, 0x01, b'k', 0x1a, 0x03, 0x0a, 0x01, value];
        let recorded = entries(&[(SLEEP, &[0x08, 1]), (SLEPT, &[0x08, 1, 0x22, 0]), (SET, &set(1)), (SET, &set(2))]);
        for (replayed, stop, timing) in [
            (
                [(SLEEP, &[0x08, 1][..]), (SLEPT, &[0x08, 1, 0x22, 0]), (SET, &set(1)), (SET, &set(2))],
                Stop::Frontier,
                false,
            ),
            ([(SLEEP, &[0x08, 2]), (SLEPT, &[0x08, 1, 0x22, 0]), (SET, &set(1)), (SET, &set(2))], Stop::Frontier, true),
            (
                [(SLEEP, &[0x08, 1]), (SLEPT, &[0x08, 9, 0x2a, 0]), (SET, &set(1)), (SET, &set(2))],
                Stop::Frontier,
                false,
            ),
            (
                [(SLEEP, &[0x08, 2]), (SLEPT, &[0x08, 9, 0x2a, 0]), (SET, &set(3)), (SET, &set(2))],
                Stop::Divergence(2),
                true,
            ),
            (
                [(SLEEP, &[0x08, 1]), (SLEPT, &[0x08, 1, 0x22, 0]), (SET, &set(1)), (SET, &set(1))],
                Stop::Divergence(3),
                false,
            ),
        ] {
            let same_layout = entries(&replayed);
            assert_eq!(replay(&recorded, &same_layout), (stop.clone(), timing), "{replayed:?}");
            // One more result changes the layout only.
            let more: Vec<_> =
                replayed[..2].iter().chain([&(SLEPT, &[0x08, 7][..])]).chain(&replayed[2..]).copied().collect();
            assert_eq!(replay(&recorded, &entries(&more)), (stop, timing), "{replayed:?}");
        }
    }

    #[test]
    fn fields_after_a_differing_time_are_compared() {
        let sleep = |time: u8, id: u8, name: u8| [0x08, time, 0x58, id, 0x62, 0x01, name];
        let recorded = entries(&[(SLEEP, &sleep(1, 1, b'n')), (SLEEP, &sleep(1, 2, b'n'))]);
        for (second, stop) in [
            (sleep(1, 2, b'n'), Stop::Frontier),
            (sleep(3, 2, b'n'), Stop::Frontier),
            (sleep(3, 9, b'n'), Stop::Frontier),
            (sleep(3, 2, b'm'), Stop::Divergence(2)),
            (sleep(3, 9, b'm'), Stop::Divergence(2)),
        ] {
            let replayed = entries(&[(SLEEP, &sleep(2, 1, b'n')), (SLEEP, &second)]);
            assert_eq!(replay(&recorded, &replayed), (stop, true), "{second:?}");
        }
    }
}
