//! A deployment survey: what is in flight on a deployment, who still calls it, and whether it can be removed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::admin::{RegisteredDeployment, RegisteredService};

/// A row of [`COUNTS`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct InvocationCount {
    pub pinned_deployment_id: Option<String>,
    pub status: String,
    pub target_service_name: String,
    pub invoked_by: Option<String>,
    pub invoked_by_service_name: Option<String>,
    pub n: u64,
}

/// The query that counts all invocations of the server.
pub const COUNTS: &str = "select pinned_deployment_id, status, target_service_name, invoked_by, invoked_by_service_name, \
                          count(1) as n from sys_invocation \
                          group by pinned_deployment_id, status, target_service_name, invoked_by, invoked_by_service_name";

/// One deployment and what it holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeploymentSurvey {
    pub id: String,
    /// `false` for a deployment that was removed by force while invocations were pinned to it.
    pub registered: bool,
    pub endpoint: Option<String>,
    pub sdk: Option<String>,
    pub created_at: Option<String>,
    pub protocol_versions: Option<(u32, u32)>,
    /// The services whose new invocations go to it.
    pub latest_for: BTreeSet<String>,
    /// Invocations pinned to it that are not completed, by status.
    pub in_flight: BTreeMap<String, u64>,
    /// Completed invocations that are retained, and could be restarted on it.
    pub retained: u64,
    /// Who calls the services whose new invocations go to it.
    pub callers: BTreeMap<String, u64>,
    pub shares_endpoint_with: BTreeSet<String>,
    /// Whether nothing is in flight on it.
    pub drained: bool,
    /// Why it cannot be removed yet; empty if it can.
    pub keep_because: Vec<String>,
}

impl DeploymentSurvey {
    pub fn in_flight(&self) -> u64 {
        self.in_flight.values().sum()
    }

    pub fn removable(&self) -> bool {
        self.keep_because.is_empty()
    }
}

/// Surveys all deployments that are registered or that something in flight is pinned to, in the order of registration.
pub fn survey(
    registered: &[RegisteredDeployment],
    services: &[RegisteredService],
    counts: &[InvocationCount],
) -> Vec<DeploymentSurvey> {
    let mut pinned: BTreeSet<&str> = counts.iter().filter_map(|row| row.pinned_deployment_id.as_deref()).collect();
    let mut order: Vec<&RegisteredDeployment> = registered.iter().collect();
    order.sort_by(|one, other| (&one.created_at, &one.id).cmp(&(&other.created_at, &other.id)));
    let mut deployments: Vec<DeploymentSurvey> = Vec::new();
    for known in order {
        pinned.remove(known.id.as_str());
        let shares =
            registered.iter().filter(|other| other.id != known.id && same_endpoint(other.endpoint(), known.endpoint()));
        deployments.push(DeploymentSurvey {
            registered: true,
            endpoint: Some(known.endpoint().to_owned()),
            sdk: known.sdk_version.clone(),
            created_at: known.created_at.clone(),
            protocol_versions: known.min_protocol_version.zip(known.max_protocol_version),
            shares_endpoint_with: shares.map(|other| other.id.clone()).collect(),
            ..counted(&known.id, services, counts)
        });
    }
    // Deployments that only retained invocations are pinned to are left out.
    let gone = pinned.into_iter().map(|id| counted(id, services, counts));
    deployments.extend(gone.filter(|gone| !gone.drained));
    for deployment in &mut deployments {
        deployment.keep_because = reasons_to_keep(deployment);
    }
    deployments
}

fn counted(id: &str, services: &[RegisteredService], counts: &[InvocationCount]) -> DeploymentSurvey {
    let latest_for: BTreeSet<String> =
        services.iter().filter(|service| service.deployment_id == id).map(|service| service.name.clone()).collect();
    let mut in_flight: BTreeMap<String, u64> = BTreeMap::new();
    let (mut retained, mut callers) = (0, BTreeMap::new());
    for row in counts {
        match (row.pinned_deployment_id.as_deref() == Some(id), row.status == "completed") {
            (true, true) => retained += row.n,
            (true, false) => *in_flight.entry(row.status.clone()).or_default() += row.n,
            (false, _) => {}
        }
        if latest_for.contains(&row.target_service_name) {
            *callers.entry(caller(row)).or_default() += row.n;
        }
    }
    DeploymentSurvey {
        id: id.to_owned(),
        registered: false,
        endpoint: None,
        sdk: None,
        created_at: None,
        protocol_versions: None,
        drained: in_flight.is_empty(),
        latest_for,
        in_flight,
        retained,
        callers,
        shares_endpoint_with: BTreeSet::new(),
        keep_because: Vec::new(),
    }
}

fn caller(row: &InvocationCount) -> String {
    match (row.invoked_by.as_deref(), &row.invoked_by_service_name) {
        (Some("service"), Some(name)) => format!("service {name}"),
        (Some(by), _) => by.replace('_', " "),
        (None, _) => "unknown".to_owned(),
    }
}

fn reasons_to_keep(deployment: &DeploymentSurvey) -> Vec<String> {
    let mut reasons = Vec::new();
    if !deployment.registered {
        reasons.push("it is not registered any more, yet invocations are pinned to it: they can go nowhere but to another deployment".to_owned());
        return reasons;
    }
    if !deployment.latest_for.is_empty() {
        let names: Vec<&str> = deployment.latest_for.iter().map(String::as_str).collect();
        reasons.push(format!("new invocations of {} go to it", names.join(", ")));
    }
    if !deployment.drained {
        let counts: Vec<String> = deployment.in_flight.iter().map(|(status, n)| format!("{n} {status}")).collect();
        reasons.push(format!("not drained: {}", counts.join(", ")));
    }
    reasons
}

/// Whether two endpoints are the same address, as `http://host:80/x` and `http://HOST/x/` are.
pub fn same_endpoint(one: &str, other: &str) -> bool {
    normalized(one) == normalized(other)
}

fn normalized(endpoint: &str) -> String {
    match url::Url::parse(endpoint) {
        Ok(url) => url.as_str().trim_end_matches('/').to_owned(),
        Err(_) => endpoint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(id: &str, uri: &str, created: &str) -> RegisteredDeployment {
        let json = serde_json::json!({"id": id, "uri": uri, "created_at": created});
        serde_json::from_value(json).unwrap()
    }

    fn row(deployment: Option<&str>, status: &str, by: (&str, Option<&str>), n: u64) -> InvocationCount {
        InvocationCount {
            pinned_deployment_id: deployment.map(str::to_owned),
            status: status.into(),
            target_service_name: "Order".into(),
            invoked_by: Some(by.0.into()),
            invoked_by_service_name: by.1.map(str::to_owned),
            n,
        }
    }

    #[test]
    fn a_deployment_may_go_when_nothing_is_pinned_and_nothing_new_comes() {
        let all = [
            registered("dp_new", "http://host:9080/v2", "2"),
            registered("dp_old", "http://host:9080/v1", "1"),
            registered("dp_twin", "http://HOST:9080/v1/", "3"),
        ];
        let latest = serde_json::json!({"name": "Order", "deployment_id": "dp_new"});
        let services = [serde_json::from_value(latest).unwrap()];
        let counts = [
            row(Some("dp_old"), "backing-off", ("ingress", None), 3),
            row(Some("dp_old"), "completed", ("ingress", None), 9),
            row(Some("dp_lost"), "paused", ("ingress", None), 1),
            row(Some("dp_older"), "completed", ("ingress", None), 1),
            row(None, "scheduled", ("service", Some("Mail")), 2),
        ];
        let found = survey(&all, &services, &counts);
        let ids: Vec<&str> = found.iter().map(|deployment| deployment.id.as_str()).collect();
        assert_eq!(ids, ["dp_old", "dp_new", "dp_twin", "dp_lost"]);
        let [old, new, twin, lost] = &found[..] else { panic!("{found:?}") };
        assert_eq!((old.in_flight(), old.retained, old.drained), (3, 9, false));
        assert_eq!(old.keep_because, ["not drained: 3 backing-off"]);
        assert_eq!(old.shares_endpoint_with, BTreeSet::from(["dp_twin".to_owned()]));
        assert_eq!(new.keep_because, ["new invocations of Order go to it"]);
        assert_eq!(new.callers, BTreeMap::from([("ingress".to_owned(), 14), ("service Mail".to_owned(), 2)]));
        assert!(twin.removable() && twin.drained);
        assert!(!lost.registered && !lost.removable());
    }
}
