//! Many journals at once, told of in their order.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::judge::Live;
use crate::journal::{IdOrder, InvocationInfo, Journal};
use crate::report::{Judgement, PANICKED, Verdict};

/// A journal on its way, or what is wrong with it.
pub type Next = (IdOrder, InvocationInfo, Result<Journal, String>);

/// How a run over many journals ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All of them are told of, or nobody wants to hear more.
    Done,
    /// It was interrupted; what was done until then is told of.
    Interrupted,
}

/// More than these do not go ahead of one that takes its time: what they came to has to be kept until it is told.
const AHEAD: usize = 10_000;

/// Judges journals, several at once; results keep their order. `false` from `sink` ends it.
pub async fn check_live(
    live: &Live,
    journals: impl Iterator<Item = Next>,
    interrupted: impl Future<Output = ()>,
    mut sink: impl FnMut(IdOrder, InvocationInfo, Judgement) -> bool,
) -> Ended {
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
        // A panic is a bug of ours; it costs one verdict.
        sink(order, info, judgement.unwrap_or_else(|_| Judgement::inconclusive(0, PANICKED)))
    })
    .await
}

/// Works on journals, so many at once; results keep their order. `false` from `sink` ends it.
pub async fn in_order<W: Future>(
    journals: impl Iterator<Item = Next>,
    concurrency: usize,
    work: impl Fn(Result<Journal, String>, IdOrder) -> W,
    interrupted: impl Future<Output = ()>,
    mut sink: impl FnMut(IdOrder, InvocationInfo, std::thread::Result<W::Output>) -> bool,
) -> Ended {
    let mut journals = journals.enumerate();
    let mut under_way = FuturesUnordered::new();
    let mut early = BTreeMap::new();
    let mut told = 0;
    let mut interrupted = pin!(interrupted);
    loop {
        while under_way.len() < concurrency
            && early.len() < AHEAD
            && let Some((number, (order, info, journal))) = journals.next()
        {
            let done = AssertUnwindSafe(work(journal, order)).catch_unwind();
            under_way.push(done.map(move |done| (number, (order, info, done))));
        }
        let (number, done) = match select(under_way.next(), interrupted.as_mut()).await {
            Either::Left((Some(done), _)) => done,
            Either::Left((None, _)) => return Ended::Done,
            Either::Right(_) => break,
        };
        early.insert(number, done);
        while let Some((order, info, done)) = early.remove(&told) {
            told += 1;
            if !sink(order, info, done) {
                return Ended::Done;
            }
        }
    }
    for (order, info, done) in early.into_values() {
        if !sink(order, info, done) {
            break;
        }
    }
    Ended::Interrupted
}
