//! Journals that lie one behind the other on both sides: most are the same, and found to be so many at a time.

use std::ops::Range;

use super::judge::check_journal;
use crate::diff::Replayed;
use crate::journal::{Entries, InvocationInfo};
use crate::report::Judgement;
use crate::rules::Redaction;

/// What [`check_journals`] says of some journals that lie one behind the other.
#[derive(Debug)]
pub enum Checked {
    /// The candidate's are the same, byte for byte.
    Same(Range<usize>),
    /// This one's entries differ.
    Judged(usize, Judgement),
}

/// Checks journals that lie one behind the other, on both sides in the same order; `ends` says behind how many entries
/// each of them ends, and is the same for both. Where many are the same, this is one comparison of bytes.
pub fn check_journals(
    recorded: Entries<'_>,
    replayed: Entries<'_>,
    ends: &[usize],
    info: &InvocationInfo,
    redaction: Redaction,
    mut sink: impl FnMut(Checked),
) {
    same_stretches(recorded, replayed, ends, |same, differs| {
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

/// Whether a journal is the same on both sides, byte for byte, in whatever parts it lies on each.
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

/// Of journals that lie one behind the other on both sides: those that are the same, and the one behind them that is
/// not, until there are no more.
pub(super) fn same_stretches(
    recorded: Entries<'_>,
    replayed: Entries<'_>,
    ends: &[usize],
    mut sink: impl FnMut(Range<usize>, Option<usize>),
) {
    // Where one differs the next do so too, often: from there on, so many are looked at in one go, and then twice as many.
    let mut stretch = ends.len();
    let mut journal = 0;
    while journal < ends.len() {
        let last = journal.saturating_add(stretch).min(ends.len()) - 1;
        let range = if journal == 0 { 0 } else { ends[journal - 1] }..ends[last];
        let from = range.start;
        match recorded.range(range.clone()).first_difference(&replayed.range(range)) {
            None => {
                sink(journal..last + 1, None);
                journal = last + 1;
                stretch = stretch.saturating_mul(2);
            }
            Some(at) => {
                let differs = journal + ends[journal..].partition_point(|end| *end <= from + at);
                sink(journal..differs, Some(differs));
                journal = differs + 1;
                stretch = 1;
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
