//! A resume target: a candidate that invocations go to, and the deployment that it is registered as.

use std::collections::BTreeSet;

use super::command_lines::shell_word;
use super::deployments::same_endpoint;
use super::log::{ActionLog, LogError, LogEvent, LogHistory};
use super::plan::Plan;
use super::repoint::register;
use crate::admin::{Admin, AdminError};
use crate::check::live::Live;

/// A candidate that invocations go to.
#[derive(Debug)]
pub struct ResumeTarget {
    pub live: Live,
    pub deployment: String,
}

/// What may be done about candidates that are not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Every candidate must be registered.
    Required,
    /// Candidates that are not registered will be.
    Allowed,
    /// A registered deployment will be pointed at the candidate, so no candidate needs to be registered.
    Repointed,
}

/// The places of the candidates that a run needs to speak to. A repoint with a single candidate needs that one, even if
/// nothing goes to it.
pub fn needed_candidates(plan: &Plan, registration: Registration) -> BTreeSet<usize> {
    if registration == Registration::Repointed && plan.candidates.len() == 1 {
        return BTreeSet::from([0]);
    }
    plan.wanted_candidates()
}

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("{id} is at {now} by now, and the plan was made with what is at {planned}: audit again")]
    Moved { id: String, now: String, planned: String },
    #[error("{0} is not registered any more: audit again")]
    Gone(String),
    #[error(
        "{url} is not a registered deployment: `restate deployments register {}`, or apply with --register; \
         new invocations of its services go to it from then on",
        shell_word(.url)
    )]
    NotRegistered { url: String },
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// The deployment id of each candidate of a plan, as far as it is registered, now or by an earlier run. Candidates that
/// nothing goes to need not be registered.
pub async fn locate_candidates(
    admin: &Admin,
    plan: &Plan,
    history: &LogHistory,
    registration: Registration,
) -> Result<Vec<Option<String>>, TargetError> {
    let registered = admin.deployments().await?;
    let wanted = plan.wanted_candidates();
    let mut found = Vec::new();
    for (at, candidate) in plan.candidates.iter().enumerate() {
        let url = &candidate.url;
        let known = candidate.deployment.as_ref().or_else(|| history.registered.get(url));
        let there = registered.iter().find(|deployment| match known {
            Some(id) => deployment.id == *id,
            None => same_endpoint(deployment.endpoint(), url),
        });
        found.push(match (there, known) {
            _ if !wanted.contains(&at) || registration == Registration::Repointed => known.cloned(),
            (Some(deployment), _) if same_endpoint(deployment.endpoint(), url) => Some(deployment.id.clone()),
            (Some(deployment), _) => {
                let (id, now) = (deployment.id.clone(), deployment.endpoint().to_owned());
                return Err(TargetError::Moved { id, now, planned: url.clone() });
            }
            (None, Some(id)) => return Err(TargetError::Gone(id.clone())),
            (None, None) if registration == Registration::Allowed => None,
            (None, None) => return Err(TargetError::NotRegistered { url: url.clone() }),
        });
    }
    Ok(found)
}

/// Why a candidate could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Registers a candidate, and writes that down before and after.
pub async fn register_candidate(admin: &Admin, url: &str, log: &ActionLog) -> Result<String, RegisterError> {
    log.write(LogEvent::WillRegister { url: url.to_owned() }).await?;
    let deployment = register(admin, url).await?;
    log.write(LogEvent::Registered { url: url.to_owned(), deployment: deployment.clone() }).await?;
    Ok(deployment)
}
