//! Pointing a deployment at other code, in place: only where everything in flight on it replays there.

use std::collections::BTreeSet;

use super::audit::in_flight;
use super::judge::{CHUNK, Prefixes, judge_on};
use super::matrix::Judged;
use crate::admin::Chosen;
use crate::admin::{Admin, AdminError};
use crate::check::live::Live;
use crate::record::{JournalsError, fetch};
use crate::report::Verdict;

/// What is in flight on a deployment, on other code.
#[derive(Clone, Debug, Default)]
pub struct Repoint {
    pub checked: u64,
    /// What would not replay there, or is not known to: its id, and why.
    pub against: Vec<(String, String)>,
}

/// Checks everything that is in flight on the deployment.
pub async fn check_all(
    admin: &Admin,
    deployment: &str,
    live: &Live,
    mut seen: impl FnMut(),
) -> Result<Repoint, JournalsError> {
    let ids = in_flight(admin, &[deployment.to_owned()], &Chosen::default(), |_| false).await?;
    let mut found = Repoint::default();
    for chunk in ids.chunks(CHUNK) {
        let (corpus, ids) = fetch(admin, chunk).await?;
        let mut left: BTreeSet<&str> = chunk.iter().map(String::as_str).collect();
        judge_on(
            std::slice::from_ref(live),
            (&corpus, &ids),
            |_| Prefixes::Unwanted,
            |one| {
                seen();
                left.remove(one.id.as_str());
                found.checked += 1;
                if one.judgement.verdict != Verdict::Compatible {
                    found.against.push((one.id, Judged::from(&one.judgement).sentence()));
                }
            },
        )
        .await;
        // What ended in the meantime is in nobody's way.
        for id in left {
            if super::observe::look(admin, id).await?.is_some_and(|now| !now.is("completed")) {
                found.against.push((id.to_owned(), "its journal could not be read".to_owned()));
            }
        }
    }
    Ok(found)
}

/// `PATCH /deployments/{id}`.
pub async fn repoint(admin: &Admin, deployment: &str, url: &str) -> Result<(), AdminError> {
    #[derive(serde::Serialize)]
    struct To<'a> {
        uri: &'a str,
    }
    admin.patch(&["deployments", deployment]).json(&To { uri: url }).send().await?;
    Ok(())
}

/// `POST /deployments`; the id. One that is registered already keeps its id.
pub async fn register(admin: &Admin, url: &str) -> Result<String, AdminError> {
    #[derive(serde::Serialize)]
    struct Of<'a> {
        uri: &'a str,
    }
    #[derive(serde::Deserialize)]
    struct Registered {
        id: String,
    }
    Ok(admin.post(&["deployments"]).json(&Of { uri: url }).send().await?.json::<Registered>()?.id)
}
