//! What is stuck on a cluster, and why; read in a few queries.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::cause::{Cause, group};
use super::deployments::{COUNTS, CountRow, Surveyed, survey};
use super::stuck::{EventRow, Stuck, StuckRow};
use crate::admin::Chosen;
use crate::admin::{Admin, AdminError, Deployment};
use crate::admin::{any_of, quoted};

/// Everything an audit found out about the cluster itself.
#[derive(Clone, Debug)]
pub struct Audit {
    pub admin_url: String,
    pub server_version: String,
    /// By the server's clock.
    pub taken_at: String,
    /// In the order of ids.
    pub stuck: Vec<Stuck>,
    pub causes: Vec<Cause>,
    pub deployments: Vec<Surveyed>,
    /// As the server lists them.
    pub registered: Vec<Deployment>,
}

/// Stuck invocations asked for at once: a few kilobytes each.
const PAGE: usize = 500;
/// Latest events asked for at once: with a stack trace each. Ids in a list are looked up, not scanned for.
const EVENTS: usize = 100;

const COLUMNS: &str = "id, target, target_service_name, target_service_key, target_handler_name, target_service_ty, \
    status, pinned_deployment_id, pinned_service_protocol_version, journal_size, journal_commands_size, created_at, \
    modified_at, invoked_by, invoked_by_target, retry_count, last_attempt_server, \
    substr(last_failure, 1, 8000) as last_failure, last_failure_error_code, last_failure_related_command_index, \
    last_failure_related_command_name, last_failure_related_command_type, \
    substr(completion_failure, 1, 8000) as completion_failure, journal_retention";

/// What can be stuck. One in the middle of an attempt has failed before, so it has an event.
const MAY_BE_STUCK: &str = "(status in ('backing-off', 'paused') \
    or (status = 'completed' and completion_failure like '[570%') \
    or (status in ('running', 'ready') \
        and id in (select id from sys_journal_events where event_type = 'TransientError')))";

impl Audit {
    pub async fn take(admin: &Admin, chosen: &Chosen) -> Result<Self, AdminError> {
        let server_version = admin.version().await?.version;
        let taken_at = now(admin).await?;
        let mut stuck = stuck(admin, chosen).await?;
        let registered = admin.deployments().await?;
        // What memory forgot: the deployment's own SDK.
        for one in &mut stuck {
            let pinned =
                registered.iter().find(|deployment| Some(deployment.id.as_str()) == one.info.deployment.as_deref());
            one.sdk = one.sdk.take().or_else(|| pinned.and_then(|deployment| deployment.sdk_version.clone()));
        }
        let counts: Vec<CountRow> = admin.query_json(COUNTS).await?;
        let deployments = survey(&registered, &admin.services().await?, &counts);
        let causes = group(&stuck);
        Ok(Self { admin_url: admin.url(), server_version, taken_at, stuck, causes, deployments, registered })
    }

    /// The cause of a stuck invocation, by its place.
    pub fn causes_by_place(&self) -> Vec<&Cause> {
        let mut by_place: Vec<Option<&Cause>> = vec![None; self.stuck.len()];
        for cause in &self.causes {
            for at in &cause.members {
                by_place[*at] = Some(cause);
            }
        }
        by_place.into_iter().map(|cause| cause.expect("every stuck invocation is in a group")).collect()
    }

    /// Hides what payloads may show through: messages of failures.
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

/// The server's clock.
async fn now(admin: &Admin) -> Result<String, AdminError> {
    #[derive(Deserialize)]
    struct Now {
        now: String,
    }
    let rows: Vec<Now> = admin.query_json("select now() as now").await?;
    let now = rows.into_iter().next().map(|row| row.now).unwrap_or_default();
    // To the millisecond, as all other times.
    Ok(now.get(..23).map_or_else(|| now.clone(), |millis| format!("{millis}Z")))
}

/// Every stuck invocation that is chosen, page by page in the order of ids.
async fn stuck(admin: &Admin, chosen: &Chosen) -> Result<Vec<Stuck>, AdminError> {
    let limit = usize::try_from(chosen.selection.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let condition = chosen.sql().unwrap_or_else(|| "true".to_owned());
    let mut found: Vec<Stuck> = Vec::new();
    let mut after = String::new();
    loop {
        let sql = format!(
            "select {COLUMNS} from sys_invocation where {MAY_BE_STUCK} and {condition} and id > {} \
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

/// The latest event of each, by id.
async fn latest_events(admin: &Admin, rows: &[StuckRow]) -> Result<BTreeMap<String, EventRow>, AdminError> {
    #[derive(Deserialize)]
    struct Of {
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
        let found: Vec<Of> = admin.query_json(&sql).await?;
        events.extend(found.into_iter().map(|row| (row.id, row.event)));
    }
    Ok(events)
}

/// What is in flight on these deployments, in the order of ids, without what `left_out` says.
pub async fn in_flight(
    admin: &Admin,
    deployments: &[String],
    chosen: &Chosen,
    left_out: impl Fn(&str) -> bool,
) -> Result<Vec<String>, AdminError> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    const PAGE: usize = 50_000;
    let (pinned, condition) =
        (any_of("pinned_deployment_id", deployments), chosen.sql().unwrap_or_else(|| "true".to_owned()));
    let limit = usize::try_from(chosen.selection.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let beyond = quoted(&after);
        let rows: Vec<Id> = admin
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
