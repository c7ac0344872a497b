//! Owned journals, one after the other, for callers that take their time with each.

use std::collections::VecDeque;

use super::assemble::{Loaded, Loader};
use super::ids::Ids;
use super::index::{Corpus, SpanRange};
use crate::journal::{EntryBuffer, IdOrder, InvocationInfo, Journal};

/// Gives them in the order of ids. Memory is bounded by one unit of work.
pub struct Journals<'c> {
    corpus: &'c Corpus,
    ids: &'c Ids,
    units: VecDeque<SpanRange>,
    loaded: VecDeque<(IdOrder, SpanRange)>,
    loader: Loader<'c>,
    lost: VecDeque<(IdOrder, String)>,
}

impl<'c> Journals<'c> {
    pub fn new(corpus: &'c Corpus, ids: &'c Ids) -> Self {
        let lost = corpus.lost().map(|(id, problem)| (id, problem.to_string())).collect();
        Self { corpus, ids, units: corpus.units().into(), loaded: VecDeque::new(), loader: Loader::new(corpus), lost }
    }
}

impl Iterator for Journals<'_> {
    type Item = (IdOrder, InvocationInfo, Result<Journal, String>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.loaded.is_empty()
            && let Some(unit) = self.units.pop_front()
        {
            self.loader.load([unit.clone()]);
            self.loaded = self.corpus.journals(unit).collect();
        }
        let next = self.loaded.front().map(|(order, _)| *order);
        if let Some((order, _)) = self.lost.front()
            && next.is_none_or(|next| *order < next)
        {
            let (order, reason) = self.lost.pop_front()?;
            return Some((order, InvocationInfo::default(), Err(reason)));
        }
        let (order, spans) = self.loaded.pop_front()?;
        let Loaded { info, entries } = self.loader.journal(order, spans);
        let journal = entries.map(|entries| {
            let mut owned = EntryBuffer::default();
            owned.extend(entries);
            Journal { id: self.ids.id(order), info: info.clone(), entries: owned }
        });
        Some((order, info, journal))
    }
}
