//! Group × candidate: what each candidate would do with the invocations of each cause.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cause::Cause;
use crate::report::{Judgement, Verdict};

/// How one invocation fared on one candidate, in brief.
#[derive(Clone, Debug)]
pub struct Judged {
    pub verdict: Verdict,
    /// The rule of its first finding, and where.
    pub rule: Option<(&'static str, usize)>,
    pub reason: Option<String>,
}

impl From<&Judgement> for Judged {
    fn from(judgement: &Judgement) -> Self {
        let first = judgement.findings.iter().find(|finding| finding.stops_replay());
        Self {
            verdict: judgement.verdict,
            rule: first.map(|finding| (finding.rule, finding.command_index)),
            reason: judgement.reason.clone(),
        }
    }
}

impl Judged {
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

/// The first entries of a journal, that a candidate replays and that are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The last entry that is kept.
    pub from: u64,
    pub commands: usize,
}

/// One invocation on every candidate.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// By candidate.
    pub verdicts: Vec<Judged>,
    /// By candidate, where a restart was asked for.
    pub prefixes: Vec<Option<Prefix>>,
    /// Why it can not be started anew at all.
    pub no_restart: Option<String>,
}

impl Checked {
    /// The candidate that keeps the most.
    pub fn best_prefix(&self) -> Option<(usize, Prefix)> {
        let with_place = self.prefixes.iter().enumerate().filter_map(|(at, prefix)| Some((at, (*prefix)?)));
        with_place.rev().max_by_key(|(_, prefix)| prefix.from)
    }
}

/// How many of a row fared how on one candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    pub compatible: u64,
    pub mismatch: u64,
    pub failed: u64,
    pub inconclusive: u64,
    /// Rules that a mismatch or failure is on.
    pub rules: BTreeMap<String, u64>,
    /// Why some failed or could not be decided: the first few reasons.
    pub reasons: BTreeMap<String, u64>,
}

/// More reasons than this are left out.
const REASONS: usize = 20;

impl Cell {
    fn count(&mut self, judged: &Judged) {
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

/// What a row of the matrix is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum RowOf {
    /// The stuck invocations of one cause.
    Cause { id: String },
    /// What is in flight on a deployment, and not stuck.
    InFlight { deployment: String, service: String, handler: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    #[serde(flatten)]
    pub of: RowOf,
    pub count: u64,
    /// By candidate.
    pub cells: Vec<Cell>,
}

/// Every row on every candidate.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    checked: BTreeMap<String, Checked>,
    in_flight: BTreeMap<(String, String, String), Vec<Cell>>,
    candidates: usize,
}

impl Matrix {
    pub fn new(candidates: usize) -> Self {
        Self { candidates, ..Self::default() }
    }

    /// A stuck invocation's verdict on the next candidate.
    pub fn add_stuck(&mut self, id: &str, candidate: usize, judged: Judged, prefix: Option<Prefix>) {
        let checked = self.checked.entry(id.to_owned()).or_default();
        let missing = || Judged::inconclusive("it was not checked");
        checked.verdicts.resize_with(self.candidates, missing);
        checked.prefixes.resize(self.candidates, None);
        checked.verdicts[candidate] = judged;
        checked.prefixes[candidate] = prefix;
    }

    pub fn refuse_restart(&mut self, id: &str, reason: &str) {
        self.checked.entry(id.to_owned()).or_default().no_restart = Some(reason.to_owned());
    }

    /// One that is in flight, and not stuck.
    pub fn add_in_flight(&mut self, of: (String, String, String), candidate: usize, judged: &Judged) {
        let cells = self.in_flight.entry(of).or_default();
        cells.resize_with(self.candidates, Cell::default);
        cells[candidate].count(judged);
    }

    pub fn of(&self, id: &str) -> Option<&Checked> {
        self.checked.get(id)
    }

    /// Rows in the order of the causes, then what is in flight.
    pub fn rows(&self, causes: &[Cause], id_of: &dyn Fn(usize) -> String) -> Vec<Row> {
        let mut rows = Vec::new();
        for cause in causes {
            let mut cells = vec![Cell::default(); self.candidates];
            for at in &cause.members {
                let Some(checked) = self.checked.get(&id_of(*at)) else { continue };
                for (cell, judged) in cells.iter_mut().zip(&checked.verdicts) {
                    cell.count(judged);
                }
            }
            rows.push(Row { of: RowOf::Cause { id: cause.id.clone() }, count: cause.count, cells });
        }
        for ((deployment, service, handler), cells) in &self.in_flight {
            let of =
                RowOf::InFlight { deployment: deployment.clone(), service: service.clone(), handler: handler.clone() };
            let count = cells.iter().map(Cell::total).max().unwrap_or(0);
            rows.push(Row { of, count, cells: cells.clone() });
        }
        rows
    }
}
