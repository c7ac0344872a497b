//! Uncovered handlers: those of one side's journals that the other side has no journal of, so that no check covers them.

use std::collections::BTreeSet;

use super::index::Corpus;
use super::load::info_of;
use crate::journal::InvocationInfo;

/// Finding out the handler of a journal takes a moment, and so many journals have shown all handlers.
const MOST_JOURNALS: usize = 100_000;

impl Corpus {
    /// Service and handler of the journals and traces of which the other side has no journal.
    pub fn handlers_beside(&self, other: &Self) -> BTreeSet<(String, String)> {
        let mut handlers: BTreeSet<(String, String)> = BTreeSet::new();
        handlers.extend(self.info.values().filter_map(InvocationInfo::service_and_handler));
        handlers.extend(self.template_targets().filter_map(|target| {
            InvocationInfo { target: Some(target), ..InvocationInfo::default() }.service_and_handler()
        }));
        let mut theirs = other.spans.iter().map(|span| span.id).peekable();
        let mut last = None;
        let own = self.spans.iter().enumerate().filter(|(_, span)| {
            while theirs.next_if(|id| *id < span.id).is_some() {}
            let first = last.replace(span.id) != Some(span.id);
            first && theirs.peek() != Some(&span.id)
        });
        for (at, span) in own.take(MOST_JOURNALS) {
            handlers.extend(info_of(self, span.id, at..at + 1).service_and_handler());
        }
        handlers
    }
}
