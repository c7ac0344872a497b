//! Applying a plan: the turns of all its actions, several at once, and what came of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::log::{ActionOutcome, InvocationPast, LogEvent, LogHistory};
use super::plan::{Plan, PlannedAction};
use super::turn::{ActionRunner, TurnResult, UnfinishedTurn};

/// Carries plans out.
#[derive(Debug)]
pub struct Applier<'a> {
    pub runner: ActionRunner<'a>,
    /// How many turns are under way at once.
    pub concurrency: usize,
    /// Starts no more turns once this many have failed.
    pub max_failures: u64,
}

/// For how long one turn puts up with a server that comes and goes.
const PATIENCE: Duration = Duration::from_secs(120);
const RETRY_PAUSE: Duration = Duration::from_secs(1);

impl Applier<'_> {
    /// Takes the turn of every action, several at once; `sink` hears of each turn when it is over.
    pub async fn run<'p>(
        &self,
        plan: &'p Plan,
        history: &LogHistory,
        mut sink: impl FnMut(&'p PlannedAction, &TurnResult),
    ) {
        let failures = AtomicU64::new(0);
        let turns = stream::iter(plan.todo())
            .map(|action| {
                let failures = &failures;
                let past = history.invocations.get(&action.invocation).cloned().unwrap_or_default();
                async move {
                    let turn = self.turn(action, past, failures).await;
                    (action, turn)
                }
            })
            .buffer_unordered(self.concurrency.max(1));
        let mut turns = std::pin::pin!(turns);
        while let Some((action, turn)) = turns.next().await {
            sink(action, &turn);
        }
    }

    async fn turn(&self, action: &PlannedAction, mut past: InvocationPast, failures: &AtomicU64) -> TurnResult {
        if let Some(ended) = past.ended {
            return Ok(ended);
        }
        if self.runner.watcher.stop.load(Ordering::Relaxed) {
            return Err(UnfinishedTurn::NotStarted("interrupted"));
        }
        if failures.load(Ordering::Relaxed) >= self.max_failures {
            return Err(UnfinishedTurn::NotStarted("too many failed before"));
        }
        let started = Instant::now();
        let (outcome, detail) = loop {
            match self.runner.attempt(action, &mut past).await {
                // The next attempt looks up what was asked for and not answered, as after a crash.
                Err(error)
                    if error.is_passing()
                        && started.elapsed() < PATIENCE
                        && !self.runner.watcher.stop.load(Ordering::Relaxed) =>
                {
                    tracing::info!(%error, invocation = action.invocation, "again");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                done => break done?,
            }
        };
        if outcome == ActionOutcome::Failed {
            failures.fetch_add(1, Ordering::Relaxed);
        }
        let ended = LogEvent::Ended { invocation: action.invocation.clone(), outcome, detail: detail.clone() };
        // A silent invocation may still do something, so the next run looks at it again.
        if outcome != ActionOutcome::Silent {
            self.runner.log.write(ended).await?;
        }
        Ok((outcome, detail))
    }
}

/// How many turns ended how.
#[derive(Clone, Debug, Default)]
pub struct ApplySummary {
    pub outcomes: BTreeMap<ActionOutcome, u64>,
    /// Turns that were started and have not ended.
    pub unfinished: u64,
    pub not_started: u64,
}

/// What a run of `apply` has achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyConclusion {
    /// Everything that was planned is done.
    Done,
    /// Something failed again on its new deployment.
    FailedAgain,
    /// Something was left, is unfinished, or was silent.
    NotDone,
}

impl ApplySummary {
    pub fn count(&mut self, turn: &TurnResult) {
        match turn {
            Ok((outcome, _)) => *self.outcomes.entry(*outcome).or_default() += 1,
            Err(UnfinishedTurn::NotStarted(_)) => self.not_started += 1,
            Err(_) => self.unfinished += 1,
        }
    }

    pub fn of(&self, outcome: ActionOutcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// Whether no turn is left for another run.
    pub fn is_done(&self) -> bool {
        self.unfinished + self.not_started + self.of(ActionOutcome::Silent) == 0
    }

    pub fn conclusion(&self) -> ApplyConclusion {
        if self.of(ActionOutcome::Failed) > 0 {
            ApplyConclusion::FailedAgain
        } else if self.is_done() && self.of(ActionOutcome::Left) == 0 {
            ApplyConclusion::Done
        } else {
            ApplyConclusion::NotDone
        }
    }
}

/// Whether a turn went as planned, so that a person need not be told about it.
pub fn went_as_planned(turn: &TurnResult) -> bool {
    matches!(turn, Ok((ActionOutcome::Completed | ActionOutcome::Progressed | ActionOutcome::Waiting, _)))
}
