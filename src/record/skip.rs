//! Skipped ranges: the partition keys that a scan leaves out, because every journal of theirs was read before.

/// At most this many ranges are skipped. After an interruption there is about one a partition.
const MOST_RANGES: usize = 64;

/// Partition keys whose journals are all whole.
#[derive(Debug)]
struct SkippedRange {
    invocations: usize,
    from: u64,
    to: u64,
    /// The same range without its last key.
    shorter: Option<(usize, u64)>,
}

impl SkippedRange {
    fn extend_to(&mut self, key: u64) {
        if key != self.to {
            self.shorter = Some((self.invocations, self.to));
            self.to = key;
        }
        self.invocations += 1;
    }

    /// Removes a key, if it is the last one of the range; `false` if nothing is left then.
    fn end_before(&mut self, key: u64) -> bool {
        match self.shorter {
            _ if self.to != key => true,
            Some((invocations, to)) => {
                *self = Self { invocations, to, shorter: None, ..*self };
                true
            }
            None => false,
        }
    }
}

/// A `where` clause that skips the longest ranges of whole journals; empty if there are none.
///
/// `invocations` gives the partition key of each, in order, and whether its journal is whole. Invocations of one key can
/// only be skipped together. The server sends each partition in the order of its keys, so what an interrupted scan has
/// read is about one range a partition.
pub fn skip_clause(invocations: impl Iterator<Item = (u64, bool)>) -> String {
    let mut ranges: Vec<SkippedRange> = Vec::new();
    let mut open = false;
    let mut before = None;
    for (key, whole) in invocations {
        if !whole {
            if ranges.last_mut().is_some_and(|last| !last.end_before(key)) {
                ranges.pop();
            }
            open = false;
        } else if open && let Some(last) = ranges.last_mut() {
            last.extend_to(key);
        } else if before != Some(key) {
            ranges.push(SkippedRange { invocations: 1, from: key, to: key, shorter: None });
            open = true;
        }
        before = Some(key);
    }
    ranges.sort_unstable_by_key(|range| std::cmp::Reverse(range.invocations));
    ranges.truncate(MOST_RANGES);
    let conditions: Vec<String> = ranges
        .iter()
        .map(|SkippedRange { from, to, .. }| format!("not (partition_key between {from} and {to})"))
        .collect();
    if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_skipped_only_if_all_of_its_journals_are_whole() {
        let clause = |invocations: &[(u64, bool)]| skip_clause(invocations.iter().copied());
        assert_eq!(clause(&[(1, false), (2, false)]), "");
        assert_eq!(clause(&[(1, true), (1, false)]), "");
        assert_eq!(clause(&[(1, false), (1, true)]), "");
        assert_eq!(clause(&[(1, true), (2, true), (2, false)]), " where not (partition_key between 1 and 1)");
        assert_eq!(
            clause(&[(1, true), (2, true), (3, false), (4, true), (5, true), (6, true)]),
            " where not (partition_key between 4 and 6) and not (partition_key between 1 and 2)"
        );
    }
}
