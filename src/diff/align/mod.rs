//! An alignment: which recorded command corresponds to which replayed one, over the whole of both sequences.
//!
//! Unlike lockstep replay, it makes one inserted command one divergence, and still compares the commands after it.
//!
//! Commands are paired in four rounds: commands that replay accepts for each other; such commands that moved; commands
//! of one kind that work on the same thing (run, state key, call target); commands of one kind. Commands that are still
//! unpaired on both sides of a gap were replaced; all others were removed or added.

mod pairing;
mod rows;
mod token;

use std::collections::BTreeMap;

use super::commands::Commands;
use super::stop::{AddedAwait, Stop, Undecodable};
use crate::journal::command::time_tag;
use crate::journal::{Ending, Entries, Trace};
use pairing::Aligner;

pub use rows::{AlignedRow, AlignedRows, Shape};

/// The commands of both sides, and the rows that pair them.
#[derive(Debug)]
pub struct Alignment<'a> {
    pub recorded: Commands<'a>,
    pub replayed: Commands<'a>,
    /// The rows from top to bottom, up to the frontier.
    pub rows: AlignedRows,
    /// The indexes of the rows where the two sides differ.
    pub differing: Vec<usize>,
    /// The await at which replay stops, if it stops at one.
    pub added_await: Option<AddedAwait>,
    /// The invocation's id as 24 bytes, where it is known: awakeables are named by it.
    pub invocation: Option<[u8; 24]>,
    /// For each row that moved: the index of the recorded command before which the candidate issues it.
    pub moved_before: BTreeMap<usize, usize>,
}

/// A place where the two sides differ. It is not judged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    pub shape: Shape,
    /// The index of the recorded command at which replay meets it.
    pub command_index: usize,
    pub recorded: Option<usize>,
    pub replayed: Option<usize>,
    /// Its index in [`Alignment::rows`].
    pub row: usize,
}

/// Aligns a journal with a candidate's replay that ended at `stop`.
pub fn align<'a>(recorded: Entries<'a>, replayed: Replayed<'a>, stop: &Stop) -> Result<Alignment<'a>, Undecodable> {
    let mine = Commands::of_entries(recorded);
    let (theirs, ending) = replayed.commands();
    let (prefix, diverges) = match stop {
        Stop::Frontier => (mine.len(), false),
        Stop::Undecided(_) => (0, false),
        Stop::Divergence(at) | Stop::Violation(at) => (*at, true),
        Stop::Returned(at) | Stop::Failed(at) | Stop::TraceEnds(at) => (*at, false),
        Stop::Await(added) => (added.before, false),
    };
    let mut rows = Aligner::new(&mine, &theirs, prefix, diverges, ending)?.rows();
    let mut added_await = None;
    if let Stop::Await(added) = stop {
        // All commands before it are paired, one row per command, so its row has the same index.
        rows = rows.with_await(added.before);
        added_await = Some(added.clone());
    }
    let differing = rows.differing();
    let mut alignment = Alignment {
        recorded: mine,
        replayed: theirs,
        rows,
        differing,
        added_await,
        invocation: None,
        moved_before: BTreeMap::new(),
    };
    alignment.moved_before = alignment.moves();
    Ok(alignment)
}

/// The candidate's side, as bytes or as decoded steps.
#[derive(Clone, Copy, Debug)]
pub enum Replayed<'a> {
    Entries(Entries<'a>),
    Trace(&'a Trace),
}

impl<'a> Replayed<'a> {
    /// The commands, starting with an Input, and how the run ended.
    pub(super) fn commands(self) -> (Commands<'a>, Ending) {
        match self {
            Self::Entries(entries) => (Commands::of_entries(entries), Ending::Unknown),
            Self::Trace(trace) => (Commands::of_trace(trace), trace.ending),
        }
    }
}

impl Alignment<'_> {
    /// Whether a pair that replay accepts may still give a note: its time may differ, or a trace may leave fields out.
    pub fn may_have_notes(&self, recorded: usize, replayed: usize) -> bool {
        !self.both_are_entries(recorded, replayed)
            || (time_tag(self.recorded.kind(recorded)).is_some()
                && !self.recorded.same_bytes(recorded, &self.replayed, replayed))
    }

    /// Whether both commands are entries of journals, so that neither was written by hand.
    pub fn both_are_entries(&self, recorded: usize, replayed: usize) -> bool {
        self.recorded.entry_index(recorded).is_some() && self.replayed.entry_index(replayed).is_some()
    }

    /// Every divergence, in the order in which replay would meet them.
    pub fn divergences(&self) -> Vec<Divergence> {
        // Rows without a recorded command are placed by their neighbours. The places are computed only if needed.
        let differing = || self.differing.iter().map(|at| (*at, self.rows.at(*at)));
        let in_place = |(_, row): (usize, AlignedRow)| row.recorded.is_some() && row.shape != Some(Shape::Awaited);
        let places = if differing().all(in_place) { Vec::new() } else { self.places() };
        let mut divergences: Vec<Divergence> = differing()
            .filter_map(|(at, row)| {
                let shape = row.shape?;
                let command_index = match (shape, row.recorded) {
                    (Shape::Moved, Some(recorded)) => recorded.min(self.moved_before[&at]),
                    (Shape::Awaited, _) => {
                        self.added_await.as_ref().map_or(places[at], |added| added.run.unwrap_or(added.before))
                    }
                    (_, Some(recorded)) => recorded,
                    (_, None) => places[at],
                };
                Some(Divergence { shape, command_index, recorded: row.recorded, replayed: row.replayed, row: at })
            })
            .collect();
        divergences.sort_by_key(|divergence| (divergence.command_index, divergence.row));
        divergences
    }

    /// By row, the index of its recorded command. A row that has none, or that moved, gets the index of the next row
    /// that has one and did not move.
    fn places(&self) -> Vec<usize> {
        let mut next = self.recorded.len();
        let mut places = vec![0; self.rows.len()];
        for (row, place) in self.rows.iter().zip(&mut places).rev() {
            if let (Some(recorded), false) = (row.recorded, row.shape == Some(Shape::Moved)) {
                next = recorded;
            }
            *place = next;
        }
        places
    }

    /// For each row that moved, the first recorded command that the candidate issues after it and that did not move.
    fn moves(&self) -> BTreeMap<usize, usize> {
        let has_moved = |row: &AlignedRow| row.shape == Some(Shape::Moved);
        let moved: Vec<(usize, AlignedRow)> =
            self.differing.iter().map(|at| (*at, self.rows.at(*at))).filter(|(_, row)| has_moved(row)).collect();
        if moved.is_empty() {
            return BTreeMap::new();
        }
        let stays = |(row, place): (AlignedRow, usize)| row.replayed.filter(|_| !has_moved(&row)).map(|at| (at, place));
        let staying: Vec<(usize, usize)> = self.rows.iter().zip(self.places()).filter_map(stays).collect();
        let before = |moved: &AlignedRow| {
            let next = staying.partition_point(|(replayed, _)| Some(*replayed) < moved.replayed);
            staying.get(next).map_or(self.recorded.len(), |(_, place)| *place)
        };
        moved.into_iter().map(|(at, row)| (at, before(&row))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::replay_entries;
    use crate::journal::{CommandKind, EntryBuffer, EntryKind};

    const SET: CommandKind = CommandKind::SetState;

    fn journal(commands: &[(CommandKind, &[u8])]) -> EntryBuffer {
        let mut entries = EntryBuffer::default();
        entries.push(EntryKind::Command(CommandKind::Input), &[0x72, 0x00]);
        for (kind, raw) in commands {
            entries.push(EntryKind::Command(*kind), raw);
        }
        entries
    }

    fn shapes(recorded: &[(CommandKind, &[u8])], replayed: &[(CommandKind, &[u8])]) -> Vec<Option<Shape>> {
        let (recorded, replayed) = (journal(recorded), journal(replayed));
        let stop = replay_entries(recorded.view(), replayed.view()).unwrap().stop;
        let alignment = align(recorded.view(), Replayed::Entries(replayed.view()), &stop).unwrap();
        alignment.rows.iter().map(|row| row.shape).collect()
    }

    /// One changed command between equal ones takes a shortcut; every other difference is aligned.
    #[test]
    fn one_changed_command_is_found_with_and_without_the_shortcut() {
        let (a, b): (&[u8], &[u8]) = (&[0x0a, 0x01, b'a'], &[0x0a, 0x01, b'b']);
        let now: &[u8] = &[0x08, 1];
        let recorded = [(SET, a), (SET, b), (CommandKind::Sleep, now), (CommandKind::ClearState, b)];
        let changed = [None, None, Some(Shape::Changed), None, None];
        let replay = |second: (CommandKind, &'static [u8]), time: &'static [u8], last: &'static [u8]| {
            shapes(
                &recorded,
                &[(SET, &[0x0a, 0x01, b'a']), second, (CommandKind::Sleep, time), (CommandKind::ClearState, last)],
            )
        };
        assert_eq!(replay((SET, &[0x0a, 0x01, b'c']), &[0x08, 1], &[0x0a, 0x01, b'b']), changed);
        // A later command has another time.
        assert_eq!(replay((SET, &[0x0a, 0x01, b'c']), &[0x08, 2], &[0x0a, 0x01, b'b']), changed);
        // The command has another kind.
        let replaced = [None, None, Some(Shape::Replaced), None, None];
        assert_eq!(replay((CommandKind::ClearState, &[0x0a, 0x01, b'c']), &[0x08, 1], &[0x0a, 0x01, b'b']), replaced);
        // Two commands changed.
        let two = [None, None, Some(Shape::Changed), None, Some(Shape::Changed)];
        assert_eq!(replay((SET, &[0x0a, 0x01, b'c']), &[0x08, 1], &[0x0a, 0x01, b'd']), two);
    }

    /// A moved command is placed before a recorded one, whether it moved up or down.
    #[test]
    fn a_moved_command_has_its_new_place() {
        let set = |key: &'static [u8]| (SET, key);
        let [a, b, c]: [&[u8]; 3] = [&[0x0a, 0x01, b'a'], &[0x0a, 0x01, b'b'], &[0x0a, 0x01, b'c']];
        let run: (CommandKind, &[u8]) = (CommandKind::Run, &[0x58, 1]);
        for (replayed, moved) in [
            ([set(c), set(a), set(b), run], vec![(3, 1)]),
            ([set(b), set(c), run, set(a)], vec![(1, 5)]),
            ([set(b), set(c), set(a), run], vec![(1, 4)]),
            ([set(a), set(b), set(c), run], vec![]),
        ] {
            let (recorded, replayed) = (journal(&[set(a), set(b), set(c), run]), journal(&replayed));
            let stop = replay_entries(recorded.view(), replayed.view()).unwrap().stop;
            let alignment = align(recorded.view(), Replayed::Entries(replayed.view()), &stop).unwrap();
            assert_eq!(alignment.moved_before.into_iter().collect::<Vec<_>>(), moved);
        }
    }
}
