//! Which handlers a side has beside those of another: what a check of the one against the other can not cover.

use std::collections::BTreeSet;

use super::corpus::Corpus;
use crate::journal::InvocationInfo;

/// Reading what each journal is of takes a moment; a side with so many journals of its own has shown its handlers.
const MOST_JOURNALS: usize = 100_000;

impl Corpus {
    /// Handlers of journals and traces that the other side has no journal of, by service and handler.
    pub fn handlers_beside(&self, other: &Self) -> BTreeSet<(String, String)> {
        let mut handlers: BTreeSet<(String, String)> = BTreeSet::new();
        handlers.extend(self.info.values().filter_map(InvocationInfo::service_and_handler));
        handlers.extend(self.template_targets().filter_map(|target| {
            InvocationInfo { target: Some(target), ..InvocationInfo::default() }.service_and_handler()
        }));
        let mut theirs = other.pieces.iter().map(|piece| piece.id).peekable();
        let mut last = None;
        let own = self.pieces.iter().enumerate().filter(|(_, piece)| {
            while theirs.next_if(|id| *id < piece.id).is_some() {}
            let first = last.replace(piece.id) != Some(piece.id);
            first && theirs.peek() != Some(&piece.id)
        });
        for (at, piece) in own.take(MOST_JOURNALS) {
            handlers.extend(self.info_of(piece.id, at..at + 1).service_and_handler());
        }
        handlers
    }
}
