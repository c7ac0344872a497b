//! The notes of a journal, as they come: so many are listed as anybody reads, and none is lost.

use std::collections::HashMap;

use super::Finding;

/// So many notes of a journal are listed, and behind them those that are unlike all before: nobody reads more, and a
/// journal may have millions.
const LISTED: usize = 1000;

#[derive(Debug, Default)]
pub struct Notes {
    listed: Vec<Finding>,
    /// By fingerprint, the first; empty until there are many.
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

    /// In the order in which replay would meet them; those that are like others are counted at the first of them.
    pub fn listed(self) -> Vec<Finding> {
        self.listed
    }
}
