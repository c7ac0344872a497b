//! Recorded journals against recorded traces: one journal, and millions of them in parallel.
//!
//! Workers load, compare and explain; results are handed on in the order of ids, whatever the number of threads.
//! Memory is bounded by the work under way.

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

/// Checks every selected journal; results come in the order of ids. `false` from `sink` ends the run.
pub fn check(
    recorded: &Corpus,
    candidate: &Corpus,
    ids: &Ids,
    options: &Options,
    mut sink: impl FnMut(Invocation) -> bool + Send,
) {
    let checker = Checker { recorded, candidate, options };
    let everything = options.selection.is_everything();
    let mut left = options.selection.limit.unwrap_or(u64::MAX);
    let mut lost = recorded.lost().map(|(id, problem)| checker.lost(id, problem.to_string())).peekable();
    let mut hand_on = |invocation: Invocation| {
        let fits = everything || options.selection.fits(ids.id(invocation.order).as_str(), &invocation.info);
        if left == 0 || !fits {
            return left > 0;
        }
        left -= 1;
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
    let went_through = in_order(&tasks, check_task, |done| {
        done.into_iter().all(|invocation| {
            // `next_if` would move the next one out and back in for every invocation.
            while lost.peek().is_some_and(|lost| lost.order < invocation.order) {
                if !lost.next().is_none_or(&mut hand_on) {
                    return false;
                }
            }
            hand_on(invocation)
        })
    });
    if went_through {
        lost.all(hand_on);
    }
}

/// Workers are taken out and put back whole, so a panic in between leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads every selected journal in the order of ids, for those who want to look at them. `false` from `sink` ends it.
pub fn load_each(
    recorded: &Corpus,
    ids: &Ids,
    selection: &Selection,
    mut sink: impl FnMut(&InvocationId, &InvocationInfo, Result<Entries<'_>, String>) -> bool,
) {
    let mut left = selection.limit.unwrap_or(u64::MAX);
    let mut loader = Loader::new(recorded);
    for task in recorded.units() {
        loader.load([task.clone()]);
        for (order, journal) in recorded.journals(task) {
            let id = ids.id(order);
            let Loaded { info, entries } = loader.journal(order, journal);
            if !selection.fits(id.as_str(), &info) {
                continue;
            }
            if left == 0 || !sink(&id, &info, entries) {
                return;
            }
            left -= 1;
        }
    }
    for (order, problem) in recorded.lost().take(usize::try_from(left).unwrap_or(usize::MAX)) {
        let id = ids.id(order);
        let info = InvocationInfo::default();
        if selection.fits(id.as_str(), &info) && !sink(&id, &info, Err(problem.to_string())) {
            return;
        }
    }
}
