//! Journals one after the other, owned, for those who take their time with each.

use std::collections::VecDeque;

use super::corpus::{Corpus, Task};
use super::ids::Ids;
use super::loader::{Loaded, Loader};
use crate::journal::{EntryBuffer, IdOrder, InvocationInfo, Journal};

/// In the order of ids. Memory is bounded by one task.
pub struct Journals<'c> {
    corpus: &'c Corpus,
    ids: &'c Ids,
    tasks: VecDeque<Task>,
    loaded: VecDeque<(IdOrder, Task)>,
    loader: Loader<'c>,
    lost: VecDeque<(IdOrder, String)>,
}

impl<'c> Journals<'c> {
    pub fn new(corpus: &'c Corpus, ids: &'c Ids) -> Self {
        let lost = corpus.lost().map(|(id, problem)| (id, problem.to_string())).collect();
        Self { corpus, ids, tasks: corpus.tasks().into(), loaded: VecDeque::new(), loader: Loader::new(corpus), lost }
    }
}

impl Iterator for Journals<'_> {
    type Item = (IdOrder, InvocationInfo, Result<Journal, String>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.loaded.is_empty()
            && let Some(task) = self.tasks.pop_front()
        {
            self.loader.load([task.clone()]);
            self.loaded = self.corpus.journals(task).collect();
        }
        let next = self.loaded.front().map(|(order, _)| *order);
        if let Some((order, _)) = self.lost.front()
            && next.is_none_or(|next| *order < next)
        {
            let (order, reason) = self.lost.pop_front()?;
            return Some((order, InvocationInfo::default(), Err(reason)));
        }
        let (order, pieces) = self.loaded.pop_front()?;
        let Loaded { info, entries } = self.loader.journal(order, pieces);
        let journal = entries.map(|entries| {
            let mut owned = EntryBuffer::default();
            owned.extend(entries);
            Journal { id: self.ids.id(order), info: info.clone(), entries: owned }
        });
        Some((order, info, journal))
    }
}
