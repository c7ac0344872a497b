//! Which entries of each journal are written already: rows may come twice, and a journal's later part before its first.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// By invocation, in the order of the listing.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// So many entries from the first one on.
    have: Vec<u32>,
    /// Stretches that came before what precedes them.
    apart: BTreeMap<usize, Vec<Range<u32>>>,
}

/// A stretch of a journal that is written while what precedes it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    pub id: String,
    pub from: u32,
    pub to: u32,
}

impl Tally {
    pub fn new(invocations: usize) -> Self {
        Self { have: vec![0; invocations], apart: BTreeMap::new() }
    }

    /// Notes an entry; `false` if it is there already.
    pub fn add(&mut self, at: usize, index: u32) -> bool {
        if index == self.have[at] {
            self.have[at] += 1;
            if !self.apart.is_empty() {
                self.join(at);
            }
            return true;
        }
        if index < self.have[at] {
            return false;
        }
        self.add_apart(at, index..index + 1)
    }

    /// Notes a stretch that lies apart; `false` if it is there already.
    pub fn add_apart(&mut self, at: usize, new: Range<u32>) -> bool {
        let apart = self.apart.entry(at).or_default();
        if apart.iter().any(|stretch| stretch.start < new.end && new.start < stretch.end) {
            return false;
        }
        match apart.iter_mut().find(|stretch| stretch.end == new.start) {
            Some(stretch) => stretch.end = new.end,
            None => apart.push(new),
        }
        true
    }

    /// What lies apart and follows on what is there joins it.
    fn join(&mut self, at: usize) {
        let Some(apart) = self.apart.get_mut(&at) else { return };
        while let Some(next) = apart.iter().position(|stretch| stretch.start == self.have[at]) {
            self.have[at] = apart.swap_remove(next).end;
        }
        if apart.is_empty() {
            self.apart.remove(&at);
        }
    }

    /// So many entries are there without a gap.
    pub fn have(&self, at: usize) -> u32 {
        self.have[at]
    }

    pub fn set(&mut self, at: usize, have: u32) {
        self.have[at] = have;
        self.join(at);
    }

    /// Whether just so many entries are there; of a journal that has not begun, its input at most.
    pub fn is_whole(&self, at: usize, entries: Option<u32>) -> bool {
        let as_many = entries.map_or(self.have[at] <= 1, |entries| self.have[at] == entries);
        as_many && !self.apart.contains_key(&at)
    }

    pub fn is_apart(&self, at: usize) -> bool {
        self.apart.contains_key(&at)
    }

    /// All that lies apart.
    pub fn stretches(&self) -> impl Iterator<Item = (usize, &Range<u32>)> {
        self.apart.iter().flat_map(|(at, apart)| apart.iter().map(|stretch| (*at, stretch)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_any_order_and_again() {
        let mut tally = Tally::new(2);
        assert!(tally.add(0, 0) && tally.add(0, 3) && tally.add(0, 4) && tally.add(0, 2));
        assert!(!tally.add(0, 4) && !tally.add(0, 0));
        assert_eq!(tally.have(0), 1);
        assert!(!tally.is_whole(0, Some(1)));
        assert!(tally.add(0, 1));
        assert!(tally.is_whole(0, Some(5)) && !tally.is_whole(0, None) && !tally.add(0, 3));
        assert!(tally.is_whole(1, Some(0)) && tally.is_whole(1, None));
    }
}
