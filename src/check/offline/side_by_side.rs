//! Adjacent journals: journals that lie in memory in the same order on both sides.
//!
//! Most are equal to the candidate's, so one comparison of bytes covers many of them.

use std::ops::Range;

use super::judge::check_journal;
use crate::diff::Replayed;
use crate::journal::{Entries, InvocationInfo};
use crate::report::Judgement;
use crate::rules::Redaction;

/// One result of [`check_journals`], for one or several journals.
#[derive(Debug)]
pub enum Checked {
    /// These journals equal the candidate's, byte for byte.
    Same(Range<usize>),
    /// The entries of this journal differ.
    Judged(usize, Judgement),
}

/// Checks adjacent journals. `ends` holds the index after the last entry of each journal, the same on both sides.
///
/// A run of journals that are equal on both sides costs one comparison of bytes.
pub fn check_journals(
    recorded: Entries<'_>,
    replayed: Entries<'_>,
    ends: &[usize],
    info: &InvocationInfo,
    redaction: Redaction,
    mut sink: impl FnMut(Checked),
) {
    equal_runs(recorded, replayed, ends, |same, differs| {
        if !same.is_empty() {
            sink(Checked::Same(same));
        }
        if let Some(journal) = differs {
            let range = if journal == 0 { 0 } else { ends[journal - 1] }..ends[journal];
            let replays = [Replayed::Entries(replayed.range(range.clone()))];
            sink(Checked::Judged(journal, check_journal(recorded.range(range), &replays, info, redaction)));
        }
    });
}

/// Whether a journal that lies in several parts is the same on both sides, byte for byte. The parts of the two sides
/// may end at different places.
pub(super) fn same_in_parts(recorded: &[Entries<'_>], replayed: &[Entries<'_>]) -> bool {
    let (mut recorded, mut replayed) = (recorded.iter(), replayed.iter());
    let (mut mine, mut theirs) = (Entries::default(), Entries::default());
    loop {
        if mine.is_empty() {
            mine = recorded.next().copied().unwrap_or_default();
        }
        if theirs.is_empty() {
            theirs = replayed.next().copied().unwrap_or_default();
        }
        let both = mine.len().min(theirs.len());
        if both == 0 {
            return mine.is_empty() && theirs.is_empty();
        }
        if !mine.range(0..both).identical(&theirs.range(0..both)) {
            return false;
        }
        (mine, theirs) = (mine.range(both..mine.len()), theirs.range(both..theirs.len()));
    }
}

/// Splits adjacent journals into runs that are equal on both sides. `sink` gets each run, with the journal after it
/// that differs, or `None` where the comparison ended before a difference.
pub(super) fn equal_runs(
    recorded: Entries<'_>,
    replayed: Entries<'_>,
    ends: &[usize],
    mut sink: impl FnMut(Range<usize>, Option<usize>),
) {
    // Journals that differ often come together. So after a difference one journal is compared at a time, and the number
    // doubles with each comparison that finds no difference.
    let mut step = ends.len();
    let mut journal = 0;
    while journal < ends.len() {
        let last = journal.saturating_add(step).min(ends.len()) - 1;
        let range = if journal == 0 { 0 } else { ends[journal - 1] }..ends[last];
        let from = range.start;
        match recorded.range(range.clone()).first_difference(&replayed.range(range)) {
            None => {
                sink(journal..last + 1, None);
                journal = last + 1;
                step = step.saturating_mul(2);
            }
            Some(at) => {
                let differs = journal + ends[journal..].partition_point(|end| *end <= from + at);
                sink(journal..differs, Some(differs));
                journal = differs + 1;
                step = 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{CommandKind, EntryBuffer, EntryKind};

    #[test]
    fn a_journal_in_parts_is_the_same_however_it_is_cut() {
        let mut journals = [EntryBuffer::default(), EntryBuffer::default()];
        for at in 0..9u8 {
            for (side, journal) in journals.iter_mut().enumerate() {
                let last = if at == 8 { side as u8 } else { 0 };
                journal
                    .push(EntryKind::Command(CommandKind::SetState), &[vec![at; usize::from(at)], vec![last]].concat());
            }
        }
        let [one, other] = journals.each_ref().map(EntryBuffer::view);
        let cuts = [vec![9], vec![4, 9], vec![1, 2, 9], vec![3, 8, 9]];
        fn parts<'a>(of: Entries<'a>, ends: &[usize]) -> Vec<Entries<'a>> {
            let from = std::iter::once(&0).chain(ends);
            from.zip(ends).map(|(from, to)| of.range(*from..*to)).collect()
        }
        for (mine, theirs) in cuts.iter().flat_map(|mine| cuts.iter().map(move |theirs| (mine, theirs))) {
            let mine = parts(one, mine);
            assert!(same_in_parts(&mine, &parts(one, theirs)));
            assert!(!same_in_parts(&mine, &parts(other, theirs)), "the last differs");
            assert!(!same_in_parts(&mine, &parts(one, theirs)[..theirs.len() - 1]), "the last is missing");
            assert_eq!(Entries::path_of(&mine), one.path());
        }
    }
}
