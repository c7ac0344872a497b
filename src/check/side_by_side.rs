//! Journals that lie one behind the other on both sides: most are the same, and found to be so many at a time.

use std::ops::Range;

use super::check_journal;
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
