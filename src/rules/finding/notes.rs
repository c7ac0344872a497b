//! The list of a journal's notes: bounded in length, and complete in what it counts.

use std::collections::HashMap;

use super::Finding;

/// A journal may have millions of notes, and nobody reads more than this many. After these, the list gets only notes
/// with a new fingerprint, and counts the others at the first note with theirs.
const LISTED: usize = 1000;

/// Collects the notes of one journal.
#[derive(Debug, Default)]
pub struct Notes {
    listed: Vec<Finding>,
    /// The index of the first note of each fingerprint; empty until the list is full.
    first: HashMap<String, usize>,
}

impl Notes {
    pub(super) fn add(&mut self, note: Finding) {
        if self.listed.len() < LISTED {
            self.listed.push(note);
            return;
        }
        if self.first.is_empty() {
            let notes = self.listed.iter().enumerate().rev();
            self.first.extend(notes.map(|(at, note)| (note.fingerprint.clone(), at)));
        }
        match self.first.get(&note.fingerprint) {
            Some(at) => self.listed[*at].more += 1,
            None => {
                self.first.insert(note.fingerprint.clone(), self.listed.len());
                self.listed.push(note);
            }
        }
    }

    /// The notes in the order in which replay would meet them.
    pub fn listed(self) -> Vec<Finding> {
        self.listed
    }
}
