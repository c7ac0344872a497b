//! The matrix of an audit: what each candidate would do with the invocations of each cause.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cause::StuckCause;
use crate::report::{Judgement, Verdict};

/// The verdict on one invocation on one candidate, in brief.
#[derive(Clone, Debug)]
pub struct CandidateVerdict {
    pub verdict: Verdict,
    /// The rule of its first finding, and the index of the command.
    pub rule: Option<(&'static str, usize)>,
    pub reason: Option<String>,
}

impl From<&Judgement> for CandidateVerdict {
    fn from(judgement: &Judgement) -> Self {
        let first = judgement.findings.iter().find(|finding| finding.stops_replay());
        Self {
            verdict: judgement.verdict,
            rule: first.map(|finding| (finding.rule, finding.command_index)),
            reason: judgement.reason.clone(),
        }
    }
}

impl CandidateVerdict {
    pub fn inconclusive(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Inconclusive, rule: None, reason: Some(reason.into()) }
    }

    /// `mismatch, call-payload-changed at command 5`.
    pub fn sentence(&self) -> String {
        let mut sentence = self.verdict.name().to_owned();
        if let Some((rule, at)) = self.rule {
            sentence.push_str(&format!(", {rule} at command {at}"));
        }
        if let Some(reason) = &self.reason {
            sentence.push_str(&format!(", {reason}"));
        }
        sentence
    }
}

/// Where another invocation can start from on a candidate: the first entries of a journal, which the candidate replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPoint {
    /// The index of the last entry that is kept.
    pub from: u64,
    pub commands: usize,
}

/// The verdicts on one stuck invocation on every candidate.
#[derive(Clone, Debug, Default)]
pub struct InvocationVerdicts {
    /// By candidate.
    pub verdicts: Vec<CandidateVerdict>,
    /// By candidate, where the caller asked for restart points.
    pub restart_points: Vec<Option<RestartPoint>>,
    /// Why it cannot be restarted at all.
    pub no_restart: Option<String>,
}

impl InvocationVerdicts {
    /// The candidate that keeps the largest part of the journal, and what it keeps.
    pub fn best_restart(&self) -> Option<(usize, RestartPoint)> {
        let known = self.restart_points.iter().enumerate().filter_map(|(at, point)| Some((at, (*point)?)));
        known.rev().max_by_key(|(_, point)| point.from)
    }
}

/// How many invocations of a row got which verdict on one candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixCell {
    pub compatible: u64,
    pub mismatch: u64,
    pub failed: u64,
    pub inconclusive: u64,
    /// How often each rule was the first finding of a mismatch or failure.
    pub rules: BTreeMap<String, u64>,
    /// The first few reasons for which some failed or could not be decided.
    pub reasons: BTreeMap<String, u64>,
}

/// Reasons beyond this number are left out.
const REASONS: usize = 20;

impl MatrixCell {
    fn count(&mut self, judged: &CandidateVerdict) {
        *match judged.verdict {
            Verdict::Compatible => &mut self.compatible,
            Verdict::Mismatch => &mut self.mismatch,
            Verdict::Failed => &mut self.failed,
            Verdict::Inconclusive => &mut self.inconclusive,
        } += 1;
        if let Some((rule, _)) = judged.rule.filter(|_| judged.verdict != Verdict::Compatible) {
            *self.rules.entry(rule.to_owned()).or_default() += 1;
        } else if let Some(reason) = &judged.reason
            && (self.reasons.len() < REASONS || self.reasons.contains_key(reason))
        {
            *self.reasons.entry(reason.clone()).or_default() += 1;
        }
    }

    pub fn total(&self) -> u64 {
        self.compatible + self.mismatch + self.failed + self.inconclusive
    }
}

/// What a row of the matrix counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum MatrixSubject {
    /// The stuck invocations of one cause.
    Cause { id: String },
    /// What is in flight on a deployment without being stuck.
    InFlight { deployment: String, service: String, handler: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixRow {
    #[serde(flatten)]
    pub of: MatrixSubject,
    pub count: u64,
    /// By candidate.
    pub cells: Vec<MatrixCell>,
}

/// What a row counts that is in flight without being stuck.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InFlightKey {
    pub deployment: String,
    pub service: String,
    pub handler: String,
}

/// The verdicts on every invocation on every candidate.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    checked: BTreeMap<String, InvocationVerdicts>,
    in_flight: BTreeMap<InFlightKey, Vec<MatrixCell>>,
    candidates: usize,
}

impl Matrix {
    pub fn new(candidates: usize) -> Self {
        Self { candidates, ..Self::default() }
    }

    /// Adds the verdict on a stuck invocation.
    pub fn add_stuck(&mut self, id: &str, candidate: usize, judged: CandidateVerdict, restart: Option<RestartPoint>) {
        let checked = self.checked.entry(id.to_owned()).or_default();
        let missing = || CandidateVerdict::inconclusive("it was not checked");
        checked.verdicts.resize_with(self.candidates, missing);
        checked.restart_points.resize(self.candidates, None);
        checked.verdicts[candidate] = judged;
        checked.restart_points[candidate] = restart;
    }

    pub fn refuse_restart(&mut self, id: &str, reason: &str) {
        self.checked.entry(id.to_owned()).or_default().no_restart = Some(reason.to_owned());
    }

    /// Counts the verdict on an invocation that is in flight without being stuck.
    pub fn add_in_flight(&mut self, of: InFlightKey, candidate: usize, judged: &CandidateVerdict) {
        let cells = self.in_flight.entry(of).or_default();
        cells.resize_with(self.candidates, MatrixCell::default);
        cells[candidate].count(judged);
    }

    pub fn of(&self, id: &str) -> Option<&InvocationVerdicts> {
        self.checked.get(id)
    }

    /// The rows: the causes in their order, then what is in flight.
    pub fn rows(&self, causes: &[StuckCause], id_of: &dyn Fn(usize) -> String) -> Vec<MatrixRow> {
        let mut rows = Vec::new();
        for cause in causes {
            let mut cells = vec![MatrixCell::default(); self.candidates];
            for at in &cause.members {
                let Some(checked) = self.checked.get(&id_of(*at)) else { continue };
                for (cell, judged) in cells.iter_mut().zip(&checked.verdicts) {
                    cell.count(judged);
                }
            }
            rows.push(MatrixRow { of: MatrixSubject::Cause { id: cause.id.clone() }, count: cause.count, cells });
        }
        for (InFlightKey { deployment, service, handler }, cells) in &self.in_flight {
            let (deployment, service, handler) = (deployment.clone(), service.clone(), handler.clone());
            let of = MatrixSubject::InFlight { deployment, service, handler };
            let count = cells.iter().map(MatrixCell::total).max().unwrap_or(0);
            rows.push(MatrixRow { of, count, cells: cells.clone() });
        }
        rows
    }
}
