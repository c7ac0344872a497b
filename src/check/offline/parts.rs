//! Parts: slices of a long journal, which are replayed one by one to collect its notes.
//!
//! The notes on a part are made while its entries are still in the CPU's caches, and no list of all commands is built.
//! This works only for a journal that replays to its frontier.

use crate::diff::{Replayed, Stop, align, replay_entries};
use crate::journal::Entries;
use crate::rules::{Finding, Findings, Notes, PartOffset};

/// Number of entries in a part. Shorter journals are judged as a whole.
const ENTRIES_PER_PART: usize = 1024;

/// The notes on a long journal. `None` where the journal has to be judged as a whole: because it is short, because
/// replay stops in it, or because entries do not have the same kinds and lengths on both sides.
pub(super) fn notes_by_parts(
    recorded: Entries<'_>,
    replayed: Entries<'_>,
    findings: impl FnOnce() -> Findings,
) -> Option<Vec<Finding>> {
    if recorded.len() <= ENTRIES_PER_PART || recorded.len() != replayed.len() {
        return None;
    }
    let (findings, mut notes) = (findings(), Notes::default());
    let mut part = PartOffset { commands_after: recorded.command_count(), ..PartOffset::default() };
    while part.entries_before < recorded.len() {
        let entries = part.entries_before..recorded.len().min(part.entries_before + ENTRIES_PER_PART);
        let (mine, theirs) = (recorded.range(entries.clone()), replayed.range(entries));
        if !mine.same_layout(&theirs) {
            return None;
        }
        let lockstep = replay_entries(mine, theirs).ok()?;
        if lockstep.stop != Stop::Frontier {
            return None;
        }
        part.commands_after -= lockstep.commands;
        if lockstep.timing_differs {
            let alignment = align(mine, Replayed::Entries(theirs), &lockstep.stop).ok()?;
            findings.add_notes(&alignment, part, &mut notes);
        }
        part.commands_before += lockstep.commands;
        part.entries_before += mine.len();
    }
    Some(notes.listed())
}
