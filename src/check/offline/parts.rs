//! A long journal that replays to its frontier, gone through part by part: what is worth a note is looked at while it is
//! near, and no list of all commands is made.

use crate::diff::{Replayed, Stop, align, replay_entries};
use crate::journal::Entries;
use crate::rules::{Finding, Findings, Notes, PartOffset};

/// So many entries make a part. Journals that are no longer are looked at as a whole.
const ENTRIES: usize = 1024;

/// The notes on a long journal; `None` where it takes a look at the whole: where replay stops, or where entries are not
/// of the same kinds and lengths on both sides.
pub(super) fn notes_by_parts(
    recorded: Entries<'_>,
    replayed: Entries<'_>,
    findings: impl FnOnce() -> Findings,
) -> Option<Vec<Finding>> {
    if recorded.len() <= ENTRIES || recorded.len() != replayed.len() {
        return None;
    }
    let (findings, mut notes) = (findings(), Notes::default());
    let mut part = PartOffset { commands_after: recorded.command_count(), ..PartOffset::default() };
    while part.entries_before < recorded.len() {
        let entries = part.entries_before..recorded.len().min(part.entries_before + ENTRIES);
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
