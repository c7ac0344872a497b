//! A stuck invocation: one that cannot go on by itself, put together from `sys_invocation` and `sys_journal_events`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::journal::InvocationInfo;

/// How an invocation is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StuckStatus {
    /// Between two attempts, after many that failed.
    BackingOff,
    /// In the middle of an attempt, after many that failed.
    Retrying,
    Paused,
    /// Completed with a journal mismatch as its failure.
    Failed,
}

impl StuckStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::BackingOff => "backing-off",
            Self::Retrying => "retrying",
            Self::Paused => "paused",
            Self::Failed => "failed",
        }
    }

    /// Whether the invocation has ended, so that it cannot be resumed any more.
    pub fn is_over(self) -> bool {
        self == Self::Failed
    }
}

/// The command that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FailingStep {
    pub command_index: Option<u64>,
    /// `Run`, `Call`, …
    pub command_type: Option<String>,
    pub name: Option<String>,
}

/// Why an invocation is stuck.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCause {
    /// `RT0016`, `RT0007`, …
    pub code: Option<String>,
    pub message: Option<String>,
    pub step: Option<FailingStep>,
}

impl FailureCause {
    /// Whether it is RT0016: the code differs from what was recorded.
    pub fn is_mismatch(&self) -> bool {
        self.code.as_deref() == Some(MISMATCH)
    }
}

const MISMATCH: &str = "RT0016";

/// Longer failure messages are cut off here.
const LONGEST_MESSAGE: usize = 4000;

/// A row of `sys_invocation`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StuckRow {
    pub id: String,
    #[serde(flatten, deserialize_with = "InvocationInfo::from_row")]
    pub info: InvocationInfo,
    pub journal_size: u64,
    pub journal_commands_size: u64,
    pub modified_at: Option<String>,
    pub invoked_by: Option<String>,
    pub invoked_by_target: Option<String>,
    pub retry_count: Option<u64>,
    pub last_attempt_server: Option<String>,
    pub last_failure: Option<String>,
    pub last_failure_error_code: Option<String>,
    pub last_failure_related_command_index: Option<u64>,
    pub last_failure_related_command_name: Option<String>,
    pub last_failure_related_command_type: Option<String>,
    pub completion_failure: Option<String>,
    /// How long the journal is kept after the invocation has ended; an ISO 8601 duration.
    pub journal_retention: Option<String>,
}

/// The latest event of an invocation, as `sys_journal_events` has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventRow {
    pub after_journal_entry_index: Option<u64>,
    pub appended_at: Option<String>,
    pub event_type: String,
    pub event_json: Option<String>,
}

/// A stuck invocation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stuck {
    pub id: String,
    #[serde(skip)]
    pub info: InvocationInfo,
    pub status: StuckStatus,
    pub cause: FailureCause,
    /// When it first failed for this cause, as far as the server remembers.
    pub since: Option<String>,
    pub journal_size: u64,
    pub commands: u64,
    pub modified_at: Option<String>,
    /// `ingress`, `service`, `subscription`, `restart_as_new`.
    pub invoked_by: Option<String>,
    pub invoked_by_target: Option<String>,
    /// The SDK of the last attempt.
    pub sdk: Option<String>,
    /// Whether the journal is kept after the invocation has ended, so that another can start from it.
    #[serde(skip)]
    pub journal_stays: bool,
}

impl Stuck {
    /// `None` for an invocation that is not stuck after all.
    pub fn new(row: StuckRow, event: &EventRow) -> Option<Self> {
        let failure = EventFailure::of(event);
        // An event is current while nothing was appended to the journal after it.
        let current = event.after_journal_entry_index.is_some_and(|after| after + 1 >= row.journal_size);
        let from_memory = row.remembered();
        let status = match row.info.status.as_deref().unwrap_or_default() {
            "backing-off" => StuckStatus::BackingOff,
            "paused" => StuckStatus::Paused,
            "completed" if row.completion_failure.as_deref().is_some_and(is_mismatch_failure) => StuckStatus::Failed,
            "running" | "ready" if current && failure.as_ref().is_some_and(|failure| failure.failing) => {
                StuckStatus::Retrying
            }
            _ => return None,
        };
        let durable = failure.map(|failure| failure.cause).filter(|cause| *cause != FailureCause::default());
        let cause = match status {
            // A signal that arrives after the pause makes the event outdated, but does not change why it was paused.
            StuckStatus::Paused => durable.or(from_memory),
            StuckStatus::Failed => durable.or_else(|| row.completed_as()),
            StuckStatus::BackingOff | StuckStatus::Retrying => durable.filter(|_| current).or(from_memory),
        };
        let event_counts = current || matches!(status, StuckStatus::Paused | StuckStatus::Failed);
        let since = event.appended_at.clone().filter(|_| event_counts);
        Some(Self {
            status,
            cause: cause.unwrap_or_default(),
            since: since.or_else(|| row.modified_at.clone()),
            journal_size: row.journal_size,
            commands: row.journal_commands_size,
            modified_at: row.modified_at,
            invoked_by: row.invoked_by,
            invoked_by_target: row.invoked_by_target,
            journal_stays: row
                .journal_retention
                .as_deref()
                .is_some_and(|time| time.chars().any(|c| ('1'..='9').contains(&c))),
            sdk: row.last_attempt_server,
            id: row.id,
            info: row.info,
        })
    }

    pub fn deployment(&self) -> Option<&str> {
        self.info.deployment.as_deref()
    }

    /// Why no other invocation can start from its journal; `None` if one can.
    pub fn why_no_restart(&self) -> Option<&'static str> {
        if self.info.service_type.as_deref() == Some("workflow") {
            return Some("workflows can not be restarted");
        }
        (!self.journal_stays).then_some("its journal is not retained when it ends")
    }
}

/// The text of a terminal failure begins with the code that the SDK gave.
fn is_mismatch_failure(failure: &str) -> bool {
    failure.starts_with("[570")
}

/// The failure that an event reports.
pub struct EventFailure {
    pub cause: FailureCause,
    /// Whether the invocation is being tried again, rather than paused.
    pub failing: bool,
}

impl EventFailure {
    pub fn of(event: &EventRow) -> Option<Self> {
        let json: Value = serde_json::from_str(event.event_json.as_deref()?).ok()?;
        let failure = match event.event_type.as_str() {
            "TransientError" => Some(&json),
            // A person may have paused an invocation that never failed.
            "Paused" => json.get("last_failure"),
            _ => return None,
        };
        let cause = failure.map(|failure| {
            let text = |name: &str| failure.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            let number = |name: &str| failure.get(name).and_then(Value::as_u64);
            let code = text("restate_doc_error_code").map(str::to_owned);
            FailureCause {
                code: code.or_else(|| number("error_code").map(|code| code.to_string())),
                message: text("error_message").map(|message| message.chars().take(LONGEST_MESSAGE).collect()),
                step: step(number("related_command_index"), text("related_command_type"), text("related_command_name")),
            }
        });
        Some(Self { cause: cause.unwrap_or_default(), failing: event.event_type == "TransientError" })
    }
}

fn step(command_index: Option<u64>, command_type: Option<&str>, name: Option<&str>) -> Option<FailingStep> {
    let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
    let step = FailingStep { command_index, command_type: command_type.map(str::to_owned), name };
    (step != FailingStep::default()).then_some(step)
}

impl StuckRow {
    /// The failure as the partition's leader remembers it; it is lost when the leader changes.
    fn remembered(&self) -> Option<FailureCause> {
        let failure = self.last_failure.as_deref()?;
        Some(FailureCause {
            code: self.last_failure_error_code.clone(),
            message: message_of(failure),
            step: step(
                self.last_failure_related_command_index,
                self.last_failure_related_command_type.as_deref(),
                self.last_failure_related_command_name.as_deref(),
            ),
        })
    }

    fn completed_as(&self) -> Option<FailureCause> {
        let failure = self.completion_failure.as_deref()?;
        let code = is_mismatch_failure(failure).then(|| MISMATCH.to_owned());
        Some(FailureCause { code, message: message_of(failure), step: None })
    }
}

/// `[500 Internal] no such currency`, with a stack trace below it.
fn message_of(failure: &str) -> Option<String> {
    let text = failure.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(failure, |(_, text)| text);
    let line = text.lines().next().unwrap_or_default().trim();
    (!line.is_empty()).then(|| line.chars().take(LONGEST_MESSAGE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str) -> StuckRow {
        let info = InvocationInfo { status: Some(status.into()), ..InvocationInfo::default() };
        StuckRow { id: "inv".into(), info, journal_size: 5, ..StuckRow::default() }
    }

    fn event(kind: &str, after: u64, json: Value) -> EventRow {
        EventRow {
            after_journal_entry_index: Some(after),
            appended_at: Some("2026-11-24T21:21:56.236Z".into()),
            event_type: kind.into(),
            event_json: Some(json.to_string()),
        }
    }

    fn failing(after: u64) -> EventRow {
        let json = serde_json::json!({"ty": "TransientError", "error_code": 500, "error_message": "no such currency",
            "restate_doc_error_code": "RT0007", "related_command_index": 3, "related_command_name": "convert",
            "related_command_type": "Run"});
        event("TransientError", after, json)
    }

    #[test]
    fn a_running_one_is_stuck_only_while_its_latest_event_is_current() {
        let stuck = Stuck::new(row("running"), &failing(4)).unwrap();
        assert_eq!(stuck.status, StuckStatus::Retrying);
        assert_eq!(stuck.cause.code.as_deref(), Some("RT0007"));
        assert_eq!(stuck.cause.step.unwrap().name.as_deref(), Some("convert"));
        assert!(Stuck::new(row("running"), &failing(2)).is_none());
        assert!(Stuck::new(row("running"), &EventRow::default()).is_none());
        assert!(Stuck::new(row("suspended"), &failing(4)).is_none());
    }

    #[test]
    fn an_outdated_event_yields_to_what_the_server_remembers() {
        let outdated = StuckRow {
            last_failure: Some("[570 Journal mismatch] it differs\nat x".into()),
            last_failure_error_code: Some("RT0016".into()),
            ..row("backing-off")
        };
        let stuck = Stuck::new(outdated, &failing(2)).unwrap();
        assert_eq!((stuck.cause.code.as_deref(), stuck.cause.message.as_deref()), (Some("RT0016"), Some("it differs")));
        // Without any cause the invocation is stuck all the same.
        let silent = Stuck::new(row("backing-off"), &EventRow::default());
        assert_eq!(silent.unwrap().cause, FailureCause::default());
    }

    #[test]
    fn a_paused_one_keeps_its_cause_when_a_signal_arrives() {
        let nested = serde_json::json!({"ty": "Paused", "last_failure": {"error_code": 570, "error_message": "differs",
            "restate_doc_error_code": "RT0016", "related_command_index": 5, "related_command_type": "Call"}});
        let stuck = Stuck::new(row("paused"), &event("Paused", 2, nested)).unwrap();
        assert!(stuck.cause.is_mismatch());
        assert_eq!(stuck.cause.step.unwrap().command_index, Some(5));
        let by_hand = Stuck::new(row("paused"), &event("Paused", 4, serde_json::json!({"ty": "Paused"}))).unwrap();
        assert_eq!(by_hand.cause, FailureCause::default());
    }

    #[test]
    fn a_failed_one_is_stuck_only_with_a_mismatch() {
        let failed = |failure: &str| StuckRow { completion_failure: Some(failure.into()), ..row("completed") };
        let stuck = Stuck::new(failed("[570 Journal mismatch] it differs"), &EventRow::default()).unwrap();
        assert!(stuck.status.is_over() && stuck.cause.is_mismatch());
        assert!(Stuck::new(failed("[500] out of stock"), &EventRow::default()).is_none());
    }

    #[test]
    fn a_row_of_the_server_has_the_columns_of_the_invocation_among_others() {
        let json = serde_json::json!({"id": "inv", "target_service_name": "Order", "status": "paused", "journal_size": 5,
            "pinned_service_protocol_version": 6, "retry_count": null, "modified_at": "t"});
        let row: StuckRow = serde_json::from_value(json).unwrap();
        assert_eq!((row.info.service.as_deref(), row.info.protocol_version), (Some("Order"), Some(6)));
        assert_eq!((row.journal_size, row.modified_at.as_deref()), (5, Some("t")));
    }
}
