//! A worker: loads, compares and judges the journals of one task after another.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::judge::{judge, prove};
use super::side_by_side::{equal_runs, same_in_parts};
use crate::check::options::Options;
use crate::diff::{Replayed, Side, Undecodable};
use crate::journal::{Entries, IdOrder, InvocationInfo, Trace};
use crate::policy::TraceOrigin;
use crate::report::{Invocation, Judgement, PANICKED, Verdict};
use crate::source::{Corpus, Loaded, Loader, SpanRange};

/// The inputs that all workers share.
pub(super) struct Checker<'c> {
    pub recorded: &'c Corpus,
    pub candidate: &'c Corpus,
    pub options: &'c Options,
}

/// The buffers of one worker, which it reuses for each task.
pub(super) struct Worker<'c> {
    recorded: Loader<'c>,
    candidate: Loader<'c>,
}

impl<'c> Checker<'c> {
    pub fn worker(&self) -> Worker<'c> {
        Worker { recorded: Loader::new(self.recorded), candidate: Loader::new(self.candidate) }
    }

    pub fn check_task(&self, worker: &mut Worker<'c>, task: SpanRange) -> Vec<Invocation> {
        let journals: Vec<(IdOrder, SpanRange)> = self.recorded.journals(task.clone()).collect();
        let replays = self.candidate.find_all(&journals);
        // A panic is a bug of ours. It costs one verdict, or those of a task, but not the run.
        let failed = |id| self.inconclusive(id, PANICKED.to_owned());
        let loaded = catch_unwind(AssertUnwindSafe(|| {
            worker.recorded.load([task]);
            worker.candidate.load(replays.iter().cloned());
            self.judge_together(worker, &journals, &replays)
        }));
        let Ok(judged) = loaded else {
            *worker = self.worker();
            return journals.into_iter().map(|(id, _)| failed(id)).collect();
        };
        journals
            .into_iter()
            .zip(replays)
            .zip(judged)
            .map(|(((id, journal), replay), judged)| match judged {
                Some(judgement) => Invocation::new(id, worker.recorded.info_of(id, journal), judgement),
                None => {
                    let checked = catch_unwind(AssertUnwindSafe(|| self.check_one(worker, id, journal, replay)));
                    checked.unwrap_or_else(|_| failed(id))
                }
            })
            .collect()
    }

    /// By journal, its judgement if the candidate's journal is the same, byte for byte; `None` if it has to be judged.
    fn judge_together(
        &self,
        worker: &Worker<'_>,
        journals: &[(IdOrder, SpanRange)],
        replays: &[SpanRange],
    ) -> Vec<Option<Judgement>> {
        let mut judged = vec![None; journals.len()];
        let is_broken = |at: usize| {
            let (id, _) = journals[at];
            self.recorded.broken(id).is_some()
                || self.candidate.broken(id).is_some()
                || !self.candidate.traces(id).is_empty()
        };
        // A proof needs each replay by itself, so then no journals are judged together.
        let mut from = if self.options.prove { journals.len() } else { 0 };
        while from < journals.len() {
            let mine = worker.recorded.run(journals[from..].iter().map(|(_, pieces)| pieces));
            let theirs = worker.candidate.run(replays[from..].iter());
            let common = mine.ends.iter().zip(&theirs.ends).take_while(|(mine, theirs)| mine == theirs).count();
            if common > 1 {
                let ends = &mine.ends[..common];
                equal_runs(mine.entries, theirs.entries, ends, |run, _| {
                    for at in run.filter(|at| !is_broken(from + at)) {
                        let start = if at == 0 { 0 } else { ends[at - 1] };
                        judged[from + at] = Some(replayed_whole(&[mine.entries.range(start..ends[at])]));
                    }
                });
            } else if !is_broken(from) {
                let (mine, theirs) = (worker.recorded.parts(&journals[from].1), worker.candidate.parts(&replays[from]));
                judged[from] = mine
                    .zip(theirs)
                    .filter(|(mine, theirs)| same_in_parts(mine, theirs))
                    .map(|(mine, _)| replayed_whole(&mine));
            }
            from += common.max(1);
        }
        judged
    }

    fn check_one(&self, worker: &mut Worker<'_>, id: IdOrder, journal: SpanRange, replay: SpanRange) -> Invocation {
        let files = (worker.recorded.file(&journal), worker.candidate.file(&replay));
        let Loaded { info, entries } = worker.recorded.journal(id, journal);
        let judgement = match entries {
            Err(reason) => Judgement::inconclusive(0, reason),
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
        replay: SpanRange,
        info: &InvocationInfo,
    ) -> Result<Judgement, Undecodable> {
        let judge = |replays: &[Replayed<'_>]| {
            let mut judgement = judge(recorded, replays, info, Some(id), self.options)?;
            if let (true, Verdict::Compatible, Some(replay)) = (self.options.prove, judgement.verdict, replays.first())
            {
                judgement.proof = Some(prove(recorded, *replay, info, id));
            }
            Ok(judgement)
        };
        // Several traces of one invocation are several replays, in whichever form and file they come.
        let mut traces: Vec<&Trace> = self.candidate.traces(id).iter().collect();
        let mut origin = TraceOrigin::SameInvocation;
        let target = if self.candidate.has_templates() { info.target() } else { None };
        if replay.is_empty() {
            if let Some(problem) = self.candidate.broken(id) {
                let reason = format!("the candidate's trace: {problem}");
                return Ok(Judgement::inconclusive(recorded.command_count(), reason));
            }
            if traces.is_empty()
                && let Some(target) = &target
            {
                traces = self.candidate.templates(target).collect();
                origin = TraceOrigin::Template;
            }
            let replays: Vec<Replayed<'_>> = traces.into_iter().map(Replayed::Trace).collect();
            return Ok(Judgement { origin, ..judge(&replays)? });
        }
        match candidate.journal(id, replay).entries {
            Ok(replayed) => {
                let mut replays = vec![Replayed::Entries(replayed)];
                replays.extend(traces.into_iter().map(Replayed::Trace));
                judge(&replays)
            }
            Err(reason) => {
                Ok(Judgement::inconclusive(recorded.command_count(), format!("the candidate's trace: {reason}")))
            }
        }
    }

    /// The result for a journal that could not be loaded or judged.
    pub fn inconclusive(&self, id: IdOrder, reason: String) -> Invocation {
        Invocation::new(id, InvocationInfo::default(), Judgement::inconclusive(0, reason))
    }
}

/// The judgement of a journal that equals the candidate's.
fn replayed_whole(recorded: &[Entries<'_>]) -> Judgement {
    let commands = recorded.iter().map(Entries::command_count).sum();
    Judgement { path: Entries::path_of(recorded), ..Judgement::compatible(commands) }
}
