//! What a check found: verdicts, summary, coverage, groups of one cause. No sentences and no I/O.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::journal::{IdOrder, InvocationInfo};
use crate::rules::{Finding, Level};

/// Would this invocation replay?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The SDK would raise RT0016.
    Mismatch,
    /// The candidate failed otherwise while replaying.
    Failed,
    /// It could not be decided; the reason says why.
    Inconclusive,
    Compatible,
}

impl Verdict {
    pub const ALL: [Self; 4] = [Self::Mismatch, Self::Failed, Self::Inconclusive, Self::Compatible];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mismatch => "mismatch",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Compatible => "compatible",
        }
    }
}

/// What came of holding one journal against a candidate.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub verdict: Verdict,
    /// Recorded commands, Input included.
    pub commands: usize,
    /// Whether everything recorded was replayed.
    pub frontier_reached: bool,
    pub findings: Vec<Finding>,
    pub reason: Option<String>,
}

impl Judgement {
    pub fn compatible(commands: usize) -> Self {
        Self { verdict: Verdict::Compatible, commands, frontier_reached: true, findings: Vec::new(), reason: None }
    }

    pub fn inconclusive(commands: usize, reason: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Inconclusive,
            commands,
            frontier_reached: false,
            findings: Vec::new(),
            reason: Some(reason.into()),
        }
    }
}

/// One invocation, judged.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub order: IdOrder,
    pub info: InvocationInfo,
    pub verdict: Verdict,
    /// Recorded commands, Input included.
    pub commands: usize,
    /// Whether everything recorded was replayed.
    pub frontier_reached: bool,
    /// Errors in the order in which replay would meet them, then notes.
    pub findings: Vec<Finding>,
    /// Why it is inconclusive, or how the candidate failed.
    pub reason: Option<String>,
    /// A hash of its sequence of command kinds.
    pub path: u64,
}

impl Invocation {
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.level == Level::Error)
    }

    pub fn notes(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.level == Level::Note)
    }
}

/// How many invocations had which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub checked: u64,
    pub compatible: u64,
    pub mismatch: u64,
    pub failed: u64,
    pub inconclusive: u64,
}

impl Summary {
    pub fn count(&mut self, verdict: Verdict) {
        self.checked += 1;
        *match verdict {
            Verdict::Compatible => &mut self.compatible,
            Verdict::Mismatch => &mut self.mismatch,
            Verdict::Failed => &mut self.failed,
            Verdict::Inconclusive => &mut self.inconclusive,
        } += 1;
    }

    pub fn of(&self, verdict: Verdict) -> u64 {
        match verdict {
            Verdict::Compatible => self.compatible,
            Verdict::Mismatch => self.mismatch,
            Verdict::Failed => self.failed,
            Verdict::Inconclusive => self.inconclusive,
        }
    }
}

/// Invocations that are not compatible for one and the same reason.
#[derive(Clone, Debug)]
pub struct Group {
    pub verdict: Verdict,
    pub count: u64,
    /// The first of them, which stands for all.
    pub example: Invocation,
    /// The next few.
    pub others: Vec<(IdOrder, Option<String>)>,
}

/// How many more of a group are named.
const OTHERS: usize = 4;

/// What was covered of one handler.
#[derive(Clone, Debug, Default)]
pub struct Covered {
    pub journals: u64,
    pub reached: u64,
    paths: HashSet<u64>,
}

impl Covered {
    /// Distinct sequences of commands among the journals.
    pub fn paths(&self) -> usize {
        self.paths.len()
    }
}

/// A handler's name; `None` where the journals do not say.
pub type HandlerName = Option<(String, String)>;

/// More distinct paths than this are not told apart, so that memory stays bounded.
const MOST_PATHS: usize = 100_000;

/// More groups than this are counted together, likewise.
const MOST_GROUPS: usize = 1000;

/// Everything a check found, in memory that grows with causes and not with invocations.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub summary: Summary,
    groups: BTreeMap<(Verdict, String), Group>,
    pub coverage: BTreeMap<HandlerName, Covered>,
    /// By note: how many invocations have it, and the first of them.
    pub notes: BTreeMap<&'static str, (u64, Invocation)>,
}

impl Report {
    /// Takes the next invocation in order.
    pub fn add(&mut self, invocation: &Invocation) {
        self.summary.count(invocation.verdict);
        if invocation.verdict != Verdict::Inconclusive {
            self.cover(invocation);
        }
        let mut before = "";
        for note in invocation.notes().filter(|note| note.rule != std::mem::replace(&mut before, note.rule)) {
            self.notes.entry(note.rule).or_insert_with(|| (0, invocation.clone())).0 += 1;
        }
        if invocation.verdict != Verdict::Compatible {
            self.add_to_group(invocation);
        }
    }

    fn cover(&mut self, invocation: &Invocation) {
        let covered = self.coverage.entry(invocation.info.service_and_handler()).or_default();
        covered.journals += 1;
        covered.reached += u64::from(invocation.frontier_reached);
        if covered.paths.len() < MOST_PATHS {
            covered.paths.insert(invocation.path);
        }
    }

    fn add_to_group(&mut self, invocation: &Invocation) {
        let mut key = (invocation.verdict, cause_of(invocation));
        if !self.groups.contains_key(&key) && self.groups.len() >= MOST_GROUPS {
            key.1 = String::new();
        }
        match self.groups.get_mut(&key) {
            Some(group) => {
                group.count += 1;
                if group.others.len() < OTHERS {
                    group.others.push((invocation.order, invocation.info.target()));
                }
            }
            None => {
                let group =
                    Group { verdict: invocation.verdict, count: 1, example: invocation.clone(), others: Vec::new() };
                self.groups.insert(key, group);
            }
        }
    }

    /// Worst verdict first; within one, the largest group first.
    pub fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by_key(|group| (group.verdict, std::cmp::Reverse(group.count), group.example.order));
        groups
    }
}

/// What makes two invocations belong together.
fn cause_of(invocation: &Invocation) -> String {
    let mut cause = String::new();
    for finding in invocation.errors().take(8) {
        cause.push_str(&finding.fingerprint);
        cause.push(' ');
    }
    if cause.is_empty() {
        cause = fold_reason(invocation.reason.as_deref().unwrap_or_default());
    }
    cause
}

/// Numbers in a reason (rows, indexes) tell an instance, not a kind.
fn fold_reason(reason: &str) -> String {
    let mut folded = String::with_capacity(reason.len());
    for c in reason.chars() {
        let digit = c.is_ascii_digit();
        if !(digit && folded.ends_with('#')) {
            folded.push(if digit { '#' } else { c });
        }
    }
    folded
}
