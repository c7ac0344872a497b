//! The progress of a copy: which entries of each journal are written already.
//!
//! The server may send a row twice, and a later part of a journal before its beginning.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Progress by invocation, in the order of the listing.
#[derive(Clone, Debug, Default)]
pub struct CopyProgress {
    /// The number of entries that are written without a gap, from the first one on.
    written: Vec<u32>,
    /// Ranges that are written while what precedes them is not.
    detached: BTreeMap<usize, Vec<Range<u32>>>,
}

/// A range of a journal that is written while what precedes it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetachedRange {
    pub id: String,
    pub from: u32,
    pub to: u32,
}

impl CopyProgress {
    pub fn new(invocations: usize) -> Self {
        Self { written: vec![0; invocations], detached: BTreeMap::new() }
    }

    /// Notes an entry; `false` if it was written before.
    pub fn add(&mut self, at: usize, index: u32) -> bool {
        if index == self.written[at] {
            self.written[at] += 1;
            if !self.detached.is_empty() {
                self.attach(at);
            }
            return true;
        }
        if index < self.written[at] {
            return false;
        }
        self.add_detached(at, index..index + 1)
    }

    /// Notes a range whose beginning is missing; `false` if some of it was written before.
    pub fn add_detached(&mut self, at: usize, new: Range<u32>) -> bool {
        let detached = self.detached.entry(at).or_default();
        if detached.iter().any(|range| range.start < new.end && new.start < range.end) {
            return false;
        }
        match detached.iter_mut().find(|range| range.end == new.start) {
            Some(range) => range.end = new.end,
            None => detached.push(new),
        }
        true
    }

    /// Counts detached ranges in that continue what is written without a gap.
    fn attach(&mut self, at: usize) {
        let Some(detached) = self.detached.get_mut(&at) else { return };
        while let Some(next) = detached.iter().position(|range| range.start == self.written[at]) {
            self.written[at] = detached.swap_remove(next).end;
        }
        if detached.is_empty() {
            self.detached.remove(&at);
        }
    }

    /// How many entries are written without a gap.
    pub fn written(&self, at: usize) -> u32 {
        self.written[at]
    }

    pub fn set_written(&mut self, at: usize, written: u32) {
        self.written[at] = written;
        self.attach(at);
    }

    /// Whether exactly this many entries are written. Of an invocation that has not started, the server does not say how
    /// many entries there are: at most the input.
    pub fn is_whole(&self, at: usize, entries: Option<u32>) -> bool {
        let as_many = entries.map_or(self.written[at] <= 1, |entries| self.written[at] == entries);
        as_many && !self.detached.contains_key(&at)
    }

    pub fn has_detached(&self, at: usize) -> bool {
        self.detached.contains_key(&at)
    }

    pub fn detached(&self) -> impl Iterator<Item = (usize, &Range<u32>)> {
        self.detached.iter().flat_map(|(at, ranges)| ranges.iter().map(|range| (*at, range)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_any_order_and_again() {
        let mut progress = CopyProgress::new(2);
        assert!(progress.add(0, 0) && progress.add(0, 3) && progress.add(0, 4) && progress.add(0, 2));
        assert!(!progress.add(0, 4) && !progress.add(0, 0));
        assert_eq!(progress.written(0), 1);
        assert!(!progress.is_whole(0, Some(1)));
        assert!(progress.add(0, 1));
        assert!(progress.is_whole(0, Some(5)) && !progress.is_whole(0, None) && !progress.add(0, 3));
        assert!(progress.is_whole(1, Some(0)) && progress.is_whole(1, None));
    }
}
