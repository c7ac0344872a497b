//! What to do about each stuck invocation: a file that people read, and `apply` carries out.

use std::collections::BTreeMap;
use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::matrix::{Checked, Matrix};
use super::stuck::{Stuck, StuckStatus};
use crate::journal::IdOrder;
use crate::report::Verdict;

pub const SCHEMA_VERSION: u32 = 1;

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
    pub actions: Vec<Action>,
}

/// A deployment that invocations are resumed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanCandidate {
    pub url: String,
    /// Where it is registered; nothing while it is not.
    pub deployment: Option<String>,
    pub sdk: String,
}

/// What is to be done about one invocation, and what it looked like when that was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    pub invocation: String,
    pub target: Option<String>,
    /// The group that the audit put it in.
    pub cause: String,
    pub status: StuckStatus,
    pub pinned_deployment: Option<String>,
    pub journal_size: u64,
    pub commands: u64,
    #[serde(rename = "do")]
    pub step: Step,
    pub reason: String,
    /// The same by hand.
    pub cli: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Pause it, and resume it on a candidate.
    Resume {
        candidate: usize,
    },
    /// Start another on a candidate, from the first entries of its journal, up to and with `from`: so many commands.
    Restart {
        candidate: usize,
        from: u64,
        commands: u64,
        kill_first: bool,
    },
    Leave,
}

impl Step {
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

/// What a plan is for.
pub struct Setting<'s> {
    pub admin_url: &'s str,
    pub server_version: &'s str,
    pub now: &'s str,
    pub candidates: Vec<PlanCandidate>,
    /// Whether what can not be resumed may be started anew.
    pub allow_restart: bool,
}

/// Why a file is no plan that can be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("it is no plan of rehearse: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is of schema version {0}; this rehearse reads version {SCHEMA_VERSION}")]
    Version(u64),
    #[error("action {0}: {1}")]
    Action(usize, String),
}

impl Plan {
    /// One action for each stuck invocation, in the order of ids.
    pub fn new(setting: Setting<'_>, all: &[Stuck], cause_of: &dyn Fn(usize) -> String, matrix: &Matrix) -> Self {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by(|one, other| all[*one].id.cmp(&all[*other].id));
        let mut summary: BTreeMap<String, u64> =
            ["resume", "restart", "leave"].into_iter().map(|name| (name.to_owned(), 0)).collect();
        let mut actions = Vec::with_capacity(all.len());
        for at in order {
            let stuck = &all[at];
            let (step, reason) = decide(stuck, matrix.of(&stuck.id), &setting);
            *summary.entry(step.name().to_owned()).or_default() += 1;
            actions.push(Action {
                invocation: stuck.id.clone(),
                target: stuck.info.target(),
                cause: cause_of(at),
                status: stuck.status,
                pinned_deployment: stuck.info.deployment.clone(),
                journal_size: stuck.journal_size,
                commands: stuck.commands,
                cli: command_lines(stuck, &step, &setting),
                step,
                reason,
            });
        }
        Self {
            schema_version: SCHEMA_VERSION,
            rehearse_version: env!("CARGO_PKG_VERSION").to_owned(),
            admin_url: setting.admin_url.to_owned(),
            server_version: setting.server_version.to_owned(),
            made_at: setting.now.to_owned(),
            candidates: setting.candidates,
            summary,
            actions,
        }
    }

    /// Reads a plan, and sees that nothing in it leads elsewhere than it says: ids go into addresses.
    pub fn read(text: &[u8]) -> Result<Self, PlanError> {
        let json: serde_json::Value = serde_json::from_slice(text)?;
        if let Some(version) = json.get("schema_version").and_then(serde_json::Value::as_u64)
            && version != u64::from(SCHEMA_VERSION)
        {
            return Err(PlanError::Version(version));
        }
        let plan: Self = serde_json::from_value(json)?;
        let mut seen = std::collections::BTreeSet::new();
        for (at, action) in plan.actions.iter().enumerate() {
            let bad = |reason: String| Err(PlanError::Action(at, reason));
            if IdOrder::of(&action.invocation).is_none() {
                return bad(format!("{:?} is no invocation id", action.invocation));
            }
            if !seen.insert(&action.invocation) {
                return bad(format!("{} occurs twice", action.invocation));
            }
            if let Some(candidate) = action.step.candidate()
                && candidate >= plan.candidates.len()
            {
                return bad(format!("there is no candidate {candidate}"));
            }
        }
        for candidate in &plan.candidates {
            if let Some(id) = &candidate.deployment
                && !is_deployment_id(id)
            {
                return Err(PlanError::Action(0, format!("{id:?} is no deployment id")));
            }
        }
        Ok(plan)
    }

    /// What tells this plan from another.
    pub fn fingerprint(&self) -> String {
        let mut hasher = SipHasher13::new();
        hasher.write(serde_json::to_string(self).unwrap_or_default().as_bytes());
        format!("{:016x}", hasher.finish())
    }

    /// What there is to do.
    pub fn todo(&self) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter(|action| action.step != Step::Leave)
    }
}

/// `dp_` and letters and digits.
pub fn is_deployment_id(text: &str) -> bool {
    text.strip_prefix("dp_").is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric()))
}

fn decide(stuck: &Stuck, checked: Option<&Checked>, setting: &Setting<'_>) -> (Step, String) {
    let Some(checked) = checked else { return (Step::Leave, "it was not checked".to_owned()) };
    let name = |at: usize| {
        let candidate = &setting.candidates[at];
        candidate.deployment.clone().unwrap_or_else(|| candidate.url.clone())
    };
    let replays = checked.verdicts.iter().position(|judged| judged.verdict == Verdict::Compatible);
    if let (Some(candidate), false) = (replays, stuck.status.is_over()) {
        return (
            Step::Resume { candidate },
            format!("{} replays all of its {} commands", name(candidate), stuck.commands),
        );
    }
    let why_not = checked
        .verdicts
        .iter()
        .enumerate()
        .filter(|(_, judged)| judged.verdict != Verdict::Compatible)
        .map(|(at, judged)| format!("{}: {}", name(at), judged.sentence()))
        .collect::<Vec<_>>()
        .join("; ");
    let why_not = if stuck.status.is_over() { "it has ended, and can not be resumed".to_owned() } else { why_not };
    let Some((candidate, prefix)) = checked.best_prefix() else {
        let refused = checked.no_restart.as_deref().filter(|_| setting.allow_restart);
        let refused = refused.map(|reason| format!("; no restart: {reason}")).unwrap_or_default();
        return (Step::Leave, format!("{why_not}{refused}"));
    };
    if !setting.allow_restart {
        let could = format!("it could start anew from entry {} on {} (--allow-restart)", prefix.from, name(candidate));
        return (Step::Leave, format!("{why_not}; {could}"));
    }
    let kill_first = !stuck.status.is_over();
    let cost = match (kill_first, stuck.invoked_by.as_deref()) {
        (true, Some("service")) => {
            let caller = stuck.invoked_by_target.as_deref().unwrap_or("another invocation");
            format!("; it is killed first, and so are its children, and {caller} which called it sees it fail")
        }
        (true, _) => "; it is killed first, and so are its children".to_owned(),
        (false, _) => String::new(),
    };
    let reason = format!(
        "{why_not}; {} replays the first {} of {} commands, and what comes after is done again{cost}",
        name(candidate),
        prefix.commands,
        stuck.commands
    );
    (Step::Restart { candidate, from: prefix.from, commands: prefix.commands as u64, kill_first }, reason)
}

/// What does the same by hand, for a shell.
fn command_lines(stuck: &Stuck, step: &Step, setting: &Setting<'_>) -> Vec<String> {
    let id = quoted(&stuck.id);
    let deployment = |candidate: usize| {
        let known = setting.candidates[candidate].deployment.clone();
        known.map_or_else(|| "\"$DEPLOYMENT\"".to_owned(), |id| quoted(&id))
    };
    let mut lines = Vec::new();
    if let Some(candidate) = step.candidate()
        && setting.candidates[candidate].deployment.is_none()
    {
        lines.push(format!(
            "restate --yes deployments register {}   # its id is $DEPLOYMENT",
            quoted(&setting.candidates[candidate].url)
        ));
    }
    match step {
        Step::Leave => {}
        Step::Resume { candidate } => {
            if stuck.status != StuckStatus::Paused {
                lines.push(format!("restate --yes invocations pause {id}"));
            }
            lines.push(format!("restate --yes invocations resume --deployment {} {id}", deployment(*candidate)));
        }
        Step::Restart { candidate, from, kill_first, commands: _ } => {
            if *kill_first {
                lines.push(format!("restate --yes invocations kill {id}"));
            }
            // Restate's own command line starts anew from the beginning only.
            let address = format!(
                "{}/invocations/{}/restart-as-new?from={from}&deployment=",
                setting.admin_url.trim_end_matches('/'),
                stuck.id
            );
            lines.push(format!("curl -X PATCH {}{}", quoted(&address), deployment(*candidate)));
        }
    }
    lines
}

/// A word for a POSIX shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '%' | '+' | ',');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::InvocationInfo;
    use crate::operate::matrix::{Judged, Prefix};
    use crate::operate::stuck::FailureCause;

    const ID: &str = "inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT";

    fn stuck(status: StuckStatus) -> Stuck {
        Stuck {
            id: ID.into(),
            info: InvocationInfo { target: Some("Order/it's/process".into()), ..InvocationInfo::default() },
            status,
            cause: FailureCause::default(),
            since: None,
            journal_size: 9,
            commands: 6,
            modified_at: None,
            invoked_by: Some("service".into()),
            invoked_by_target: Some("Shop/open".into()),
            sdk: None,
            journal_stays: true,
        }
    }

    fn judged(verdict: Verdict) -> Judged {
        let rule = (verdict == Verdict::Mismatch).then_some(("run-renamed", 3));
        Judged { verdict, rule, reason: None }
    }

    /// A plan for one, with two candidates: the second is not registered.
    fn planned(status: StuckStatus, verdicts: [Verdict; 2], prefix: Option<Prefix>, allow_restart: bool) -> Plan {
        let mut matrix = Matrix::new(2);
        for (at, verdict) in verdicts.into_iter().enumerate() {
            matrix.add_stuck(ID, at, judged(verdict), prefix.filter(|_| at == 1));
        }
        let candidate = |url: &str, deployment: Option<&str>| PlanCandidate {
            url: url.into(),
            deployment: deployment.map(str::to_owned),
            sdk: String::new(),
        };
        let setting = Setting {
            admin_url: "http://admin:9070",
            server_version: "1.7.12",
            now: "2026-11-24T22:29:15.785Z",
            candidates: vec![candidate("http://a", Some("dp_1a")), candidate("http://b/it's", None)],
            allow_restart,
        };
        Plan::new(setting, &[stuck(status)], &|_| "cause".into(), &matrix)
    }

    #[test]
    fn the_first_candidate_that_replays_it_is_the_one() {
        use Verdict::{Compatible, Inconclusive, Mismatch};
        let plan = planned(StuckStatus::BackingOff, [Compatible, Compatible], None, false);
        assert_eq!(plan.actions[0].step, Step::Resume { candidate: 0 });
        assert_eq!(plan.actions[0].cli.len(), 2);
        let plan = planned(StuckStatus::Paused, [Mismatch, Compatible], None, false);
        assert_eq!(plan.actions[0].step, Step::Resume { candidate: 1 });
        let register = r"restate --yes deployments register 'http://b/it'\''s'   # its id is $DEPLOYMENT";
        let resume = format!("restate --yes invocations resume --deployment \"$DEPLOYMENT\" {ID}");
        assert_eq!(plan.actions[0].cli, [register, &resume], "what is paused is not paused again");
        let plan = planned(StuckStatus::BackingOff, [Mismatch, Inconclusive], None, true);
        assert_eq!(plan.actions[0].step, Step::Leave);
        assert!(
            plan.actions[0].reason.starts_with("dp_1a: mismatch, run-renamed at command 3; http://b/it's: inconcl")
        );
        assert_eq!(plan.summary, BTreeMap::from([("leave".into(), 1), ("restart".into(), 0), ("resume".into(), 0)]));
    }

    #[test]
    fn what_can_not_be_resumed_starts_anew_only_where_that_is_allowed() {
        use Verdict::{Compatible, Mismatch};
        let prefix = Some(Prefix { from: 4, commands: 3 });
        let plan = planned(StuckStatus::BackingOff, [Mismatch, Mismatch], prefix, false);
        assert_eq!(plan.actions[0].step, Step::Leave);
        assert!(plan.actions[0].reason.contains("--allow-restart"), "{}", plan.actions[0].reason);
        let plan = planned(StuckStatus::BackingOff, [Mismatch, Mismatch], prefix, true);
        assert_eq!(plan.actions[0].step, Step::Restart { candidate: 1, from: 4, commands: 3, kill_first: true });
        assert!(
            plan.actions[0].reason.contains("Shop/open which called it sees it fail"),
            "{}",
            plan.actions[0].reason
        );
        let restart = format!(
            "curl -X PATCH 'http://admin:9070/invocations/{ID}/restart-as-new?from=4&deployment='\"$DEPLOYMENT\""
        );
        assert_eq!(plan.actions[0].cli[1..], [format!("restate --yes invocations kill {ID}"), restart]);
        // What has ended is not resumed, though all of it is replayed, and needs no killing.
        let plan = planned(StuckStatus::Failed, [Compatible, Compatible], prefix, true);
        assert_eq!(plan.actions[0].step, Step::Restart { candidate: 1, from: 4, commands: 3, kill_first: false });
    }

    #[test]
    fn a_plan_is_read_back_and_what_is_no_plan_is_refused() {
        let plan = planned(StuckStatus::BackingOff, [Verdict::Compatible; 2], None, false);
        let text = serde_json::to_string(&plan).unwrap();
        let again = Plan::read(text.as_bytes()).unwrap();
        assert_eq!((&again, again.fingerprint()), (&plan, plan.fingerprint()));
        for (from, to, error) in [
            (ID, "inv_1/../../deployments", "no invocation id"),
            ("\"candidate\":0", "\"candidate\":2", "no candidate 2"),
            ("dp_1a", "dp_1/x?force=true", "no deployment id"),
            ("\"schema_version\":1", "\"schema_version\":2", "schema version 2"),
            ("\"action\":\"resume\"", "\"action\":\"delete\"", "no plan of rehearse"),
        ] {
            let refused = Plan::read(text.replace(from, to).as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(error), "{refused}");
        }
        let action = &text[text.find("[{\"invocation").unwrap() + 1..text.len() - 2];
        let twice = text.replace(action, &format!("{action},{action}"));
        assert!(Plan::read(twice.as_bytes()).unwrap_err().to_string().contains("occurs twice"));
    }
}
