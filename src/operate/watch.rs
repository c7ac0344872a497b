//! Watching one invocation until something is known of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::log::ActionOutcome;
use super::observe::{InvocationState, StateBefore, became, latest_event, look};
use crate::admin::{Admin, AdminError};

/// An invocation that waits this long for its turn waits for another invocation of its key.
const QUEUED: Duration = Duration::from_secs(3);
const FIRST_POLL: Duration = Duration::from_millis(50);
const LAST_POLL: Duration = Duration::from_secs(1);

/// Watches invocations.
#[derive(Clone, Copy, Debug)]
pub struct Watcher<'a> {
    pub admin: &'a Admin,
    /// For how long to watch one.
    pub limit: Duration,
    /// Set when the run is interrupted.
    pub stop: &'a AtomicBool,
}

impl Watcher<'_> {
    /// What became of an invocation since it was resumed.
    pub async fn outcome(&self, id: &str, before: &StateBefore) -> Result<(ActionOutcome, String), AdminError> {
        let started = Instant::now();
        let mut pause = FIRST_POLL;
        loop {
            let now = look(self.admin, id).await?;
            let event = latest_event(self.admin, id).await?;
            if let Some(became) = became(before, now.as_ref(), event.as_ref()) {
                return Ok(became);
            }
            let queued = now.as_ref().is_some_and(|now| matches!(now.status.as_str(), "pending" | "scheduled"));
            if queued && started.elapsed() > QUEUED {
                return Ok((ActionOutcome::Waiting, "for its turn: another one holds its key".to_owned()));
            }
            if started.elapsed() > self.limit || self.stop.load(Ordering::Relaxed) {
                let status = now.map(|now| now.status).unwrap_or_default();
                return Ok((ActionOutcome::Silent, format!("it is {status}, with nothing new yet")));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LAST_POLL);
        }
    }

    /// Waits until an invocation has reached a state. An error holds the last state that was seen.
    pub async fn until(
        &self,
        id: &str,
        reached: impl Fn(&InvocationState) -> bool,
    ) -> Result<Result<InvocationState, InvocationState>, AdminError> {
        let started = Instant::now();
        let mut pause = FIRST_POLL;
        loop {
            let now = look(self.admin, id).await?.unwrap_or_default();
            if reached(&now) {
                return Ok(Ok(now));
            }
            if started.elapsed() > self.limit {
                return Ok(Err(now));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LAST_POLL);
        }
    }
}
