//! What pairs with what.

use std::collections::HashMap;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::token::{FieldMask, identity, same_kind, tokens};
use super::{Row, Rows, Shape};
use crate::diff::commands::Commands;
use crate::diff::stop::{Side, Undecodable};
use crate::journal::command::{Command, Compared};
use crate::journal::{CommandKind, Ending};
use crate::protocol::{Comparison, compare};

pub(super) struct Aligner<'c, 'a> {
    recorded: &'c Commands<'a>,
    replayed: &'c Commands<'a>,
    prefix: usize,
    /// How many commands at the end are the same on both sides.
    suffix: usize,
    /// Whether the commands right after the prefix are known to differ.
    diverges: bool,
    ending: Ending,
    /// By recorded command: what it pairs with, and how.
    pairs: Vec<Option<(usize, Option<Shape>)>>,
    taken: Vec<bool>,
}

impl<'c, 'a> Aligner<'c, 'a> {
    /// Commands between what is the same in front and at the end have to be understood.
    pub fn new(
        recorded: &'c Commands<'a>,
        replayed: &'c Commands<'a>,
        prefix: usize,
        diverges: bool,
        ending: Ending,
    ) -> Result<Self, Undecodable> {
        let (mine, theirs) = (recorded.len(), replayed.len());
        // Where replay stopped, the two are not the same, whatever else they are the same as.
        let most = mine.min(theirs).saturating_sub(prefix + usize::from(diverges));
        // Behind one change all is the same, mostly: bytes are compared the faster the more of them lie side by side.
        let suffix = if diverges && recorded.same_behind(prefix, replayed, prefix) {
            most
        } else {
            let same = |back: &usize| are_same(recorded, mine - back, replayed, theirs - back);
            (1..=most).take_while(same).last().unwrap_or(0)
        };
        (prefix..mine - suffix).try_for_each(|at| recorded.decode(at, Side::Recorded))?;
        (prefix..theirs - suffix).try_for_each(|at| replayed.decode(at, Side::Replayed))?;
        let mut aligner =
            Self { recorded, replayed, prefix, suffix, diverges, ending, pairs: Vec::new(), taken: Vec::new() };
        if aligner.is_straight() {
            return Ok(aligner);
        }
        aligner.pairs = vec![None; mine];
        aligner.taken = vec![false; theirs];
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
        self.taken[replayed] = true;
    }

    /// Whether the two go side by side all the way, with one command changed at most: most are so.
    fn is_straight(&self) -> bool {
        let (mine, theirs) = (self.recorded.len(), self.replayed.len());
        let same = self.prefix == mine && theirs >= mine;
        let one_changed = self.diverges
            && mine == theirs
            && self.prefix + 1 + self.suffix == mine
            && self.recorded.kind(self.prefix).modulo_eager() == self.replayed.kind(self.prefix).modulo_eager();
        same || one_changed
    }

    pub fn rows(mut self) -> Rows {
        if self.is_straight() {
            let len = self.recorded.len();
            return Rows::straight(len, (self.prefix < len).then_some(self.prefix));
        }
        self.pair_same();
        self.pair_moved();
        self.pair_within_gaps(identity, |_| usize::MAX);
        self.pair_within_gaps(same_kind, Gap::reach);
        self.pair_replaced();
        Rows::listed(self.lay_out())
    }

    /// Commands that replay would take for each other, but for their completion ids.
    fn pair_same(&mut self) {
        let mask = FieldMask::of(self.replayed);
        let (mine, theirs) = tokens(
            (self.prefix..self.recorded.len() - self.suffix).map(|at| mask.content(&self.recorded[at])),
            (self.prefix..self.replayed.len() - self.suffix).map(|at| mask.content(&self.replayed[at])),
        );
        for (a, b) in equal_pairs(&mine, &theirs) {
            let (recorded, replayed) = (self.prefix + a, self.prefix + b);
            // The only way to differ at the very place where replay stopped, and yet have the same content, is by
            // completion id with nothing before to explain it.
            let by_id_alone = self.diverges && a == 0 && b == 0;
            let shape = (by_id_alone || self.differs_left_out(recorded, replayed)).then_some(Shape::Changed);
            self.pair(recorded, replayed, shape);
        }
    }

    /// Fields that only some of a hand-written trace's commands have are no part of their tokens.
    fn differs_left_out(&self, recorded: usize, replayed: usize) -> bool {
        let (mine, theirs) = (&self.recorded[recorded], &self.replayed[replayed]);
        !theirs.complete
            && mine.differences(theirs).iter().any(|difference| difference.field.compared == Compared::Always)
    }

    fn pair_moved(&mut self) {
        let mask = FieldMask::of(self.replayed);
        let mut free: HashMap<u128, Vec<usize>> = HashMap::new();
        for at in (self.prefix..self.replayed.len()).rev() {
            // The end of a handler does not move: it comes earlier.
            if !self.taken[at] && self.replayed.kind(at) != CommandKind::Output {
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

    /// Pairs what is left between two pairs, where `token` agrees; of the recorded ones, as many as `reach` says.
    fn pair_within_gaps(&mut self, token: impl Fn(&Command<'_>) -> Option<u128>, reach: impl Fn(&Gap) -> usize) {
        for mut gap in self.gaps() {
            gap.recorded.truncate(reach(&gap));
            // Commands without a token pair with nothing: they get one of their own.
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

    /// What is left side by side was replaced; a return in the place of anything ends the handler early.
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

    /// The unpaired stretches between pairs that did not move.
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
            gap.replayed.extend((replayed.min(anchor)..anchor).filter(|at| !self.taken[*at]));
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

    /// Whether the candidate would have gone on behind its last command.
    fn breaks_off(&self) -> bool {
        let last = self.replayed.len().checked_sub(1);
        self.ending != Ending::Returned && last.is_none_or(|last| self.replayed.kind(last) != CommandKind::Output)
    }

    /// Rows from top to bottom: both sides' order is kept, but for what moved, which stands where it was recorded.
    fn lay_out(mut self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut next = 0;
        let stays =
            |pair: &Option<(usize, Option<Shape>)>| matches!(pair, Some((_, shape)) if *shape != Some(Shape::Moved));
        let end_of_trace = self.pairs.iter().rposition(stays).map_or(0, |last| last + 1);
        self.part_moved_after_return(end_of_trace);
        for (recorded, pair) in self.pairs.iter().enumerate() {
            let mut row = Row { recorded: Some(recorded), replayed: None, shape: Some(Shape::Removed) };
            match *pair {
                Some((at, shape)) => {
                    if shape != Some(Shape::Moved) {
                        for added in (next..at).filter(|at| !self.taken[*at]) {
                            rows.push(Row { recorded: None, replayed: Some(added), shape: Some(Shape::Added) });
                        }
                        next = at + 1;
                    }
                    row.replayed = Some(at);
                    row.shape = shape;
                }
                None if recorded >= end_of_trace => match self.ending {
                    Ending::Returned => {
                        for added in (next..self.replayed.len()).filter(|at| !self.taken[*at]) {
                            rows.push(Row { recorded: None, replayed: Some(added), shape: Some(Shape::Added) });
                        }
                        row.shape = Some(Shape::ReturnedEarly);
                    }
                    // Behind the trace's end nothing is known.
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

    /// What is recorded after the place where the candidate returned is not shown, so nothing moved from there: it
    /// was added.
    fn part_moved_after_return(&mut self, end_of_trace: usize) {
        let returned = self.pairs.iter().enumerate().position(|(recorded, pair)| match pair {
            Some((_, shape)) => *shape == Some(Shape::ReturnedEarly),
            None => recorded >= end_of_trace && self.ending == Ending::Returned,
        });
        for pair in self.pairs.iter_mut().skip(returned.map_or(usize::MAX, |at| at + 1)) {
            if let Some((at, Some(Shape::Moved))) = *pair {
                self.taken[at] = false;
                *pair = None;
            }
        }
    }
}

#[derive(Default)]
struct Gap {
    recorded: Vec<usize>,
    replayed: Vec<usize>,
    /// The replayed side stops here, though the candidate would have gone on.
    breaks_off: bool,
}

impl Gap {
    /// How far into the recorded side to look for commands of one kind. Where the trace breaks off, what it has stands
    /// for what comes first: nothing tells that the rest was removed.
    fn reach(&self) -> usize {
        if self.breaks_off { self.replayed.len() } else { usize::MAX }
    }
}

/// Whether two commands as they came are plainly the same to replay.
fn are_same(recorded: &Commands<'_>, at: usize, replayed: &Commands<'_>, their: usize) -> bool {
    recorded.same_bytes(at, replayed, their)
        || match (recorded.message(at), replayed.message(their)) {
            (Some((kind, mine)), Some((their_kind, theirs))) => {
                kind == their_kind && matches!(compare(kind, mine, theirs), Some(Comparison::Same { .. }))
            }
            _ => false,
        }
}

/// Longest common subsequence by token: pairs of places.
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
