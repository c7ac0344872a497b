//! A repoint: pointing a deployment at other code, in place, if everything in flight on it replays there.

use std::collections::BTreeSet;

use super::audit::in_flight;
use super::deployments::same_endpoint;
use super::judge::{RestartSearch, judge_on};
use super::log::{ActionLog, LogError, LogEvent};
use super::matrix::CandidateVerdict;
use super::observe::look;
use super::plan::Plan;
use crate::admin::{Admin, AdminError, ClusterSelection};
use crate::check::live::Live;
use crate::record::{CopyError, JournalFetcher};
use crate::report::Verdict;

/// The verdicts on what is in flight on a deployment, on the code it is to be pointed at.
#[derive(Clone, Debug, Default)]
pub struct RepointCheck {
    /// The candidate's URL.
    pub url: String,
    pub checked: u64,
    /// What would not replay there, or is not known to: its id, and why.
    pub against: Vec<(String, String)>,
}

/// How a repoint ended.
#[derive(Clone, Debug)]
pub enum RepointOutcome {
    /// The deployment is at the candidate's URL already.
    AlreadyThere,
    /// Something in flight speaks against it, and the deployment is left as it is.
    Refused(RepointCheck),
    Done(RepointCheck),
}

#[derive(Debug, thiserror::Error)]
pub enum RepointError {
    #[error("--repoint needs one candidate, and the plan has {found} for what is pinned to {deployment}")]
    Candidates { found: &'static str, deployment: String },
    #[error("{0} is not registered")]
    NotRegistered(String),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Points the deployment at the URL of the plan's only candidate, unless something in flight on it would not replay there.
/// `lives` are the candidates that were discovered; `judged` hears of each invocation that is judged.
pub async fn repoint(
    admin: &Admin,
    deployment: &str,
    plan: &Plan,
    lives: &[Option<Live>],
    log: &ActionLog,
    judged: impl FnMut(),
) -> Result<RepointOutcome, RepointError> {
    let mut there = plan.candidates.iter().zip(lives).filter_map(|(of, live)| Some((&of.url, live.as_ref()?)));
    let (url, live) = match (there.next(), there.next()) {
        (Some(only), None) => only,
        (first, _) => {
            let found = if first.is_none() { "none" } else { "several" };
            return Err(RepointError::Candidates { found, deployment: deployment.to_owned() });
        }
    };
    let registered = admin.deployments().await?;
    let Some(known) = registered.iter().find(|known| known.id == deployment) else {
        return Err(RepointError::NotRegistered(deployment.to_owned()));
    };
    if same_endpoint(known.endpoint(), url) {
        return Ok(RepointOutcome::AlreadyThere);
    }
    let check = RepointCheck { url: url.clone(), ..check_all(admin, deployment, live, judged).await? };
    if !check.against.is_empty() {
        return Ok(RepointOutcome::Refused(check));
    }
    log.write(LogEvent::WillRepoint { deployment: deployment.to_owned(), url: url.clone() }).await?;
    set_url(admin, deployment, url).await?;
    log.write(LogEvent::Repointed { deployment: deployment.to_owned(), url: url.clone() }).await?;
    Ok(RepointOutcome::Done(check))
}

/// Judges everything that is in flight on the deployment.
async fn check_all(
    admin: &Admin,
    deployment: &str,
    live: &Live,
    mut judged: impl FnMut(),
) -> Result<RepointCheck, CopyError> {
    let ids = in_flight(admin, &[deployment.to_owned()], &ClusterSelection::default(), |_| false).await?;
    let mut found = RepointCheck::default();
    let mut fetcher = JournalFetcher::new(admin, &ids);
    while let Some(batch) = fetcher.next().await? {
        let mut left: BTreeSet<&str> = batch.ids.iter().map(String::as_str).collect();
        let search = |_: &str| RestartSearch::Unwanted;
        judge_on(std::slice::from_ref(live), &batch.journals, search, |one| {
            judged();
            left.remove(one.id.as_str());
            found.checked += 1;
            if one.judgement.verdict != Verdict::Compatible {
                found.against.push((one.id, CandidateVerdict::from(&one.judgement).sentence()));
            }
        })
        .await;
        // An invocation that has ended in the meantime does not speak against it.
        for id in left {
            if look(admin, id).await?.is_some_and(|now| !now.is("completed")) {
                found.against.push((id.to_owned(), "its journal could not be read".to_owned()));
            }
        }
    }
    Ok(found)
}

/// `PATCH /deployments/{id}`.
async fn set_url(admin: &Admin, deployment: &str, url: &str) -> Result<(), AdminError> {
    #[derive(serde::Serialize)]
    struct DeploymentUpdate<'a> {
        uri: &'a str,
    }
    admin.patch(&["deployments", deployment]).json(&DeploymentUpdate { uri: url }).send().await?;
    Ok(())
}

/// `POST /deployments`: returns the id. A deployment that is registered already keeps its id.
pub async fn register(admin: &Admin, url: &str) -> Result<String, AdminError> {
    #[derive(serde::Serialize)]
    struct NewDeployment<'a> {
        uri: &'a str,
    }
    #[derive(serde::Deserialize)]
    struct DeploymentId {
        id: String,
    }
    let answer = admin.post(&["deployments"]).json(&NewDeployment { uri: url }).send().await?;
    Ok(answer.json::<DeploymentId>()?.id)
}
