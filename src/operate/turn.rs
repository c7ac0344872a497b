//! A turn: carrying out the planned action on one invocation.
//!
//! Everything that is asked of the server is written down before and after, so that a turn that was interrupted anywhere can
//! be continued by another run.

use std::time::Duration;

use super::log::{ActionLog, ActionOutcome, InvocationPast, LogError, LogEvent, ServerAction};
use super::matrix::CandidateVerdict;
use super::observe::{InvocationState, StateBefore, latest_event, look, restarts};
use super::plan::{ActionKind, PlannedAction};
use super::targets::ResumeTarget;
use super::watch::Watcher;
use crate::admin::AdminError;
use crate::record::{CopyError, JournalFetcher};
use crate::report::Verdict;

/// Why a turn has not ended. A later run continues it.
#[derive(Debug, thiserror::Error)]
pub enum UnfinishedTurn {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("{0}")]
    Waiting(String),
    #[error("not begun: {0}")]
    NotStarted(&'static str),
}

impl UnfinishedTurn {
    /// Whether the same attempt may succeed a little later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Admin(error) => error.is_passing(),
            Self::Copy(error) => error.is_passing(),
            Self::Log(_) | Self::Waiting(_) | Self::NotStarted(_) => false,
        }
    }
}

/// How a turn ended, with the details as a sentence, or why it did not end.
pub type TurnResult = Result<(ActionOutcome, String), UnfinishedTurn>;

/// A request of an earlier run may still be on its way for this long after that run was killed.
const SETTLE: Duration = Duration::from_secs(3);

/// Carries out planned actions, one invocation at a time.
#[derive(Debug)]
pub struct ActionRunner<'a> {
    /// By candidate of the plan; `None` for those that nothing goes to.
    pub targets: Vec<Option<ResumeTarget>>,
    pub log: &'a ActionLog,
    pub watcher: Watcher<'a>,
}

impl ActionRunner<'_> {
    /// Carries the action out, from where `past` says that it is.
    pub async fn attempt(&self, action: &PlannedAction, past: &mut InvocationPast) -> TurnResult {
        self.look_up_open_action(action, past).await?;
        match (&past.done, &action.kind) {
            (Some(ServerAction::Resume { deployment: Some(_), commands, modified_at, last_event }), _) => {
                let before = StateBefore {
                    commands: *commands,
                    modified_at: modified_at.clone(),
                    last_event: last_event.clone(),
                };
                Ok(self.watcher.outcome(&action.invocation, &before).await?)
            }
            (Some(ServerAction::Resume { deployment: None, .. }), _) => {
                Ok((ActionOutcome::Left, "it was put back: its journal had changed".to_owned()))
            }
            (Some(ServerAction::Restart { .. }), ActionKind::Restart { commands, .. }) => {
                let new = past.new_invocation.clone().unwrap_or_default();
                let before = StateBefore { commands: *commands, ..StateBefore::default() };
                let (outcome, detail) = self.watcher.outcome(&new, &before).await?;
                Ok((outcome, format!("as {new}: {detail}")))
            }
            (_, ActionKind::Resume { candidate }) => self.resume(action, *candidate, past).await,
            (_, ActionKind::Restart { candidate, from, commands, kill_first }) => {
                self.restart(action, (*candidate, *from, *commands), *kill_first, past).await
            }
            (_, ActionKind::Leave) => Ok((ActionOutcome::Left, action.reason.clone())),
        }
    }

    /// Finds out whether the last action, which was asked for and not answered, was done.
    async fn look_up_open_action(
        &self,
        action: &PlannedAction,
        past: &mut InvocationPast,
    ) -> Result<(), UnfinishedTurn> {
        let Some((act, at)) = past.open.clone() else { return Ok(()) };
        let age = jiff::Timestamp::now().duration_since(at);
        let age = Duration::try_from(age).unwrap_or_default();
        tokio::time::sleep(SETTLE.saturating_sub(age)).await;
        let id = &action.invocation;
        let mut new_invocation = None;
        let happened = match &act {
            // A pause may be asked for again without harm.
            ServerAction::Pause => look(self.watcher.admin, id).await?.is_some_and(|now| now.is("paused")),
            ServerAction::Kill => look(self.watcher.admin, id).await?.is_none_or(|now| now.is("completed")),
            ServerAction::Resume { modified_at, .. } => {
                let now = look(self.watcher.admin, id).await?;
                !now.is_some_and(|now| now.is("paused") && now.modified_at == *modified_at)
            }
            ServerAction::Restart { earlier, .. } => {
                new_invocation = restarts(self.watcher.admin, id).await?.into_iter().find(|new| !earlier.contains(new));
                new_invocation.is_some()
            }
        };
        if happened {
            return self.did(action, past, act, new_invocation, true).await;
        }
        past.open = None;
        Ok(())
    }

    async fn resume(&self, action: &PlannedAction, candidate: usize, past: &mut InvocationPast) -> TurnResult {
        let id = &action.invocation;
        let target = self.target(candidate)?;
        let Some(mut now) = look(self.watcher.admin, id).await? else {
            return Ok((ActionOutcome::Moved, "it is not there any more".to_owned()));
        };
        let moved = now.pinned_deployment_id != action.pinned_deployment;
        if now.is("completed") || moved || !(now.is_tried() || now.is("paused")) {
            return Ok((ActionOutcome::Moved, moved_on(&now, moved)));
        }
        let mut checked = action.journal_size;
        if now.journal_size != checked {
            match self.check_again(id, target).await? {
                Ok(entries) => checked = entries,
                Err(reason) => return Ok((ActionOutcome::Left, reason)),
            }
        }
        if now.is_tried() {
            now = match self.pause(action, past).await? {
                Ok(now) => now,
                Err(ended) => return Ok(ended),
            };
        }
        // Only signals can reach a paused invocation, and replay accepts those.
        if now.journal_size != checked
            && let Err(reason) = self.check_again(id, target).await?
        {
            return self.put_back(action, &now, past, reason).await;
        }
        let act = self.resume_act(id, Some(target.deployment.clone()), &now).await?;
        self.will(action, past, act.clone()).await?;
        let request = self.watcher.admin.patch(&["invocations", id, "resume"]).with("deployment", &target.deployment);
        match request.send().await {
            Ok(_) => {}
            Err(error) if error.is_passing() => return Err(error.into()),
            Err(error) => {
                let after = look(self.watcher.admin, id).await?.unwrap_or_default();
                if after.is("paused") && after.modified_at == now.modified_at {
                    past.open = None;
                    return self.put_back(action, &now, past, error.to_string()).await;
                }
                if after.pinned_deployment_id.as_deref() != Some(&target.deployment) {
                    return Ok((ActionOutcome::Moved, moved_on(&after, true)));
                }
            }
        }
        self.did(action, past, act, None, false).await?;
        let before = StateBefore {
            commands: now.journal_commands_size,
            modified_at: now.modified_at.clone(),
            last_event: match &past.done {
                Some(ServerAction::Resume { last_event, .. }) => last_event.clone(),
                _ => None,
            },
        };
        Ok(self.watcher.outcome(id, &before).await?)
    }

    async fn restart(
        &self,
        action: &PlannedAction,
        (candidate, from, commands): (usize, u64, u64),
        kill_first: bool,
        past: &mut InvocationPast,
    ) -> TurnResult {
        let id = &action.invocation;
        let deployment = self.target(candidate)?.deployment.clone();
        let Some(mut now) = look(self.watcher.admin, id).await? else {
            return Ok((ActionOutcome::Moved, "it is not there any more".to_owned()));
        };
        let killed = past.done == Some(ServerAction::Kill);
        if !killed && now.is("completed") == kill_first {
            return Ok((ActionOutcome::Moved, moved_on(&now, false)));
        }
        let grown = "its journal has changed since the plan was made: audit again";
        if !killed && now.journal_size != action.journal_size {
            return Ok((ActionOutcome::Left, grown.to_owned()));
        }
        if kill_first && !killed {
            if now.is_tried() {
                now = match self.pause(action, past).await? {
                    Ok(now) => now,
                    Err(ended) => return Ok(ended),
                };
            }
            if now.journal_size != action.journal_size {
                return self.put_back(action, &now, past, grown.to_owned()).await;
            }
            self.will(action, past, ServerAction::Kill).await?;
            self.watcher.admin.patch(&["invocations", id, "kill"]).send().await?;
            self.did(action, past, ServerAction::Kill, None, false).await?;
        }
        self.until(id, |now| now.is("completed")).await?;
        let earlier = restarts(self.watcher.admin, id).await?;
        if let Some(other) = earlier.first() {
            return Ok((ActionOutcome::Moved, format!("it was already restarted, as {other}")));
        }
        let act = ServerAction::Restart { deployment: deployment.clone(), from, earlier };
        self.will(action, past, act.clone()).await?;
        let request = self.watcher.admin.patch(&["invocations", id, "restart-as-new"]);
        let answer = match request.with("from", &from.to_string()).with("deployment", &deployment).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_passing() => return Err(error.into()),
            Err(error) if kill_first => {
                return Ok((ActionOutcome::Failed, format!("it was killed, and could not be restarted: {error}")));
            }
            Err(error) => return Ok((ActionOutcome::Left, error.to_string())),
        };
        let new = answer.json::<RestartAnswer>()?.new_invocation_id;
        self.did(action, past, act, Some(new.clone()), false).await?;
        let (outcome, detail) = self.watcher.outcome(&new, &StateBefore { commands, ..StateBefore::default() }).await?;
        Ok((outcome, format!("as {new}: {detail}")))
    }

    /// Pauses the invocation and waits until it is paused. An error holds how the turn ended instead.
    async fn pause(
        &self,
        action: &PlannedAction,
        past: &mut InvocationPast,
    ) -> Result<Result<InvocationState, (ActionOutcome, String)>, UnfinishedTurn> {
        let id = &action.invocation;
        self.will(action, past, ServerAction::Pause).await?;
        match self.watcher.admin.patch(&["invocations", id, "pause"]).send().await {
            Ok(_) => {}
            Err(error) if error.is_passing() => return Err(error.into()),
            // It has just ended or been suspended, which the next look shows.
            Err(error) => tracing::debug!(%error, "not paused"),
        }
        self.did(action, past, ServerAction::Pause, None, false).await?;
        let now = self.until(id, |now| !now.is_tried()).await?;
        Ok(if now.is("paused") { Ok(now) } else { Err((ActionOutcome::Moved, moved_on(&now, false))) })
    }

    /// Leaves the invocation as it was: resumes it on its old deployment if this run has paused it.
    async fn put_back(
        &self,
        action: &PlannedAction,
        now: &InvocationState,
        past: &mut InvocationPast,
        reason: String,
    ) -> TurnResult {
        if past.done != Some(ServerAction::Pause) {
            return Ok((ActionOutcome::Left, reason));
        }
        let act = self.resume_act(&action.invocation, None, now).await?;
        self.will(action, past, act.clone()).await?;
        self.watcher.admin.patch(&["invocations", &action.invocation, "resume"]).send().await?;
        self.did(action, past, act, None, false).await?;
        Ok((ActionOutcome::Left, reason))
    }

    async fn resume_act(
        &self,
        id: &str,
        deployment: Option<String>,
        now: &InvocationState,
    ) -> Result<ServerAction, UnfinishedTurn> {
        let last_event = latest_event(self.watcher.admin, id).await?.and_then(|event| event.appended_at);
        let (modified_at, commands) = (now.modified_at.clone(), now.journal_commands_size);
        Ok(ServerAction::Resume { deployment, modified_at, commands, last_event })
    }

    /// Judges the journal as it is now on the candidate: how many entries were replayed, or why they were not.
    async fn check_again(&self, id: &str, target: &ResumeTarget) -> Result<Result<u64, String>, UnfinishedTurn> {
        let mut fetcher = JournalFetcher::new(self.watcher.admin, &[id.to_owned()]);
        let fetched = fetcher.next().await?.and_then(|batch| batch.journals.into_iter().next());
        let Some(Ok(journal)) = fetched.map(|fetched| fetched.journal) else {
            return Ok(Err("its journal has changed, and can not be read any more".to_owned()));
        };
        let judged = target.live.judge(&journal).await;
        if judged.verdict == Verdict::Compatible {
            return Ok(Ok(journal.entries.len() as u64));
        }
        let judged = CandidateVerdict::from(&judged);
        Ok(Err(format!("its journal has changed, and is on {} now: {}", target.deployment, judged.sentence())))
    }

    async fn until(
        &self,
        id: &str,
        reached: impl Fn(&InvocationState) -> bool,
    ) -> Result<InvocationState, UnfinishedTurn> {
        self.watcher.until(id, reached).await?.map_err(|now| {
            let (status, seconds) = (now.status, self.watcher.limit.as_secs());
            UnfinishedTurn::Waiting(format!("it is still {status} after {seconds} s: apply the plan again"))
        })
    }

    fn target(&self, candidate: usize) -> Result<&ResumeTarget, UnfinishedTurn> {
        let target = self.targets.get(candidate).and_then(Option::as_ref);
        target.ok_or_else(|| UnfinishedTurn::Waiting(format!("candidate {candidate} is not known")))
    }

    /// Writes down what the server is about to be asked for.
    async fn will(
        &self,
        action: &PlannedAction,
        past: &mut InvocationPast,
        act: ServerAction,
    ) -> Result<(), UnfinishedTurn> {
        past.open = Some((act.clone(), jiff::Timestamp::now()));
        Ok(self.log.write(LogEvent::Will { invocation: action.invocation.clone(), act }).await?)
    }

    /// Writes down what the server has done. `recovered`: a later run found out.
    async fn did(
        &self,
        action: &PlannedAction,
        past: &mut InvocationPast,
        act: ServerAction,
        new_invocation: Option<String>,
        recovered: bool,
    ) -> Result<(), UnfinishedTurn> {
        past.open = None;
        past.done = Some(act.clone());
        past.new_invocation.clone_from(&new_invocation);
        let invocation = action.invocation.clone();
        Ok(self.log.write(LogEvent::Did { invocation, act, new_invocation, recovered }).await?)
    }
}

/// The answer of `PATCH /invocations/{id}/restart-as-new`.
#[derive(serde::Deserialize)]
struct RestartAnswer {
    new_invocation_id: String,
}

/// How an invocation went on without us.
fn moved_on(now: &InvocationState, to_another: bool) -> String {
    match (&now.pinned_deployment_id, to_another) {
        (Some(deployment), true) => format!("it is on {deployment} by now, {}", now.status),
        _ if now.status.is_empty() => "it is not there any more".to_owned(),
        _ => format!("it went on by itself: {}", now.status),
    }
}
