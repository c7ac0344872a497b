//! An observation: the state of one invocation on the server, and what became of it since it was resumed.

use serde::Deserialize;

use super::log::ActionOutcome;
use super::stuck::{EventFailure, EventRow, FailureCause};
use crate::admin::{Admin, AdminError, quoted};

/// The state of an invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InvocationState {
    pub status: String,
    pub pinned_deployment_id: Option<String>,
    pub journal_size: u64,
    pub journal_commands_size: u64,
    pub modified_at: String,
    pub completion_result: Option<String>,
    pub completion_failure: Option<String>,
}

impl InvocationState {
    pub fn is(&self, status: &str) -> bool {
        self.status == status
    }

    /// Whether it can be paused: an attempt is under way, or comes next.
    pub fn is_tried(&self) -> bool {
        matches!(self.status.as_str(), "backing-off" | "running" | "ready")
    }
}

/// Reads the state of an invocation; `None` if the server does not know it (any more).
pub async fn look(admin: &Admin, id: &str) -> Result<Option<InvocationState>, AdminError> {
    let sql = format!(
        "select status, pinned_deployment_id, journal_size, journal_commands_size, modified_at, completion_result, \
         completion_failure from sys_invocation where id = {}",
        quoted(id)
    );
    Ok(admin.query_json(&sql).await?.into_iter().next())
}

/// Reads the latest event of an invocation.
pub async fn latest_event(admin: &Admin, id: &str) -> Result<Option<EventRow>, AdminError> {
    let sql = format!(
        "select after_journal_entry_index, appended_at, event_type, event_json from sys_journal_events where id = {} \
         order by appended_at desc limit 1",
        quoted(id)
    );
    Ok(admin.query_json(&sql).await?.into_iter().next())
}

/// Reads the ids of the invocations that were restarted from this one.
pub async fn restarts(admin: &Admin, id: &str) -> Result<Vec<String>, AdminError> {
    #[derive(Deserialize)]
    struct RestartId {
        id: String,
    }
    let sql = format!("select id from sys_invocation where restarted_from = {} order by created_at", quoted(id));
    Ok(admin.query_json::<RestartId>(&sql).await?.into_iter().map(|row| row.id).collect())
}

/// What was known of an invocation before it was resumed.
#[derive(Clone, Debug, Default)]
pub struct StateBefore {
    pub commands: u64,
    pub modified_at: String,
    pub last_event: Option<String>,
}

/// What became of an invocation; `None` while that is open.
pub fn became(
    before: &StateBefore,
    now: Option<&InvocationState>,
    event: Option<&EventRow>,
) -> Option<(ActionOutcome, String)> {
    let Some(now) = now else {
        return Some((ActionOutcome::Completed, "it ended, and is not retained".to_owned()));
    };
    if now.is("completed") {
        return Some(match &now.completion_failure {
            None => (ActionOutcome::Completed, "with success".to_owned()),
            Some(failure) if failure.starts_with("[570") => (ActionOutcome::Failed, format!("it ended with {failure}")),
            Some(failure) => (ActionOutcome::Completed, format!("with the failure {failure}")),
        });
    }
    let failure = event
        .filter(|event| event.appended_at > before.last_event)
        .and_then(EventFailure::of)
        .filter(|failure| failure.failing)
        .map(|failure| failure.cause);
    let grown = now.journal_commands_size > before.commands;
    match (failure, grown) {
        (Some(failure), true) => {
            return Some((ActionOutcome::Progressed, format!("and fails further on: {}", describe(&failure))));
        }
        (Some(failure), false) => return Some((ActionOutcome::Failed, describe(&failure))),
        (None, true) => {
            return Some((ActionOutcome::Progressed, format!("{} commands now", now.journal_commands_size)));
        }
        (None, false) => {}
    }
    match now.status.as_str() {
        "suspended" => Some((ActionOutcome::Waiting, "everything is replayed".to_owned())),
        "paused" if now.modified_at != before.modified_at => {
            Some((ActionOutcome::Failed, "it is paused again".to_owned()))
        }
        _ => None,
    }
}

/// `RT0016 at command 5, call: …`
pub fn describe(failure: &FailureCause) -> String {
    let mut said = failure.code.clone().unwrap_or_else(|| "a failure".to_owned());
    if let Some(step) = &failure.step {
        if let Some(index) = step.command_index {
            said.push_str(&format!(" at command {index}"));
        }
        if let Some(name) = &step.name {
            said.push_str(&format!(" ({name})"));
        }
    }
    if let Some(message) = failure.message.as_deref().and_then(|message| message.lines().next()) {
        said.push_str(&format!(": {message}"));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before() -> StateBefore {
        StateBefore { commands: 4, modified_at: "t1".into(), last_event: Some("2026-11-24T21:22:15.322Z".into()) }
    }

    fn now(status: &str, commands: u64) -> InvocationState {
        InvocationState {
            status: status.into(),
            journal_commands_size: commands,
            modified_at: "t2".into(),
            ..InvocationState::default()
        }
    }

    fn failing(at: &str) -> EventRow {
        EventRow {
            after_journal_entry_index: Some(4),
            appended_at: Some(at.into()),
            event_type: "TransientError".into(),
            event_json: Some(
                r#"{"restate_doc_error_code":"RT0016","error_message":"differs","related_command_index":3}"#.into(),
            ),
        }
    }

    #[test]
    fn what_became_of_it() {
        let became = |now: Option<InvocationState>, event: Option<EventRow>| {
            became(&before(), now.as_ref(), event.as_ref()).map(|(outcome, _)| outcome)
        };
        let (old, new) = (failing("2026-11-24T21:21:56.236Z"), failing("2026-11-24T21:22:15.893Z"));
        assert_eq!(became(None, None), Some(ActionOutcome::Completed));
        assert_eq!(became(Some(now("completed", 4)), Some(new.clone())), Some(ActionOutcome::Completed));
        assert_eq!(became(Some(now("backing-off", 4)), Some(old.clone())), None, "an event from before says nothing");
        assert_eq!(became(Some(now("backing-off", 4)), Some(new.clone())), Some(ActionOutcome::Failed));
        assert_eq!(became(Some(now("backing-off", 6)), Some(new)), Some(ActionOutcome::Progressed));
        assert_eq!(became(Some(now("running", 4)), Some(old)), None);
        assert_eq!(became(Some(now("running", 5)), None), Some(ActionOutcome::Progressed));
        assert_eq!(became(Some(now("suspended", 4)), None), Some(ActionOutcome::Waiting));
        assert_eq!(became(Some(now("paused", 4)), None), Some(ActionOutcome::Failed));
        let not_yet = InvocationState { modified_at: "t1".into(), ..now("paused", 4) };
        assert_eq!(became(Some(not_yet), None), None, "the server has not resumed it yet");
        let failed =
            InvocationState { completion_failure: Some("[570 Journal mismatch] x".into()), ..now("completed", 4) };
        assert_eq!(became(Some(failed), None), Some(ActionOutcome::Failed));
    }
}
