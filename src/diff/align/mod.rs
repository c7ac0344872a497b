//! Aligning the whole of both sequences, so that one inserted command is one divergence and what comes after it is
//! still compared.
//!
//! Pairs are made in four rounds: commands that replay would take for each other; the same, moved elsewhere;
//! commands of one kind on the same thing (run, state key, call target); commands of one kind. What is still left
//! side by side was replaced; the rest was removed or added.

mod pairing;
mod rows;
mod token;

use std::collections::BTreeMap;

use super::commands::Commands;
use super::stop::{AddedAwait, Stop, Undecodable};
use crate::journal::command::time_tag;
use crate::journal::{Ending, Entries, Trace};
use pairing::Aligner;

pub use rows::{Row, Rows, Shape};

/// Both sides' commands with what pairs with what.
#[derive(Debug)]
pub struct Alignment<'a> {
    pub recorded: Commands<'a>,
    pub replayed: Commands<'a>,
    /// Top to bottom, up to the frontier.
    pub rows: Rows,
    /// Those of them where the two sides do not agree.
    pub differing: Vec<usize>,
    /// The await at which replay stops, if it stops at one.
    pub added_await: Option<AddedAwait>,
    /// By row that moved: the recorded command before which the candidate issues it.
    pub moved_before: BTreeMap<usize, usize>,
}

/// A place where the two sides differ, unjudged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    pub shape: Shape,
    /// Where replay meets it, counting recorded commands.
    pub command_index: usize,
    pub recorded: Option<usize>,
    pub replayed: Option<usize>,
    /// Where it stands in [`Alignment::rows`].
    pub row: usize,
}

/// Aligns a journal with what a candidate did.
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
        // Everything before it is paired, one row a command.
        rows = rows.with_await(added.before);
        added_await = Some(added.clone());
    }
    let differing = rows.differing();
    let mut alignment =
        Alignment { recorded: mine, replayed: theirs, rows, differing, added_await, moved_before: BTreeMap::new() };
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
    /// The commands, with an Input in front, and how the run ended.
    pub(super) fn commands(self) -> (Commands<'a>, Ending) {
        match self {
            Self::Entries(entries) => (Commands::of_entries(entries), Ending::Unknown),
            Self::Trace(trace) => (Commands::of_trace(trace), trace.ending),
        }
    }
}

impl Alignment<'_> {
    /// Whether a pair that replays as one may differ in what is worth a note: in times, or by fields left out.
    pub fn may_be_noted(&self, recorded: usize, replayed: usize) -> bool {
        !self.both_are_entries(recorded, replayed)
            || (time_tag(self.recorded.kind(recorded)).is_some()
                && !self.recorded.same_bytes(recorded, &self.replayed, replayed))
    }

    /// Whether both commands lie in a journal as they came, and neither was written by hand.
    pub fn both_are_entries(&self, recorded: usize, replayed: usize) -> bool {
        self.recorded.entry_index(recorded).is_some() && self.replayed.entry_index(replayed).is_some()
    }

    /// Every divergence, in the order in which replay would meet them.
    pub fn divergences(&self) -> Vec<Divergence> {
        // Only what has no place of its own is placed by its neighbours.
        let differing = || self.differing.iter().map(|at| (*at, self.rows.at(*at)));
        let in_place = |(_, row): (usize, Row)| row.recorded.is_some() && row.shape != Some(Shape::Awaited);
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

    /// By row, in recorded coordinates: the place of one that has no recorded command is that of the next that has one.
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

    /// A moved command stands before the first recorded one that is replayed after it.
    fn moves(&self) -> BTreeMap<usize, usize> {
        let has_moved = |row: &Row| row.shape == Some(Shape::Moved);
        let moved: Vec<(usize, Row)> =
            self.differing.iter().map(|at| (*at, self.rows.at(*at))).filter(|(_, row)| has_moved(row)).collect();
        if moved.is_empty() {
            return BTreeMap::new();
        }
        let stays = |(row, place): (Row, usize)| row.replayed.filter(|_| !has_moved(&row)).map(|at| (at, place));
        let staying: Vec<(usize, usize)> = self.rows.iter().zip(self.places()).filter_map(stays).collect();
        let before = |moved: &Row| {
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

    /// One command changed between what is the same needs no alignment; where there is more to it, there is one.
    #[test]
    fn one_changed_command_is_told_with_and_without_alignment() {
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
        // Another time behind it.
        assert_eq!(replay((SET, &[0x0a, 0x01, b'c']), &[0x08, 2], &[0x0a, 0x01, b'b']), changed);
        // Another kind.
        let replaced = [None, None, Some(Shape::Replaced), None, None];
        assert_eq!(replay((CommandKind::ClearState, &[0x0a, 0x01, b'c']), &[0x08, 1], &[0x0a, 0x01, b'b']), replaced);
        // Two of them.
        let two = [None, None, Some(Shape::Changed), None, Some(Shape::Changed)];
        assert_eq!(replay((SET, &[0x0a, 0x01, b'c']), &[0x08, 1], &[0x0a, 0x01, b'd']), two);
    }

    /// A moved command is placed before a recorded one, whichever way it went.
    #[test]
    fn what_moved_is_told_with_where_it_went() {
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
