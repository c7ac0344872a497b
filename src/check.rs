//! The main job: one journal against what the candidate did, and many of them in parallel.
//!
//! Workers load, compare and explain; results are handed on in the order of ids, whatever the number of threads.
//! Memory is bounded by the work under way.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

use crate::diff::{
    Alignment, Lockstep, Replayed, Side, Stop, Undecodable, align, inject, replay_entries, replay_trace,
};
use crate::gate::Proof;
use crate::journal::{Entries, IdOrder, InvocationId, InvocationInfo};
use crate::report::{Invocation, Judgement, PANICKED, Verdict};
use crate::rules::{Cause, Findings, Redaction, timeline};
use crate::source::{Corpus, Ids, Loaded, Loader, Task};

#[cfg(test)]
mod tests;

/// Which journals to check, and how to tell of it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub redaction: Redaction,
    pub selection: Selection,
    /// Whether both sides of what does not replay are told from top to bottom.
    pub timelines: bool,
    /// Whether a divergence is injected into each trace, to see it caught.
    pub prove: bool,
}

/// Every condition that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub invocations: BTreeSet<String>,
    pub services: Vec<String>,
    pub handlers: Vec<String>,
    pub deployments: Vec<String>,
    pub statuses: Vec<String>,
    /// The first so many, in the order of ids.
    pub limit: Option<u64>,
}

impl Selection {
    /// Whether an invocation's id and info fit. What is not known fits no condition on it.
    pub fn fits(&self, id: &str, info: &InvocationInfo) -> bool {
        let one_of = |wanted: &[String], have: Option<&str>| {
            wanted.is_empty() || have.is_some_and(|have| wanted.iter().any(|wanted| wanted == have))
        };
        let target = info.service_and_handler();
        (self.invocations.is_empty() || self.invocations.contains(id))
            && one_of(&self.services, target.as_ref().map(|(service, _)| service.as_str()))
            && one_of(&self.handlers, target.as_ref().map(|(_, handler)| handler.as_str()))
            && one_of(&self.deployments, info.deployment.as_deref())
            && one_of(&self.statuses, info.status.as_deref())
    }

    /// Whether there is no condition; the limit is none.
    pub fn is_everything(&self) -> bool {
        self.invocations.is_empty()
            && self.services.is_empty()
            && self.handlers.is_empty()
            && self.deployments.is_empty()
            && self.statuses.is_empty()
    }
}

/// Checks one journal against one or several replays of the candidate.
///
/// The first replay that does not reach the frontier gives the verdict. Several replays tell a change of the code
/// (they agree) from non-determinism (they do not).
pub fn check_journal(
    recorded: Entries<'_>,
    replays: &[Replayed<'_>],
    info: &InvocationInfo,
    redaction: Redaction,
) -> Judgement {
    match judge(recorded, replays, info, &Options { redaction, ..Options::default() }) {
        Ok(judgement) => judgement,
        Err(undecodable) => Judgement::inconclusive(recorded.command_count(), undecodable.to_string()),
    }
}

/// What [`check_journals`] says of some journals that lie one behind the other.
#[derive(Debug)]
pub enum Checked {
    /// The candidate's are the same, byte for byte.
    Same(Range<usize>),
    /// This one's entries differ.
    Judged(usize, Judgement),
}

/// Checks journals that lie one behind the other, on both sides in the same order; `ends` says behind how many entries
/// each of them ends, and is the same for both. Where many are the same, this is one comparison of bytes.
pub fn check_journals(
    recorded: Entries<'_>,
    replayed: Entries<'_>,
    ends: &[usize],
    info: &InvocationInfo,
    redaction: Redaction,
    mut sink: impl FnMut(Checked),
) {
    same_stretches(recorded, replayed, ends, |same, differs| {
        if !same.is_empty() {
            sink(Checked::Same(same));
        }
        if let Some(journal) = differs {
            let range = if journal == 0 { 0 } else { ends[journal - 1] }..ends[journal];
            let replays = [Replayed::Entries(replayed.range(range.clone()))];
            sink(Checked::Judged(journal, check_journal(recorded.range(range), &replays, info, redaction)));
        }
    });
}

/// Of journals that lie one behind the other on both sides: those that are the same, and the one behind them that is
/// not, until there are no more.
fn same_stretches(
    recorded: Entries<'_>,
    replayed: Entries<'_>,
    ends: &[usize],
    mut sink: impl FnMut(Range<usize>, Option<usize>),
) {
    // Where one differs the next do so too, often: from there on, so many are looked at in one go, and then twice as many.
    let mut stretch = ends.len();
    let mut journal = 0;
    while journal < ends.len() {
        let last = journal.saturating_add(stretch).min(ends.len()) - 1;
        let range = if journal == 0 { 0 } else { ends[journal - 1] }..ends[last];
        let from = range.start;
        match recorded.range(range.clone()).first_difference(&replayed.range(range)) {
            None => {
                sink(journal..last + 1, None);
                journal = last + 1;
                stretch = stretch.saturating_mul(2);
            }
            Some(at) => {
                let differs = journal + ends[journal..].partition_point(|end| *end <= from + at);
                sink(journal..differs, Some(differs));
                journal = differs + 1;
                stretch = 1;
            }
        }
    }
}

fn judge(
    recorded: Entries<'_>,
    replays: &[Replayed<'_>],
    info: &InvocationInfo,
    options: &Options,
) -> Result<Judgement, Undecodable> {
    let (lockstep, replayed) = match replays {
        [] => {
            let reason = "the candidate has no trace of this invocation";
            return Ok(Judgement::inconclusive(recorded.command_count(), reason));
        }
        // By far the most frequent.
        [Replayed::Entries(replayed)] if recorded.identical(replayed) => {
            return Ok(Judgement::compatible(recorded.command_count()));
        }
        [first, others @ ..] => replay_all(recorded, *first, others)?,
    };
    let Lockstep { commands, stop, timing_differs } = lockstep;
    let verdict = match &stop {
        Stop::Frontier => Verdict::Compatible,
        Stop::Divergence(_) | Stop::Await(_) | Stop::Returned(_) => Verdict::Mismatch,
        Stop::Failed(_) => Verdict::Failed,
        Stop::TraceEnds(_) => Verdict::Inconclusive,
    };
    let reason = match &stop {
        Stop::Failed(at) => Some(format!("the candidate failed before it issued command {at} of {commands}")),
        Stop::TraceEnds(at) => {
            Some(format!("the trace ends before command {at} of {commands}: how the candidate goes on is not known"))
        }
        _ => None,
    };
    let written_by_hand =
        matches!(replayed, Replayed::Trace(trace) if trace.commands().any(|command| !command.complete));
    let mut lines = Vec::new();
    let findings = if verdict == Verdict::Mismatch || timing_differs || written_by_hand {
        let alignment = align(recorded, replayed, &stop)?;
        if options.timelines && verdict != Verdict::Compatible {
            lines = timeline(&alignment);
        }
        let cause = cause(recorded, replays, &alignment)?;
        let (service, handler) = info.service_and_handler().unwrap_or_default();
        Findings { service: &service, handler: &handler, redaction: options.redaction, cause }.of(&alignment)
    } else {
        Vec::new()
    };
    let frontier_reached = stop == Stop::Frontier;
    Ok(Judgement { verdict, commands, frontier_reached, findings, reason, path: 0, timeline: lines, proof: None })
}

/// Puts a known divergence into a replay that was found compatible, and checks again.
fn prove(recorded: Entries<'_>, replay: Replayed<'_>, info: &InvocationInfo, id: IdOrder) -> Proof {
    match inject(recorded, replay, id.salt()) {
        Ok(None) => Proof::Nothing,
        Err(_) => Proof::Missed,
        Ok(Some(trace)) => {
            let judgement = check_journal(recorded, &[Replayed::Trace(&trace)], info, Redaction::Hidden);
            match judgement.verdict {
                Verdict::Mismatch => Proof::Caught { findings: judgement.findings, stopped: true },
                Verdict::Compatible | Verdict::Failed | Verdict::Inconclusive => Proof::Missed,
            }
        }
    }
}

/// The first of the replays that stop worst.
fn replay_all<'r>(
    recorded: Entries<'_>,
    first: Replayed<'r>,
    others: &[Replayed<'r>],
) -> Result<(Lockstep, Replayed<'r>), Undecodable> {
    let replay = |replayed: Replayed<'_>| match replayed {
        Replayed::Entries(entries) => replay_entries(recorded, entries),
        Replayed::Trace(trace) => replay_trace(recorded, trace),
    };
    let mut worst = (replay(first)?, first);
    for replayed in others {
        let lockstep = replay(*replayed)?;
        if severity(&lockstep.stop) > severity(&worst.0.stop) {
            worst = (lockstep, *replayed);
        }
    }
    Ok(worst)
}

fn severity(stop: &Stop) -> u8 {
    match stop {
        Stop::Frontier => 0,
        Stop::TraceEnds(_) => 1,
        Stop::Failed(_) => 2,
        Stop::Divergence(_) | Stop::Await(_) | Stop::Returned(_) => 3,
    }
}

/// Whether several replays did the same, as far as the journal goes.
fn cause(recorded: Entries<'_>, replays: &[Replayed<'_>], chosen: &Alignment<'_>) -> Result<Cause, Undecodable> {
    if replays.len() < 2 {
        return Ok(Cause::Unknown);
    }
    for replayed in replays {
        let commands = align(recorded, *replayed, &Stop::Frontier)?.replayed;
        let upto = chosen.recorded.len().min(commands.len()).min(chosen.replayed.len());
        let same = (0..upto).map(|at| (&chosen.replayed[at], &commands[at])).all(|(one, other)| {
            one.kind.modulo_eager() == other.kind.modulo_eager()
                && one
                    .differences(other)
                    .iter()
                    .all(|difference| difference.field.compared != crate::journal::Compared::Always)
        });
        if !same {
            return Ok(Cause::NonDeterminism);
        }
    }
    Ok(Cause::CodeChange)
}

/// Checks every selected journal; results come in the order of ids. `false` from `sink` ends the run.
pub fn check(
    recorded: &Corpus,
    candidate: &Corpus,
    ids: &Ids,
    options: &Options,
    mut sink: impl FnMut(Invocation) -> bool,
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
    let tasks = recorded.tasks();
    let workers = Mutex::new(Vec::new());
    let check_task = |task: &Task| {
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

/// Does the work on all threads and hands the results to `sink` in the items' order, while later ones are under way;
/// they get ahead of it by a few items per thread at most, which bounds memory. `false` from `sink` ends it.
fn in_order<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync, mut sink: impl FnMut(R) -> bool) -> bool {
    let (send, receive) = mpsc::channel();
    let work = &work;
    rayon::in_place_scope(|scope| {
        let mut rest = items.iter().enumerate();
        let mut spawn_next = || {
            if let Some((at, item)) = rest.next() {
                let send = send.clone();
                scope.spawn(move |_| {
                    // Nobody receives it if the sink wanted no more.
                    let _ = send.send((at, work(item)));
                });
            }
        };
        (0..rayon::current_num_threads() * 4).for_each(|_| spawn_next());
        let mut early = BTreeMap::new();
        for next in 0..items.len() {
            let result = loop {
                if let Some(result) = early.remove(&next) {
                    break result;
                }
                let (at, result) = receive_next(&receive);
                early.insert(at, result);
            };
            spawn_next();
            if !sink(result) {
                return false;
            }
        }
        true
    })
}

/// Waits for the next result; where this is one of the pool's own threads, it works in the meantime.
fn receive_next<R>(receive: &mpsc::Receiver<R>) -> R {
    loop {
        if let Ok(result) = receive.try_recv() {
            return result;
        }
        if rayon::yield_now() != Some(rayon::Yield::Executed) {
            return receive.recv().expect("in_order holds a sender of its own");
        }
    }
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
    for task in recorded.tasks() {
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

struct Checker<'c> {
    recorded: &'c Corpus,
    candidate: &'c Corpus,
    options: &'c Options,
}

struct Worker<'c> {
    recorded: Loader<'c>,
    candidate: Loader<'c>,
}

impl<'c> Checker<'c> {
    fn worker(&self) -> Worker<'c> {
        Worker { recorded: Loader::new(self.recorded), candidate: Loader::new(self.candidate) }
    }

    fn check_task(&self, worker: &mut Worker<'c>, task: Task) -> Vec<Invocation> {
        let journals: Vec<(IdOrder, Task)> = self.recorded.journals(task.clone()).collect();
        let replays = self.candidate.find_all(&journals);
        // A panic is a bug of ours; it costs one verdict, or those of a task, but not the run.
        let failed = |id| self.lost(id, PANICKED.to_owned());
        let loaded = catch_unwind(AssertUnwindSafe(|| {
            worker.recorded.load([task]);
            worker.candidate.load(replays.iter().cloned());
            self.same_bytes(worker, &journals, &replays)
        }));
        let Ok(same) = loaded else {
            *worker = self.worker();
            return journals.into_iter().map(|(id, _)| failed(id)).collect();
        };
        journals
            .into_iter()
            .zip(replays)
            .zip(same)
            .map(|(((id, journal), replay), same)| {
                let checked = catch_unwind(AssertUnwindSafe(|| self.check_one(worker, id, journal, replay, same)));
                checked.unwrap_or_else(|_| failed(id))
            })
            .collect()
    }

    /// By journal: whether the candidate's is the same, byte for byte. `false` where that is to be found out yet.
    fn same_bytes(&self, worker: &Worker<'_>, journals: &[(IdOrder, Task)], replays: &[Task]) -> Vec<bool> {
        let mut same = vec![false; journals.len()];
        // What is to be proved of each replay needs it.
        let mut from = if self.options.prove { journals.len() } else { 0 };
        while from < journals.len() {
            let mine = worker.recorded.run(journals[from..].iter().map(|(_, pieces)| pieces));
            let theirs = worker.candidate.run(replays[from..].iter());
            let common = mine.ends.iter().zip(&theirs.ends).take_while(|(mine, theirs)| mine == theirs).count();
            if common > 1 {
                let ends = &mine.ends[..common];
                same_stretches(mine.entries, theirs.entries, ends, |stretch, _| {
                    same[from..][stretch].fill(true);
                });
            }
            from += common.max(1);
        }
        same
    }

    fn check_one(&self, worker: &mut Worker<'_>, id: IdOrder, journal: Task, replay: Task, same: bool) -> Invocation {
        let files = (worker.recorded.file(&journal), worker.candidate.file(&replay));
        let Loaded { info, entries } = worker.recorded.journal(id, journal);
        let judgement = match entries {
            Err(reason) => Judgement::inconclusive(0, reason),
            Ok(recorded) if same && worker.candidate.broken(id).is_none() => {
                Judgement { path: recorded.path(), ..Judgement::compatible(recorded.command_count()) }
            }
            Ok(recorded) => {
                let judged = self.judge_one(&mut worker.candidate, id, recorded, replay, &info);
                let judgement = judged.unwrap_or_else(|undecodable| {
                    let reason = match undecodable.side {
                        Side::Recorded => format!("{}: {undecodable}", files.0),
                        Side::Replayed => format!("the candidate's trace: {}: {undecodable}", files.1),
                    };
                    Judgement::inconclusive(recorded.command_count(), reason)
                });
                Judgement { path: recorded.path(), ..judgement }
            }
        };
        Invocation::new(id, info, judgement)
    }

    fn judge_one(
        &self,
        candidate: &mut Loader<'_>,
        id: IdOrder,
        recorded: Entries<'_>,
        replay: Task,
        info: &InvocationInfo,
    ) -> Result<Judgement, Undecodable> {
        let judge = |replays: &[Replayed<'_>]| {
            let mut judgement = judge(recorded, replays, info, self.options)?;
            if let (true, Verdict::Compatible, Some(replay)) = (self.options.prove, judgement.verdict, replays.first())
            {
                judgement.proof = Some(prove(recorded, *replay, info, id));
            }
            Ok(judgement)
        };
        if replay.is_empty() {
            let target = if self.candidate.has_templates() { info.target() } else { None };
            let traces = self.candidate.traces(id, target.as_deref());
            let replays: Vec<Replayed<'_>> = traces.iter().map(Replayed::Trace).collect();
            if let Some(problem) = self.candidate.broken(id) {
                let reason = format!("the candidate's trace: {problem}");
                return Ok(Judgement::inconclusive(recorded.command_count(), reason));
            }
            return judge(&replays);
        }
        match candidate.journal(id, replay).entries {
            Ok(replayed) => judge(&[Replayed::Entries(replayed)]),
            Err(reason) => {
                Ok(Judgement::inconclusive(recorded.command_count(), format!("the candidate's trace: {reason}")))
            }
        }
    }

    fn lost(&self, id: IdOrder, reason: String) -> Invocation {
        Invocation::new(id, InvocationInfo::default(), Judgement::inconclusive(0, reason))
    }
}
