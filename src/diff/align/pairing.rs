//! An aligner: pairs the commands of both sides, and lays the pairs out as rows.

use std::collections::HashMap;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::token::{FieldMask, identity, same_kind, tokens};
use super::{AlignedRow, AlignedRows, Shape};
use crate::diff::commands::Commands;
use crate::diff::stop::{Side, Undecodable};
use crate::journal::command::{Command, Compared};
use crate::journal::{CommandKind, Ending};
use crate::protocol::{Comparison, compare};

pub(super) struct Aligner<'c, 'a> {
    recorded: &'c Commands<'a>,
    replayed: &'c Commands<'a>,
    /// Number of commands at the start that replay accepts.
    prefix: usize,
    /// Number of commands at the end that are the same on both sides.
    suffix: usize,
    /// Whether the commands right after the prefix are known to differ.
    diverges: bool,
    ending: Ending,
    /// By recorded command: the replayed command of its pair, and how the two differ.
    pairs: Vec<Option<(usize, Option<Shape>)>>,
    /// By replayed command: whether it is in a pair.
    paired: Vec<bool>,
}

impl<'c, 'a> Aligner<'c, 'a> {
    /// Decodes the commands between the prefix and the suffix, which fails if one of them cannot be decoded.
    pub fn new(
        recorded: &'c Commands<'a>,
        replayed: &'c Commands<'a>,
        prefix: usize,
        diverges: bool,
        ending: Ending,
    ) -> Result<Self, Undecodable> {
        let (mine, theirs) = (recorded.len(), replayed.len());
        // The commands at which replay stopped differ, so they are not part of the suffix.
        let longest = mine.min(theirs).saturating_sub(prefix + usize::from(diverges));
        // Mostly everything after a change is the same. One comparison of all of it is faster than one per command.
        let suffix = if diverges && recorded.same_after(prefix, replayed, prefix) {
            longest
        } else {
            let same = |back: &usize| surely_same(recorded, mine - back, replayed, theirs - back);
            (1..=longest).take_while(same).last().unwrap_or(0)
        };
        (prefix..mine - suffix).try_for_each(|at| recorded.decode(at, Side::Recorded))?;
        (prefix..theirs - suffix).try_for_each(|at| replayed.decode(at, Side::Replayed))?;
        let mut aligner =
            Self { recorded, replayed, prefix, suffix, diverges, ending, pairs: Vec::new(), paired: Vec::new() };
        if aligner.is_in_step() {
            return Ok(aligner);
        }
        aligner.pairs = vec![None; mine];
        aligner.paired = vec![false; theirs];
        for at in 0..prefix.min(theirs) {
            aligner.pair(at, at, None);
        }
        for back in 1..=suffix {
            aligner.pair(mine - back, theirs - back, None);
        }
        Ok(aligner)
    }

    fn pair(&mut self, recorded: usize, replayed: usize, shape: Option<Shape>) {
        self.pairs[recorded] = Some((replayed, shape));
        self.paired[replayed] = true;
    }

    /// Whether every recorded command pairs with the replayed one at the same index, with at most one change. Most
    /// journals are like this, and then nothing more has to be done.
    fn is_in_step(&self) -> bool {
        let (mine, theirs) = (self.recorded.len(), self.replayed.len());
        let same = self.prefix == mine && theirs >= mine;
        let one_changed = self.diverges
            && mine == theirs
            && self.prefix + 1 + self.suffix == mine
            && self.recorded.kind(self.prefix).modulo_eager() == self.replayed.kind(self.prefix).modulo_eager();
        same || one_changed
    }

    /// Pairs the commands and returns the rows.
    pub fn rows(mut self) -> AlignedRows {
        if self.is_in_step() {
            let len = self.recorded.len();
            return AlignedRows::in_step(len, (self.prefix < len).then_some(self.prefix));
        }
        self.pair_same();
        self.pair_moved();
        self.pair_within_gaps(identity, |_| usize::MAX);
        self.pair_within_gaps(same_kind, Gap::reach);
        self.pair_replaced();
        AlignedRows::listed(self.lay_out())
    }

    /// Pairs commands that replay accepts for each other, apart from their completion ids.
    fn pair_same(&mut self) {
        let mask = FieldMask::of(self.replayed);
        let (mine, theirs) = tokens(
            (self.prefix..self.recorded.len() - self.suffix).map(|at| mask.content(&self.recorded[at])),
            (self.prefix..self.replayed.len() - self.suffix).map(|at| mask.content(&self.replayed[at])),
        );
        for (a, b) in equal_pairs(&mine, &theirs) {
            let (recorded, replayed) = (self.prefix + a, self.prefix + b);
            // If the commands at which replay stopped have the same content, only their completion ids differ, and no
            // earlier change explains that. So the pair itself changed.
            let by_id_alone = self.diverges && a == 0 && b == 0;
            let shape = (by_id_alone || self.differs_left_out(recorded, replayed)).then_some(Shape::Changed);
            self.pair(recorded, replayed, shape);
        }
    }

    /// Whether a pair differs in a field that [`FieldMask`] leaves out of the tokens, because some commands of a
    /// hand-written trace lack it.
    fn differs_left_out(&self, recorded: usize, replayed: usize) -> bool {
        let (mine, theirs) = (&self.recorded[recorded], &self.replayed[replayed]);
        !theirs.complete
            && mine.differences(theirs).iter().any(|difference| difference.field.compared == Compared::Always)
    }

    /// Pairs equal commands that are at another place on the other side.
    fn pair_moved(&mut self) {
        let mask = FieldMask::of(self.replayed);
        let mut free: HashMap<u128, Vec<usize>> = HashMap::new();
        for at in (self.prefix..self.replayed.len()).rev() {
            // An Output does not move: where it comes earlier, the handler returned early.
            if !self.paired[at] && self.replayed.kind(at) != CommandKind::Output {
                free.entry(mask.content(&self.replayed[at])).or_default().push(at);
            }
        }
        for recorded in self.prefix..self.recorded.len() {
            if self.pairs[recorded].is_some() {
                continue;
            }
            if let Some(places) = free.get_mut(&mask.content(&self.recorded[recorded]))
                && let Some(replayed) = places.pop()
            {
                self.pair(recorded, replayed, Some(Shape::Moved));
            }
        }
    }

    /// Pairs commands in each gap that have equal tokens, among the first `reach` recorded commands of the gap.
    fn pair_within_gaps(&mut self, token: impl Fn(&Command<'_>) -> Option<u128>, reach: impl Fn(&Gap) -> usize) {
        for mut gap in self.gaps() {
            gap.recorded.truncate(reach(&gap));
            // A command without a token pairs with nothing, so it gets a token of its own.
            let side = |commands: &Commands<'_>, places: &[usize], salt: u128| -> Vec<u128> {
                places
                    .iter()
                    .enumerate()
                    .map(|(at, place)| token(&commands[*place]).unwrap_or(salt + at as u128))
                    .collect()
            };
            let (mine, theirs) = tokens(
                side(self.recorded, &gap.recorded, 1 << 100).into_iter(),
                side(self.replayed, &gap.replayed, 1 << 101).into_iter(),
            );
            for (a, b) in equal_pairs(&mine, &theirs) {
                self.pair(gap.recorded[a], gap.replayed[b], Some(Shape::Changed));
            }
        }
    }

    /// Pairs the commands that remain on both sides of a gap as replaced. Where the replayed one is an Output, the
    /// candidate returned early.
    fn pair_replaced(&mut self) {
        for Gap { mut recorded, mut replayed, .. } in self.gaps() {
            let is_output = |commands: &Commands<'_>, at: Option<&usize>| {
                at.is_some_and(|at| commands.kind(*at) == CommandKind::Output)
            };
            let both_return = is_output(self.recorded, recorded.last()) && is_output(self.replayed, replayed.last());
            if both_return
                && (recorded.len() == 1 || replayed.len() > 1)
                && let (Some(mine), Some(theirs)) = (recorded.pop(), replayed.pop())
            {
                self.pair(mine, theirs, Some(Shape::Changed));
            }
            for (mine, theirs) in recorded.into_iter().zip(replayed) {
                let returned = self.replayed.kind(theirs) == CommandKind::Output;
                self.pair(mine, theirs, Some(if returned { Shape::ReturnedEarly } else { Shape::Replaced }));
                if returned {
                    break;
                }
            }
        }
    }

    /// The gaps between pairs that did not move: runs of unpaired commands on both sides.
    fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut gap = Gap::default();
        let mut replayed = self.prefix;
        for recorded in self.prefix..=self.recorded.len() {
            let anchor = match self.pairs.get(recorded) {
                None => self.replayed.len(),
                Some(None) => {
                    gap.recorded.push(recorded);
                    continue;
                }
                Some(Some((_, Some(Shape::Moved)))) => continue,
                Some(Some((anchor, _))) => *anchor,
            };
            gap.replayed.extend((replayed.min(anchor)..anchor).filter(|at| !self.paired[*at]));
            replayed = anchor + 1;
            if !gap.recorded.is_empty() && !gap.replayed.is_empty() {
                gap.breaks_off = recorded == self.recorded.len() && self.breaks_off();
                gaps.push(std::mem::take(&mut gap));
            } else {
                gap = Gap::default();
            }
        }
        gaps
    }

    /// Whether the candidate would have issued more commands after its last one.
    fn breaks_off(&self) -> bool {
        let last = self.replayed.len().checked_sub(1);
        self.ending != Ending::Returned && last.is_none_or(|last| self.replayed.kind(last) != CommandKind::Output)
    }

    /// The rows from top to bottom, in the order of both sides. A moved command is in the row where it was recorded.
    fn lay_out(mut self) -> Vec<AlignedRow> {
        let mut rows = Vec::new();
        let mut next = 0;
        let stays =
            |pair: &Option<(usize, Option<Shape>)>| matches!(pair, Some((_, shape)) if *shape != Some(Shape::Moved));
        let end_of_trace = self.pairs.iter().rposition(stays).map_or(0, |last| last + 1);
        self.unpair_moved_after_return(end_of_trace);
        for (recorded, pair) in self.pairs.iter().enumerate() {
            let mut row = AlignedRow { recorded: Some(recorded), replayed: None, shape: Some(Shape::Removed) };
            match *pair {
                Some((at, shape)) => {
                    if shape != Some(Shape::Moved) {
                        rows.extend(self.added_rows(next..at));
                        next = at + 1;
                    }
                    row.replayed = Some(at);
                    row.shape = shape;
                }
                None if recorded >= end_of_trace => match self.ending {
                    Ending::Returned => {
                        rows.extend(self.added_rows(next..self.replayed.len()));
                        row.shape = Some(Shape::ReturnedEarly);
                    }
                    // Nothing is known about commands after the end of the trace.
                    Ending::Unknown | Ending::Suspended | Ending::Failed => continue,
                },
                None => {}
            }
            let returned = row.shape == Some(Shape::ReturnedEarly);
            rows.push(row);
            if returned {
                break;
            }
        }
        rows
    }

    /// Rows of the replayed commands in a range that have no pair.
    fn added_rows(&self, places: Range<usize>) -> impl Iterator<Item = AlignedRow> + '_ {
        let added = places.filter(|at| !self.paired[*at]);
        added.map(|at| AlignedRow { recorded: None, replayed: Some(at), shape: Some(Shape::Added) })
    }

    /// Dissolves pairs that moved up from after the place where the candidate returned. Recorded commands after that
    /// place are not shown, so the replayed command of such a pair is shown as added.
    fn unpair_moved_after_return(&mut self, end_of_trace: usize) {
        let returned = self.pairs.iter().enumerate().position(|(recorded, pair)| match pair {
            Some((_, shape)) => *shape == Some(Shape::ReturnedEarly),
            None => recorded >= end_of_trace && self.ending == Ending::Returned,
        });
        for pair in self.pairs.iter_mut().skip(returned.map_or(usize::MAX, |at| at + 1)) {
            if let Some((at, Some(Shape::Moved))) = *pair {
                self.paired[at] = false;
                *pair = None;
            }
        }
    }
}

/// The unpaired commands of both sides between two pairs.
#[derive(Default)]
struct Gap {
    recorded: Vec<usize>,
    replayed: Vec<usize>,
    /// Whether the trace ends in this gap although the candidate would have gone on.
    breaks_off: bool,
}

impl Gap {
    /// How many recorded commands may pair by kind alone. Where the trace breaks off, its commands correspond to the
    /// first recorded ones, because nothing shows that any of those were removed.
    fn reach(&self) -> usize {
        if self.breaks_off { self.replayed.len() } else { usize::MAX }
    }
}

/// Whether replay certainly accepts one command for the other. This looks at their bytes only.
fn surely_same(recorded: &Commands<'_>, at: usize, replayed: &Commands<'_>, their: usize) -> bool {
    recorded.same_bytes(at, replayed, their)
        || match (recorded.message(at), replayed.message(their)) {
            (Some((kind, mine)), Some((their_kind, theirs))) => {
                kind == their_kind && matches!(compare(kind, mine, theirs), Some(Comparison::Same { .. }))
            }
            _ => false,
        }
}

/// The longest common subsequence of two lists of tokens, as pairs of places.
fn equal_pairs(mine: &[u32], theirs: &[u32]) -> Vec<(usize, usize)> {
    capture_diff_slices(Algorithm::Myers, mine, theirs)
        .into_iter()
        .filter_map(|op| match op {
            DiffOp::Equal { old_index, new_index, len } => {
                Some((0..len).map(move |at| (old_index + at, new_index + at)))
            }
            _ => None,
        })
        .flatten()
        .collect()
}
