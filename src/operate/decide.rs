//! Deciding: what a plan does about each stuck invocation, from the verdicts of the candidates on it.

use std::collections::BTreeMap;

use super::command_lines::command_lines;
use super::matrix::{InvocationVerdicts, Matrix};
use super::plan::{ActionKind, PLAN_SCHEMA_VERSION, Plan, PlanCandidate, PlannedAction};
use super::stuck::Stuck;
use crate::report::Verdict;

/// What a plan is made from, beside the stuck invocations and the verdicts on them.
pub struct PlanInput<'s> {
    pub admin_url: &'s str,
    pub server_version: &'s str,
    pub now: &'s str,
    pub candidates: Vec<PlanCandidate>,
    /// Whether to restart, from a part of its journal, what cannot be resumed.
    pub allow_restart: bool,
}

/// Makes a plan with one action for each stuck invocation, in the order of ids.
pub fn make_plan(input: PlanInput<'_>, all: &[Stuck], cause_of: &dyn Fn(usize) -> String, matrix: &Matrix) -> Plan {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|one, other| all[*one].id.cmp(&all[*other].id));
    let mut summary: BTreeMap<String, u64> =
        ["resume", "restart", "leave"].into_iter().map(|name| (name.to_owned(), 0)).collect();
    let mut actions = Vec::with_capacity(all.len());
    for at in order {
        let stuck = &all[at];
        let (kind, reason) = decide(stuck, matrix.of(&stuck.id), &input);
        *summary.entry(kind.name().to_owned()).or_default() += 1;
        actions.push(PlannedAction {
            invocation: stuck.id.clone(),
            target: stuck.info.target(),
            cause: cause_of(at),
            status: stuck.status,
            pinned_deployment: stuck.info.deployment.clone(),
            journal_size: stuck.journal_size,
            commands: stuck.commands,
            cli: command_lines(stuck, &kind, input.admin_url, &input.candidates),
            kind,
            reason,
        });
    }
    Plan {
        schema_version: PLAN_SCHEMA_VERSION,
        rehearse_version: env!("CARGO_PKG_VERSION").to_owned(),
        admin_url: input.admin_url.to_owned(),
        server_version: input.server_version.to_owned(),
        made_at: input.now.to_owned(),
        candidates: input.candidates,
        summary,
        actions,
    }
}

/// What to do about one invocation, and why: resume it on the first candidate that replays all of it, or else restart it
/// where that is allowed, or else leave it.
fn decide(stuck: &Stuck, checked: Option<&InvocationVerdicts>, input: &PlanInput<'_>) -> (ActionKind, String) {
    let Some(checked) = checked else { return (ActionKind::Leave, "it was not checked".to_owned()) };
    let name = |at: usize| {
        let candidate = &input.candidates[at];
        candidate.deployment.clone().unwrap_or_else(|| candidate.url.clone())
    };
    let replays = checked.verdicts.iter().position(|judged| judged.verdict == Verdict::Compatible);
    if let (Some(candidate), false) = (replays, stuck.status.is_over()) {
        return (
            ActionKind::Resume { candidate },
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
    let Some((candidate, point)) = checked.best_restart() else {
        let refused = checked.no_restart.as_deref().filter(|_| input.allow_restart);
        let refused = refused.map(|reason| format!("; no restart: {reason}")).unwrap_or_default();
        return (ActionKind::Leave, format!("{why_not}{refused}"));
    };
    if !input.allow_restart {
        let could = format!("it could start anew from entry {} on {} (--allow-restart)", point.from, name(candidate));
        return (ActionKind::Leave, format!("{why_not}; {could}"));
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
        point.commands,
        stuck.commands
    );
    (ActionKind::Restart { candidate, from: point.from, commands: point.commands as u64, kill_first }, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::InvocationInfo;
    use crate::operate::matrix::{CandidateVerdict, RestartPoint};
    use crate::operate::stuck::{FailureCause, StuckStatus};

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

    fn judged(verdict: Verdict) -> CandidateVerdict {
        let rule = (verdict == Verdict::Mismatch).then_some(("run-renamed", 3));
        CandidateVerdict { verdict, rule, reason: None }
    }

    /// A plan for one, with two candidates: the second is not registered.
    fn planned(status: StuckStatus, verdicts: [Verdict; 2], prefix: Option<RestartPoint>, allow_restart: bool) -> Plan {
        let mut matrix = Matrix::new(2);
        for (at, verdict) in verdicts.into_iter().enumerate() {
            matrix.add_stuck(ID, at, judged(verdict), prefix.filter(|_| at == 1));
        }
        let candidate = |url: &str, deployment: Option<&str>| PlanCandidate {
            url: url.into(),
            deployment: deployment.map(str::to_owned),
            sdk: String::new(),
        };
        let input = PlanInput {
            admin_url: "http://admin:9070",
            server_version: "1.7.12",
            now: "2026-11-24T22:29:15.785Z",
            candidates: vec![candidate("http://a", Some("dp_1a")), candidate("http://b/it's", None)],
            allow_restart,
        };
        make_plan(input, &[stuck(status)], &|_| "cause".into(), &matrix)
    }

    #[test]
    fn the_first_candidate_that_replays_it_is_the_one() {
        use Verdict::{Compatible, Inconclusive, Mismatch};
        let plan = planned(StuckStatus::BackingOff, [Compatible, Compatible], None, false);
        assert_eq!(plan.actions[0].kind, ActionKind::Resume { candidate: 0 });
        assert_eq!(plan.actions[0].cli.len(), 2);
        let plan = planned(StuckStatus::Paused, [Mismatch, Compatible], None, false);
        assert_eq!(plan.actions[0].kind, ActionKind::Resume { candidate: 1 });
        let register = r"restate --yes deployments register 'http://b/it'\''s'   # its id is $DEPLOYMENT";
        let resume = format!("restate --yes invocations resume --deployment \"$DEPLOYMENT\" {ID}");
        assert_eq!(plan.actions[0].cli, [register, &resume], "what is paused is not paused again");
        let plan = planned(StuckStatus::BackingOff, [Mismatch, Inconclusive], None, true);
        assert_eq!(plan.actions[0].kind, ActionKind::Leave);
        assert!(
            plan.actions[0].reason.starts_with("dp_1a: mismatch, run-renamed at command 3; http://b/it's: inconcl")
        );
        assert_eq!(plan.summary, BTreeMap::from([("leave".into(), 1), ("restart".into(), 0), ("resume".into(), 0)]));
    }

    #[test]
    fn what_can_not_be_resumed_starts_anew_only_where_that_is_allowed() {
        use Verdict::{Compatible, Mismatch};
        let prefix = Some(RestartPoint { from: 4, commands: 3 });
        let plan = planned(StuckStatus::BackingOff, [Mismatch, Mismatch], prefix, false);
        assert_eq!(plan.actions[0].kind, ActionKind::Leave);
        assert!(plan.actions[0].reason.contains("--allow-restart"), "{}", plan.actions[0].reason);
        let plan = planned(StuckStatus::BackingOff, [Mismatch, Mismatch], prefix, true);
        assert_eq!(plan.actions[0].kind, ActionKind::Restart { candidate: 1, from: 4, commands: 3, kill_first: true });
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
        assert_eq!(plan.actions[0].kind, ActionKind::Restart { candidate: 1, from: 4, commands: 3, kill_first: false });
    }
}
