//! An ordered run: works on several journals at once, and reports the results in the order of the journals.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::judge::Live;
use crate::journal::{IdOrder, InvocationInfo, Journal};
use crate::report::{Judgement, PANICKED, Verdict};

/// The next journal of a run, or the reason why it could not be loaded.
pub type NextJournal = (IdOrder, InvocationInfo, Result<Journal, String>);

/// How a run over many journals ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// All results were reported, or the sink asked for no more.
    Done,
    /// The run was interrupted. All results up to then were reported.
    Interrupted,
}

/// At most this many finished results wait behind a slow one, because they have to be kept in memory.
const MAX_WAITING: usize = 10_000;

/// Judges journals, several at once, and reports the judgements in the order of the journals. The run ends when `sink`
/// returns `false`.
pub async fn check_live(
    live: &Live,
    journals: impl Iterator<Item = NextJournal>,
    interrupted: impl Future<Output = ()>,
    mut sink: impl FnMut(IdOrder, InvocationInfo, Judgement) -> bool,
) -> RunEnd {
    let judge = |journal: Result<Journal, String>, order: IdOrder| async move {
        let journal = match journal {
            Ok(journal) => journal,
            Err(reason) => return Judgement::inconclusive(0, reason),
        };
        let mut judgement = live.judge(&journal).await;
        judgement.path = journal.entries.view().path();
        if live.options().prove && judgement.verdict == Verdict::Compatible {
            judgement.proof = Some(live.prove(&journal, order.salt()).await);
        }
        judgement
    };
    in_order(journals, live.concurrency(), judge, interrupted, |order, info, judgement| {
        // A panic is a bug of ours. It costs one verdict, not the run.
        sink(order, info, judgement.unwrap_or_else(|_| Judgement::inconclusive(0, PANICKED)))
    })
    .await
}

/// Works on up to `concurrency` journals at once, and reports the results in the order of the journals. The run ends
/// when `sink` returns `false`. A panic in `work` becomes the result of its journal.
pub async fn in_order<W: Future>(
    journals: impl Iterator<Item = NextJournal>,
    concurrency: usize,
    work: impl Fn(Result<Journal, String>, IdOrder) -> W,
    interrupted: impl Future<Output = ()>,
    mut sink: impl FnMut(IdOrder, InvocationInfo, std::thread::Result<W::Output>) -> bool,
) -> RunEnd {
    let mut journals = journals.enumerate();
    let mut under_way = FuturesUnordered::new();
    // Results by the number of their journal, which wait for an earlier one.
    let mut waiting = BTreeMap::new();
    let mut reported = 0;
    let mut interrupted = pin!(interrupted);
    loop {
        while under_way.len() < concurrency
            && waiting.len() < MAX_WAITING
            && let Some((number, (order, info, journal))) = journals.next()
        {
            let done = AssertUnwindSafe(work(journal, order)).catch_unwind();
            under_way.push(done.map(move |done| (number, (order, info, done))));
        }
        let (number, done) = match select(under_way.next(), interrupted.as_mut()).await {
            Either::Left((Some(done), _)) => done,
            Either::Left((None, _)) => return RunEnd::Done,
            Either::Right(_) => break,
        };
        waiting.insert(number, done);
        while let Some((order, info, done)) = waiting.remove(&reported) {
            reported += 1;
            if !sink(order, info, done) {
                return RunEnd::Done;
            }
        }
    }
    for (order, info, done) in waiting.into_values() {
        if !sink(order, info, done) {
            break;
        }
    }
    RunEnd::Interrupted
}
