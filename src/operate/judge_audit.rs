//! The matrix of an audit, filled: which invocations are judged, and what each candidate makes of them.

use std::collections::{BTreeMap, BTreeSet};

use super::audit::in_flight;
use super::judge::{JudgedInvocation, RestartSearch, judge_on};
use super::matrix::{CandidateVerdict, InFlightKey};
use super::report::AuditReport;
use crate::admin::{Admin, ClusterSelection};
use crate::check::live::Live;
use crate::record::{CopyError, JournalFetcher};

/// Which invocations of an audited cluster are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditScope {
    StuckOnly,
    /// Also what is in flight, without being stuck, on the selected deployments, or else on those where something is stuck.
    WithInFlight,
}

/// What to judge.
#[derive(Clone, Copy, Debug)]
pub struct AuditJudging<'a> {
    pub selected: &'a ClusterSelection,
    pub scope: AuditScope,
    /// Whether to look for restart points of what is stuck.
    pub search: RestartSearch,
}

/// The progress of judging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JudgingProgress {
    /// There will be this many judgements.
    Started(u64),
    /// One more judgement is there.
    Judged,
}

/// Judges the invocations in scope on each candidate, and adds the verdicts to the report.
pub async fn judge_audit(
    admin: &Admin,
    lives: &[Live],
    judging: AuditJudging<'_>,
    report: &mut AuditReport,
    progress: impl Fn(JudgingProgress),
) -> Result<(), CopyError> {
    let AuditJudging { selected, scope, search } = judging;
    let stuck: BTreeMap<String, usize> =
        report.audit.stuck.iter().enumerate().map(|(at, stuck)| (stuck.id.clone(), at)).collect();
    let mut todo: Vec<String> = stuck.keys().cloned().collect();
    if scope == AuditScope::WithInFlight {
        let deployments = deployments_in_question(selected, report);
        todo.extend(in_flight(admin, &deployments, selected, |id| stuck.contains_key(id)).await?);
    }
    progress(JudgingProgress::Started((todo.len() * lives.len()) as u64));
    let restartable: BTreeSet<String> = report
        .audit
        .stuck
        .iter()
        .filter(|stuck| stuck.why_no_restart().is_none())
        .map(|stuck| stuck.id.clone())
        .collect();
    let search = |id: &str| if restartable.contains(id) { search } else { RestartSearch::Unwanted };
    let mut fetcher = JournalFetcher::new(admin, &todo);
    while let Some(batch) = fetcher.next().await? {
        let mut seen = BTreeSet::new();
        judge_on(lives, &batch.journals, &search, |one| {
            progress(JudgingProgress::Judged);
            seen.insert(one.id.clone());
            match stuck.get(&one.id) {
                Some(at) => add_stuck(report, *at, &one),
                None => add_in_flight(report, &one),
            }
        })
        .await;
        for id in batch.ids.iter().filter(|id| stuck.contains_key(*id) && !seen.contains(*id)) {
            for candidate in 0..lives.len() {
                let gone = CandidateVerdict::inconclusive("its journal is not there any more");
                report.matrix.add_stuck(id, candidate, gone, None);
            }
        }
    }
    for stuck in &report.audit.stuck {
        if let Some(reason) = stuck.why_no_restart() {
            report.matrix.refuse_restart(&stuck.id, reason);
        }
    }
    Ok(())
}

/// The selected deployments, or else those where something is stuck.
fn deployments_in_question(selected: &ClusterSelection, report: &AuditReport) -> Vec<String> {
    let selected = &selected.selection.deployments;
    let pinned = report.audit.stuck.iter().filter_map(|stuck| stuck.deployment().map(str::to_owned));
    let deployments: BTreeSet<String> =
        if selected.is_empty() { pinned.collect() } else { selected.iter().cloned().collect() };
    deployments.into_iter().collect()
}

/// A plan rests on what was judged, which may be more than the audit saw at first: the journal may have grown.
fn add_stuck(report: &mut AuditReport, at: usize, one: &JudgedInvocation) {
    if one.entries > 0 {
        let stuck = &mut report.audit.stuck[at];
        stuck.journal_size = one.entries;
        stuck.commands = one.judgement.commands as u64;
    }
    report.matrix.add_stuck(&one.id, one.candidate, CandidateVerdict::from(&one.judgement), one.restart);
}

fn add_in_flight(report: &mut AuditReport, one: &JudgedInvocation) {
    let (service, handler) = one.info.service_and_handler().unwrap_or_default();
    let key = InFlightKey { deployment: one.info.deployment.clone().unwrap_or_default(), service, handler };
    report.matrix.add_in_flight(key, one.candidate, &CandidateVerdict::from(&one.judgement));
}
