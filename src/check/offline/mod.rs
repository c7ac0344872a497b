//! An offline check: compares recorded journals with recorded traces, one journal or millions of them in parallel.
//!
//! Workers load, compare and explain journals. The results are handed on in the order of ids, whatever the number of
//! threads. Memory is bounded, because only a few results per thread wait for an earlier one.

mod in_order;
mod judge;
mod parts;
mod side_by_side;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::options::Options;
use super::selection::Selection;
use crate::journal::{Entries, InvocationId, InvocationInfo};
use crate::report::Invocation;
use crate::source::{Corpus, Ids, Loaded, Loader, SpanRange};
use in_order::in_order;
use worker::Checker;

pub use judge::check_journal;
pub use side_by_side::{Checked, check_journals};

/// Checks every selected journal, and hands the results to `sink` in the order of ids. The run ends when `sink` returns
/// `false`.
pub fn check(
    recorded: &Corpus,
    candidate: &Corpus,
    ids: &Ids,
    options: &Options,
    mut sink: impl FnMut(Invocation) -> bool + Send,
) {
    let checker = Checker { recorded, candidate, options };
    let everything = options.selection.is_everything();
    let mut remaining = options.selection.limit.unwrap_or(u64::MAX);
    let mut lost = recorded.lost().map(|(id, problem)| checker.inconclusive(id, problem.to_string())).peekable();
    let mut deliver = |invocation: Invocation| {
        let fits = everything || options.selection.fits(ids.id(invocation.order).as_str(), &invocation.info);
        if remaining == 0 || !fits {
            return remaining > 0;
        }
        remaining -= 1;
        sink(invocation)
    };
    let tasks = recorded.units();
    let workers = Mutex::new(Vec::new());
    let check_task = |task: &SpanRange| {
        let mut worker = lock(&workers).pop().unwrap_or_else(|| checker.worker());
        let done = checker.check_task(&mut worker, task.clone());
        lock(&workers).push(worker);
        done
    };
    let completed = in_order(&tasks, check_task, |done| {
        done.into_iter().all(|invocation| {
            // `next_if` would move the next item out of the iterator and back for every invocation.
            while lost.peek().is_some_and(|lost| lost.order < invocation.order) {
                if !lost.next().is_none_or(&mut deliver) {
                    return false;
                }
            }
            deliver(invocation)
        })
    });
    if completed {
        lost.all(deliver);
    }
}

/// Ignores that another thread panicked: workers are only taken out and put back as a whole, so the list stays valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads every selected journal and hands it to `sink`, in the order of ids. This ends when `sink` returns `false`.
pub fn load_each(
    recorded: &Corpus,
    ids: &Ids,
    selection: &Selection,
    mut sink: impl FnMut(&InvocationId, &InvocationInfo, Result<Entries<'_>, String>) -> bool,
) {
    let mut remaining = selection.limit.unwrap_or(u64::MAX);
    let mut loader = Loader::new(recorded);
    for task in recorded.units() {
        loader.load([task.clone()]);
        for (order, journal) in recorded.journals(task) {
            let id = ids.id(order);
            let Loaded { info, entries } = loader.journal(order, journal);
            if !selection.fits(id.as_str(), &info) {
                continue;
            }
            if remaining == 0 || !sink(&id, &info, entries) {
                return;
            }
            remaining -= 1;
        }
    }
    for (order, problem) in recorded.lost().take(usize::try_from(remaining).unwrap_or(usize::MAX)) {
        let id = ids.id(order);
        let info = InvocationInfo::default();
        if selection.fits(id.as_str(), &info) && !sink(&id, &info, Err(problem.to_string())) {
            return;
        }
    }
}
