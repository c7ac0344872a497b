//! A plan: a file that says what to do about each stuck invocation. People read it, and `apply` carries it out.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::stuck::StuckStatus;
use crate::journal::IdOrder;

/// Increased when a field changes its meaning or goes away, not when one is added.
pub const PLAN_SCHEMA_VERSION: u32 = 1;

/// A plan, as it is written and read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub schema_version: u32,
    pub rehearse_version: String,
    /// The cluster it was made for.
    pub admin_url: String,
    pub server_version: String,
    /// By the server's clock.
    pub made_at: String,
    pub candidates: Vec<PlanCandidate>,
    pub summary: BTreeMap<String, u64>,
    pub actions: Vec<PlannedAction>,
}

/// A deployment that invocations are resumed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanCandidate {
    pub url: String,
    /// The id under which it is registered; `None` while it is not.
    pub deployment: Option<String>,
    pub sdk: String,
}

/// What is to be done about one invocation, and what it looked like when that was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedAction {
    pub invocation: String,
    pub target: Option<String>,
    /// The id of its cause in the audit.
    pub cause: String,
    pub status: StuckStatus,
    pub pinned_deployment: Option<String>,
    pub journal_size: u64,
    pub commands: u64,
    #[serde(rename = "do")]
    pub kind: ActionKind,
    pub reason: String,
    /// Command lines that do the same by hand.
    pub cli: Vec<String>,
}

/// A kind of action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ActionKind {
    /// Pause it, and resume it on a candidate.
    Resume {
        candidate: usize,
    },
    /// Start another invocation on a candidate from the first entries of the journal, up to and with entry `from`. These
    /// entries hold `commands` commands.
    Restart {
        candidate: usize,
        from: u64,
        commands: u64,
        kill_first: bool,
    },
    Leave,
}

impl ActionKind {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Resume { .. } => "resume",
            Self::Restart { .. } => "restart",
            Self::Leave => "leave",
        }
    }

    pub fn candidate(&self) -> Option<usize> {
        match self {
            Self::Resume { candidate } | Self::Restart { candidate, .. } => Some(*candidate),
            Self::Leave => None,
        }
    }
}

/// Why a file is not a plan that can be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("it is not a rehearse plan: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is of schema version {0}; this rehearse reads version {PLAN_SCHEMA_VERSION}")]
    Version(u64),
    #[error("action {0}: {1}")]
    Action(usize, String),
}

impl Plan {
    /// Reads a plan and checks its ids, since they become parts of URLs.
    pub fn read(text: &[u8]) -> Result<Self, PlanError> {
        let json: serde_json::Value = serde_json::from_slice(text)?;
        if let Some(version) = json.get("schema_version").and_then(serde_json::Value::as_u64)
            && version != u64::from(PLAN_SCHEMA_VERSION)
        {
            return Err(PlanError::Version(version));
        }
        let plan: Self = serde_json::from_value(json)?;
        let mut seen = BTreeSet::new();
        for (at, action) in plan.actions.iter().enumerate() {
            let bad = |reason: String| Err(PlanError::Action(at, reason));
            if IdOrder::of(&action.invocation).is_none() {
                return bad(format!("{:?} is not an invocation id", action.invocation));
            }
            if !seen.insert(&action.invocation) {
                return bad(format!("{} occurs twice", action.invocation));
            }
            if let Some(candidate) = action.kind.candidate()
                && candidate >= plan.candidates.len()
            {
                return bad(format!("there is no candidate {candidate}"));
            }
        }
        for candidate in &plan.candidates {
            if let Some(id) = &candidate.deployment
                && !is_deployment_id(id)
            {
                return Err(PlanError::Action(0, format!("{id:?} is not a deployment id")));
            }
        }
        Ok(plan)
    }

    /// A hash of the plan, to tell it from others.
    pub fn fingerprint(&self) -> String {
        let mut hasher = SipHasher13::new();
        hasher.write(serde_json::to_string(self).unwrap_or_default().as_bytes());
        format!("{:016x}", hasher.finish())
    }

    /// The actions that do something.
    pub fn todo(&self) -> impl Iterator<Item = &PlannedAction> {
        self.actions.iter().filter(|action| action.kind != ActionKind::Leave)
    }

    /// The places of the candidates that something goes to.
    pub fn wanted_candidates(&self) -> BTreeSet<usize> {
        self.todo().filter_map(|action| action.kind.candidate()).collect()
    }

    /// Keeps only the actions on what is pinned to this deployment.
    pub fn keep_pinned_to(&mut self, deployment: &str) {
        self.actions.retain(|action| action.pinned_deployment.as_deref() == Some(deployment));
    }
}

/// Whether a text has the form of a deployment id: `dp_`, then letters and digits.
pub fn is_deployment_id(text: &str) -> bool {
    text.strip_prefix("dp_").is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT";

    #[test]
    fn a_plan_is_read_back_and_what_is_no_plan_is_refused() {
        let action = serde_json::json!({
            "invocation": ID, "target": "Order/1/process", "cause": "c", "status": "backing-off", "pinned_deployment": null,
            "journal_size": 9, "commands": 6, "do": {"action": "resume", "candidate": 0}, "reason": "it replays", "cli": [],
        });
        let plan: Plan = serde_json::from_value(serde_json::json!({
            "schema_version": 1, "rehearse_version": "0.1.0", "admin_url": "http://admin:9070", "server_version": "1.7.12",
            "made_at": "2026-11-24T22:29:15.785Z", "summary": {"resume": 1}, "actions": [action],
            "candidates": [{"url": "http://a", "deployment": "dp_1a", "sdk": ""}, {"url": "http://b", "deployment": null, "sdk": ""}],
        }))
        .unwrap();
        let text = serde_json::to_string(&plan).unwrap();
        let again = Plan::read(text.as_bytes()).unwrap();
        assert_eq!((&again, again.fingerprint()), (&plan, plan.fingerprint()));
        for (from, to, error) in [
            (ID, "inv_1/../../deployments", "not an invocation id"),
            ("\"candidate\":0", "\"candidate\":2", "no candidate 2"),
            ("dp_1a", "dp_1/x?force=true", "not a deployment id"),
            ("\"schema_version\":1", "\"schema_version\":2", "schema version 2"),
            ("\"action\":\"resume\"", "\"action\":\"delete\"", "not a rehearse plan"),
        ] {
            let refused = Plan::read(text.replace(from, to).as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(error), "{refused}");
        }
        let action = &text[text.find("[{\"invocation").unwrap() + 1..text.len() - 2];
        let twice = text.replace(action, &format!("{action},{action}"));
        assert!(Plan::read(twice.as_bytes()).unwrap_err().to_string().contains("occurs twice"));
    }
}
