//! Carrying a plan out: each invocation by itself, several at once, everything written down before and after.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::log::{Act, Event, History, Log, LogError, Outcome, Past};
use super::observe::{Before, Standing, became, latest_event, look, restarts};
use super::plan::{Action, Plan, Step};
use crate::admin::{Admin, AdminError};
use crate::check::live::Live;
use crate::record::{JournalsError, fetch};
use crate::report::Verdict;
use crate::source::Journals;

/// How a plan is carried out.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions {
    /// Invocations under way at once.
    pub concurrency: usize,
    /// Nothing new is begun once so many have failed.
    pub max_failures: u64,
    /// For how long an invocation is watched after it was resumed, and waited for until it is paused.
    pub watch: Duration,
}

/// A candidate that invocations go to.
#[derive(Debug)]
pub struct Target {
    pub live: Live,
    pub deployment: String,
}

/// What stops an invocation's turn without an end: a later run takes it up.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Journals(#[from] JournalsError),
    #[error("{0}")]
    Waiting(String),
    #[error("not begun: {0}")]
    NotBegun(&'static str),
}

impl Unfinished {
    fn is_passing(&self) -> bool {
        match self {
            Self::Admin(error) => error.is_passing(),
            Self::Journals(error) => error.is_passing(),
            Self::Log(_) | Self::Waiting(_) | Self::NotBegun(_) => false,
        }
    }
}

/// How one invocation's turn went.
pub type Turn = Result<(Outcome, String), Unfinished>;

/// Carries plans out.
#[derive(Debug)]
pub struct Applier<'a> {
    pub admin: &'a Admin,
    /// By candidate of the plan; those that nothing goes to are left out.
    pub targets: Vec<Option<Target>>,
    pub log: &'a Log,
    pub options: ApplyOptions,
    /// Set to begin nothing new.
    pub stop: &'a AtomicBool,
}

/// A request of an earlier run may still be on its way for so long after that run was killed.
const SETTLE: Duration = Duration::from_secs(3);
/// For how long a server that comes and goes is put up with, for one invocation.
const PATIENCE: Duration = Duration::from_secs(120);
/// One that waits for its key for so long waits for another invocation.
const QUEUED: Duration = Duration::from_secs(3);
const FIRST_POLL: Duration = Duration::from_millis(50);
const LAST_POLL: Duration = Duration::from_secs(1);

impl Applier<'_> {
    /// Takes every action's turn; `sink` hears of each as it ends.
    pub async fn run<'p>(&self, plan: &'p Plan, history: &History, mut sink: impl FnMut(&'p Action, &Turn)) {
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
            .buffer_unordered(self.options.concurrency.max(1));
        let mut turns = std::pin::pin!(turns);
        while let Some((action, turn)) = turns.next().await {
            sink(action, &turn);
        }
    }

    async fn turn(&self, action: &Action, mut past: Past, failures: &AtomicU64) -> Turn {
        if let Some(ended) = past.ended {
            return Ok(ended);
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(Unfinished::NotBegun("interrupted"));
        }
        if failures.load(Ordering::Relaxed) >= self.options.max_failures {
            return Err(Unfinished::NotBegun("too many failed before"));
        }
        let begun = Instant::now();
        let (outcome, detail) = loop {
            match self.attempt(action, &mut past).await {
                // What was asked and not answered is open: it is looked up as after a crash.
                Err(error)
                    if error.is_passing() && begun.elapsed() < PATIENCE && !self.stop.load(Ordering::Relaxed) =>
                {
                    tracing::info!(%error, invocation = action.invocation, "again");
                    tokio::time::sleep(LAST_POLL).await;
                }
                done => break done?,
            }
        };
        if outcome == Outcome::Failed {
            failures.fetch_add(1, Ordering::Relaxed);
        }
        let ended = Event::Ended { invocation: action.invocation.clone(), outcome, detail: detail.clone() };
        // One that is silent may speak yet: the next run looks again.
        if outcome != Outcome::Silent {
            self.log.write(ended).await?;
        }
        Ok((outcome, detail))
    }

    async fn attempt(&self, action: &Action, past: &mut Past) -> Turn {
        self.look_up_what_is_open(action, past).await?;
        match (&past.done, &action.step) {
            (Some(Act::Resume { deployment: Some(_), commands, modified_at, last_event }), _) => {
                let before =
                    Before { commands: *commands, modified_at: modified_at.clone(), last_event: last_event.clone() };
                self.watch(&action.invocation, &before).await
            }
            (Some(Act::Resume { deployment: None, .. }), _) => {
                Ok((Outcome::Left, "it was put back: its journal had changed".to_owned()))
            }
            (Some(Act::Restart { .. }), Step::Restart { commands, .. }) => {
                let new = past.new_invocation.clone().unwrap_or_default();
                let before = Before { commands: *commands, ..Before::default() };
                let (outcome, detail) = self.watch(&new, &before).await?;
                Ok((outcome, format!("as {new}: {detail}")))
            }
            (_, Step::Resume { candidate }) => self.resume(action, *candidate, past).await,
            (_, Step::Restart { candidate, from, commands, kill_first }) => {
                self.restart(action, (*candidate, *from, *commands), *kill_first, past).await
            }
            (_, Step::Leave) => Ok((Outcome::Left, action.reason.clone())),
        }
    }

    /// What was asked for, and perhaps done: the server knows.
    async fn look_up_what_is_open(&self, action: &Action, past: &mut Past) -> Result<(), Unfinished> {
        let Some((act, at)) = past.open.clone() else { return Ok(()) };
        let age = jiff::Timestamp::now().duration_since(at);
        let age = Duration::try_from(age).unwrap_or_default();
        tokio::time::sleep(SETTLE.saturating_sub(age)).await;
        let id = &action.invocation;
        let mut new_invocation = None;
        let happened = match &act {
            // Asked for once more, it does no harm.
            Act::Pause => look(self.admin, id).await?.is_some_and(|now| now.is("paused")),
            Act::Kill => look(self.admin, id).await?.is_none_or(|now| now.is("completed")),
            Act::Resume { modified_at, .. } => {
                let now = look(self.admin, id).await?;
                !now.is_some_and(|now| now.is("paused") && now.modified_at == *modified_at)
            }
            Act::Restart { earlier, .. } => {
                new_invocation = restarts(self.admin, id).await?.into_iter().find(|new| !earlier.contains(new));
                new_invocation.is_some()
            }
        };
        if happened {
            return self.did(action, past, act, new_invocation, true).await;
        }
        past.open = None;
        Ok(())
    }

    async fn resume(&self, action: &Action, candidate: usize, past: &mut Past) -> Turn {
        let id = &action.invocation;
        let target = self.target(candidate)?;
        let Some(mut now) = look(self.admin, id).await? else {
            return Ok((Outcome::Moved, "it is not there any more".to_owned()));
        };
        let moved = now.pinned_deployment_id != action.pinned_deployment;
        if now.is("completed") || moved || !(now.is_tried() || now.is("paused")) {
            return Ok((Outcome::Moved, moved_on(&now, moved)));
        }
        let mut checked = action.journal_size;
        if now.journal_size != checked {
            match self.check_again(id, target).await? {
                Ok(entries) => checked = entries,
                Err(reason) => return Ok((Outcome::Left, reason)),
            }
        }
        if now.is_tried() {
            now = match self.pause(action, past).await? {
                Ok(now) => now,
                Err(ended) => return Ok(ended),
            };
        }
        // Nothing but signals reach it now, and replay takes those.
        if now.journal_size != checked
            && let Err(reason) = self.check_again(id, target).await?
        {
            return self.put_back(action, &now, past, reason).await;
        }
        let act = self.resume_act(id, Some(target.deployment.clone()), &now).await?;
        self.will(action, past, act.clone()).await?;
        let request = self.admin.patch(&["invocations", id, "resume"]).with("deployment", &target.deployment);
        match request.send().await {
            Ok(_) => {}
            Err(error) if error.is_passing() => return Err(error.into()),
            Err(error) => {
                let after = look(self.admin, id).await?.unwrap_or_default();
                if after.is("paused") && after.modified_at == now.modified_at {
                    past.open = None;
                    return self.put_back(action, &now, past, error.to_string()).await;
                }
                if after.pinned_deployment_id.as_deref() != Some(&target.deployment) {
                    return Ok((Outcome::Moved, moved_on(&after, true)));
                }
            }
        }
        self.did(action, past, act, None, false).await?;
        let before = Before {
            commands: now.journal_commands_size,
            modified_at: now.modified_at.clone(),
            last_event: match &past.done {
                Some(Act::Resume { last_event, .. }) => last_event.clone(),
                _ => None,
            },
        };
        self.watch(id, &before).await
    }

    async fn restart(
        &self,
        action: &Action,
        (candidate, from, commands): (usize, u64, u64),
        kill_first: bool,
        past: &mut Past,
    ) -> Turn {
        let id = &action.invocation;
        let deployment = self.target(candidate)?.deployment.clone();
        let Some(mut now) = look(self.admin, id).await? else {
            return Ok((Outcome::Moved, "it is not there any more".to_owned()));
        };
        let killed = past.done == Some(Act::Kill);
        if !killed && now.is("completed") == kill_first {
            return Ok((Outcome::Moved, moved_on(&now, false)));
        }
        let grown = "its journal has changed since the plan was made: audit again";
        if !killed && now.journal_size != action.journal_size {
            return Ok((Outcome::Left, grown.to_owned()));
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
            self.will(action, past, Act::Kill).await?;
            self.admin.patch(&["invocations", id, "kill"]).send().await?;
            self.did(action, past, Act::Kill, None, false).await?;
        }
        self.wait_for(id, |now| now.is("completed")).await?;
        let earlier = restarts(self.admin, id).await?;
        if let Some(other) = earlier.first() {
            return Ok((Outcome::Moved, format!("it was already restarted, as {other}")));
        }
        let act = Act::Restart { deployment: deployment.clone(), from, earlier };
        self.will(action, past, act.clone()).await?;
        let request = self.admin.patch(&["invocations", id, "restart-as-new"]);
        let answer = match request.with("from", &from.to_string()).with("deployment", &deployment).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_passing() => return Err(error.into()),
            Err(error) if kill_first => {
                return Ok((Outcome::Failed, format!("it was killed, and could not be restarted: {error}")));
            }
            Err(error) => return Ok((Outcome::Left, error.to_string())),
        };
        let new = answer.json::<Restarted>()?.new_invocation_id;
        self.did(action, past, act, Some(new.clone()), false).await?;
        let (outcome, detail) = self.watch(&new, &Before { commands, ..Before::default() }).await?;
        Ok((outcome, format!("as {new}: {detail}")))
    }

    /// Pauses it, and waits until it is; or how it ended otherwise.
    async fn pause(&self, action: &Action, past: &mut Past) -> Result<Result<Standing, (Outcome, String)>, Unfinished> {
        let id = &action.invocation;
        self.will(action, past, Act::Pause).await?;
        match self.admin.patch(&["invocations", id, "pause"]).send().await {
            Ok(_) => {}
            Err(error) if error.is_passing() => return Err(error.into()),
            // It has just ended, or begun to wait: that is looked at next.
            Err(error) => tracing::debug!(%error, "not paused"),
        }
        self.did(action, past, Act::Pause, None, false).await?;
        let now = self.wait_for(id, |now| !now.is_tried()).await?;
        Ok(if now.is("paused") { Ok(now) } else { Err((Outcome::Moved, moved_on(&now, false))) })
    }

    /// One that was tried before is tried again where it was; one that was paused stays so.
    async fn put_back(&self, action: &Action, now: &Standing, past: &mut Past, reason: String) -> Turn {
        if past.done != Some(Act::Pause) {
            return Ok((Outcome::Left, reason));
        }
        let act = self.resume_act(&action.invocation, None, now).await?;
        self.will(action, past, act.clone()).await?;
        self.admin.patch(&["invocations", &action.invocation, "resume"]).send().await?;
        self.did(action, past, act, None, false).await?;
        Ok((Outcome::Left, reason))
    }

    async fn resume_act(&self, id: &str, deployment: Option<String>, now: &Standing) -> Result<Act, Unfinished> {
        let last_event = latest_event(self.admin, id).await?.and_then(|event| event.appended_at);
        let (modified_at, commands) = (now.modified_at.clone(), now.journal_commands_size);
        Ok(Act::Resume { deployment, modified_at, commands, last_event })
    }

    /// The journal as it is now, on the candidate: how many entries it replays, or why it does not.
    async fn check_again(&self, id: &str, target: &Target) -> Result<Result<u64, String>, Unfinished> {
        let (corpus, ids) = fetch(self.admin, &[id.to_owned()]).await?;
        let journal = Journals::new(&corpus, &ids).next();
        let Some((_, _, Ok(journal))) = journal else {
            return Ok(Err("its journal has changed, and can not be read any more".to_owned()));
        };
        let judged = target.live.judge(&journal).await;
        if judged.verdict == Verdict::Compatible {
            return Ok(Ok(journal.entries.len() as u64));
        }
        let judged = super::matrix::Judged::from(&judged);
        Ok(Err(format!("its journal has changed, and is on {} now: {}", target.deployment, judged.sentence())))
    }

    /// Watches until something is known of it.
    async fn watch(&self, id: &str, before: &Before) -> Turn {
        let begun = Instant::now();
        let mut pause = FIRST_POLL;
        loop {
            let now = look(self.admin, id).await?;
            let event = latest_event(self.admin, id).await?;
            if let Some(became) = became(before, now.as_ref(), event.as_ref()) {
                return Ok(became);
            }
            let queued = now.as_ref().is_some_and(|now| matches!(now.status.as_str(), "pending" | "scheduled"));
            if queued && begun.elapsed() > QUEUED {
                return Ok((Outcome::Waiting, "for its turn: another one holds its key".to_owned()));
            }
            if begun.elapsed() > self.options.watch || self.stop.load(Ordering::Relaxed) {
                let status = now.map(|now| now.status).unwrap_or_default();
                return Ok((Outcome::Silent, format!("it is {status}, with nothing new yet")));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LAST_POLL);
        }
    }

    async fn wait_for(&self, id: &str, reached: impl Fn(&Standing) -> bool) -> Result<Standing, Unfinished> {
        let begun = Instant::now();
        let mut pause = FIRST_POLL;
        loop {
            let now = look(self.admin, id).await?.unwrap_or_default();
            if reached(&now) {
                return Ok(now);
            }
            if begun.elapsed() > self.options.watch {
                return Err(Unfinished::Waiting(format!(
                    "it is still {} after {} s: apply the plan again",
                    now.status,
                    self.options.watch.as_secs()
                )));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LAST_POLL);
        }
    }

    fn target(&self, candidate: usize) -> Result<&Target, Unfinished> {
        let target = self.targets.get(candidate).and_then(Option::as_ref);
        target.ok_or_else(|| Unfinished::Waiting(format!("candidate {candidate} is not known")))
    }

    async fn will(&self, action: &Action, past: &mut Past, act: Act) -> Result<(), Unfinished> {
        past.open = Some((act.clone(), jiff::Timestamp::now()));
        Ok(self.log.write(Event::Will { invocation: action.invocation.clone(), act }).await?)
    }

    async fn did(
        &self,
        action: &Action,
        past: &mut Past,
        act: Act,
        new_invocation: Option<String>,
        recovered: bool,
    ) -> Result<(), Unfinished> {
        past.open = None;
        past.done = Some(act.clone());
        past.new_invocation.clone_from(&new_invocation);
        let invocation = action.invocation.clone();
        Ok(self.log.write(Event::Did { invocation, act, new_invocation, recovered }).await?)
    }
}

#[derive(serde::Deserialize)]
struct Restarted {
    new_invocation_id: String,
}

fn moved_on(now: &Standing, to_another: bool) -> String {
    match (&now.pinned_deployment_id, to_another) {
        (Some(deployment), true) => format!("it is on {deployment} by now, {}", now.status),
        _ if now.status.is_empty() => "it is not there any more".to_owned(),
        _ => format!("it went on by itself: {}", now.status),
    }
}
