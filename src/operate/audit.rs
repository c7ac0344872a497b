//! A cluster audit: what is stuck on a cluster and why, read from the server in a few queries.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::cause::{StuckCause, group};
use super::deployments::{COUNTS, DeploymentSurvey, InvocationCount, survey};
use super::stuck::{EventRow, Stuck, StuckRow};
use crate::admin::{Admin, AdminError, ClusterSelection, RegisteredDeployment, any_of, quoted};
use crate::journal::InvocationColumn;

/// What an audit reads from the cluster, before any candidate is asked.
#[derive(Clone, Debug)]
pub struct ClusterAudit {
    pub admin_url: String,
    pub server_version: String,
    /// By the server's clock.
    pub taken_at: String,
    /// In the order of ids.
    pub stuck: Vec<Stuck>,
    pub causes: Vec<StuckCause>,
    pub deployments: Vec<DeploymentSurvey>,
    /// As the server lists them.
    pub registered: Vec<RegisteredDeployment>,
}

/// How many stuck invocations to ask for at once: a row has a few kilobytes.
const PAGE: usize = 500;
/// How many latest events to ask for at once: each has a stack trace. The server looks ids in a list up, without a scan.
const EVENTS: usize = 100;

/// The columns of `sys_invocation` in a [`StuckRow`] beside those of [`InvocationColumn`].
const COLUMNS: &str = "id, journal_size, journal_commands_size, modified_at, invoked_by, invoked_by_target, retry_count, \
    last_attempt_server, substr(last_failure, 1, 8000) as last_failure, last_failure_error_code, \
    last_failure_related_command_index, last_failure_related_command_name, last_failure_related_command_type, \
    substr(completion_failure, 1, 8000) as completion_failure, journal_retention";

/// The condition on what can be stuck. An invocation in the middle of an attempt has failed before, so it has an event.
const MAY_BE_STUCK: &str = "(status in ('backing-off', 'paused') \
    or (status = 'completed' and completion_failure like '[570%') \
    or (status in ('running', 'ready') \
        and id in (select id from sys_journal_events where event_type = 'TransientError')))";

impl ClusterAudit {
    pub async fn take(admin: &Admin, selected: &ClusterSelection) -> Result<Self, AdminError> {
        let server_version = admin.version().await?.version;
        let taken_at = now(admin).await?;
        let mut stuck = stuck(admin, selected).await?;
        let registered = admin.deployments().await?;
        // Where the server forgot the SDK of the last attempt, the deployment's own SDK stands for it.
        for one in &mut stuck {
            let pinned =
                registered.iter().find(|deployment| Some(deployment.id.as_str()) == one.info.deployment.as_deref());
            one.sdk = one.sdk.take().or_else(|| pinned.and_then(|deployment| deployment.sdk_version.clone()));
        }
        let counts: Vec<InvocationCount> = admin.query_json(COUNTS).await?;
        let deployments = survey(&registered, &admin.services().await?, &counts);
        let causes = group(&stuck);
        Ok(Self { admin_url: admin.url(), server_version, taken_at, stuck, causes, deployments, registered })
    }

    /// The cause of each stuck invocation, by its place.
    pub fn causes_by_place(&self) -> Vec<&StuckCause> {
        let mut by_place: Vec<Option<&StuckCause>> = vec![None; self.stuck.len()];
        for cause in &self.causes {
            for at in &cause.members {
                by_place[*at] = Some(cause);
            }
        }
        by_place.into_iter().map(|cause| cause.expect("every stuck invocation is in a group")).collect()
    }

    /// Hides failure messages, since they may contain payloads.
    pub fn redact(&mut self) {
        for stuck in &mut self.stuck {
            stuck.cause.message = None;
        }
        for cause in &mut self.causes {
            cause.message = None;
            cause.shape = None;
        }
    }
}

/// The time on the server's clock.
async fn now(admin: &Admin) -> Result<String, AdminError> {
    #[derive(Deserialize)]
    struct ServerTime {
        now: String,
    }
    let rows: Vec<ServerTime> = admin.query_json("select now() as now").await?;
    let now = rows.into_iter().next().map(|row| row.now).unwrap_or_default();
    // Cut to milliseconds, like all other times.
    Ok(now.get(..23).map_or_else(|| now.clone(), |millis| format!("{millis}Z")))
}

/// Reads every selected invocation that is stuck, page by page in the order of ids.
async fn stuck(admin: &Admin, selected: &ClusterSelection) -> Result<Vec<Stuck>, AdminError> {
    let limit = usize::try_from(selected.selection.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let condition = selected.sql().unwrap_or_else(|| "true".to_owned());
    let mut found: Vec<Stuck> = Vec::new();
    let mut after = String::new();
    loop {
        let info = InvocationColumn::NAMES.join(", ");
        let sql = format!(
            "select {COLUMNS}, {info} from sys_invocation where {MAY_BE_STUCK} and {condition} and id > {} \
             order by id limit {PAGE}",
            quoted(&after)
        );
        let rows: Vec<StuckRow> = admin.query_json(&sql).await?;
        let full = rows.len() == PAGE;
        after = rows.last().map(|row| row.id.clone()).unwrap_or_default();
        let mut events = latest_events(admin, &rows).await?;
        found.extend(rows.into_iter().filter_map(|row| {
            let event = events.remove(&row.id).unwrap_or_default();
            Stuck::new(row, &event)
        }));
        if found.len() >= limit || !full {
            found.truncate(limit);
            return Ok(found);
        }
    }
}

/// Reads the latest event of each invocation, by id.
async fn latest_events(admin: &Admin, rows: &[StuckRow]) -> Result<BTreeMap<String, EventRow>, AdminError> {
    #[derive(Deserialize)]
    struct LatestEvent {
        id: String,
        #[serde(flatten)]
        event: EventRow,
    }
    let mut events = BTreeMap::new();
    for rows in rows.chunks(EVENTS) {
        let ids = any_of("id", rows.iter().map(|row| &row.id));
        let sql = format!(
            "select id, after_journal_entry_index, appended_at, event_type, event_json from \
             (select *, row_number() over (partition by id order by appended_at desc) as latest \
              from sys_journal_events where {ids}) where latest = 1"
        );
        let found: Vec<LatestEvent> = admin.query_json(&sql).await?;
        events.extend(found.into_iter().map(|row| (row.id, row.event)));
    }
    Ok(events)
}

/// Reads the ids of what is in flight on these deployments, in order, without those that `left_out` names.
pub async fn in_flight(
    admin: &Admin,
    deployments: &[String],
    selected: &ClusterSelection,
    left_out: impl Fn(&str) -> bool,
) -> Result<Vec<String>, AdminError> {
    #[derive(Deserialize)]
    struct InFlightId {
        id: String,
    }
    const PAGE: usize = 50_000;
    let (pinned, condition) =
        (any_of("pinned_deployment_id", deployments), selected.sql().unwrap_or_else(|| "true".to_owned()));
    let limit = usize::try_from(selected.selection.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let beyond = quoted(&after);
        let rows: Vec<InFlightId> = admin
            .query_json(&format!(
                "select id from sys_invocation where status != 'completed' and {pinned} and {condition} \
                 and id > {beyond} order by id limit {PAGE}"
            ))
            .await?;
        let full = rows.len() == PAGE;
        after = rows.last().map(|row| row.id.clone()).unwrap_or_default();
        found.extend(rows.into_iter().map(|row| row.id).filter(|id| !left_out(id)));
        if found.len() >= limit || !full {
            found.truncate(limit);
            return Ok(found);
        }
    }
}
