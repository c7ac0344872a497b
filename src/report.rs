//! What a check found: verdicts, summary, coverage, groups of one cause. No sentences and no I/O.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{Hash, Hasher};

use serde::Serialize;
use siphasher::sip::SipHasher13;

pub use crate::diff::Verdict;
use crate::journal::{IdOrder, InvocationInfo};
use crate::policy::gate::{Gate, Proof, Proofs, Reason, Requirements};
use crate::policy::{Acceptance, AcceptanceState, Coverage, Policy};
use crate::rules::{Finding, Level, TimelineRow};

/// Why there is no verdict where there was a panic.
pub const PANICKED: &str = "checking it failed unexpectedly; please report this";

/// What came of holding one journal against a candidate.
#[derive(Clone, Debug)]
pub struct Judgement {
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
    /// Both sides from top to bottom, where they differ at all.
    pub timeline: Vec<TimelineRow>,
    /// What became of a divergence that was injected into its trace.
    pub proof: Option<Proof>,
}

impl Judgement {
    pub fn compatible(commands: usize) -> Self {
        Self::without_findings(Verdict::Compatible, commands, None)
    }

    pub fn inconclusive(commands: usize, reason: impl Into<String>) -> Self {
        Self::without_findings(Verdict::Inconclusive, commands, Some(reason.into()))
    }

    /// Everything recorded was replayed if it is compatible, and only then.
    pub fn without_findings(verdict: Verdict, commands: usize, reason: Option<String>) -> Self {
        Self {
            verdict,
            commands,
            frontier_reached: verdict == Verdict::Compatible,
            findings: Vec::new(),
            reason,
            path: 0,
            timeline: Vec::new(),
            proof: None,
        }
    }
}

/// One invocation, judged.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub order: IdOrder,
    pub info: InvocationInfo,
    pub judgement: Judgement,
    /// Whether it fails the run: it does not replay, and no policy lets that pass.
    pub fails: bool,
}

impl Invocation {
    pub fn new(order: IdOrder, info: InvocationInfo, judgement: Judgement) -> Self {
        let fails = matches!(judgement.verdict, Verdict::Mismatch | Verdict::Failed);
        Self { order, info, judgement, fails }
    }

    /// What stops replay, whatever a policy makes of it.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.judgement.findings.iter().filter(|finding| finding.stops_replay())
    }

    /// What does not, and is wanted.
    pub fn notes(&self) -> impl Iterator<Item = &Finding> {
        self.judgement.findings.iter().filter(|finding| !finding.stops_replay() && finding.level != Level::Off)
    }

    /// Whether it would get stuck, and the policy lets that pass.
    pub fn excused(&self) -> bool {
        matches!(self.judgement.verdict, Verdict::Mismatch | Verdict::Failed) && !self.fails
    }

    /// Applies a policy: levels and excuses of the findings, and whether the invocation fails the run. The verdict
    /// stays.
    pub fn judge(&mut self, policy: &mut Policy, fail_on: Level) {
        let target = if self.judgement.findings.is_empty() { None } else { self.info.service_and_handler() };
        policy.judge(target.as_ref(), &mut self.judgement.findings);
        let weighs = self.judgement.findings.iter().any(|finding| finding.weighs(fail_on));
        self.fails = match self.judgement.verdict {
            // What no finding explains can not have been accepted.
            Verdict::Mismatch | Verdict::Failed => weighs || self.errors().next().is_none(),
            Verdict::Compatible | Verdict::Inconclusive => weighs,
        };
        if let Some(Proof::Caught { findings, stopped }) = &mut self.judgement.proof {
            let target = self.info.service_and_handler();
            policy.judge(target.as_ref(), findings);
            *stopped = findings.iter().any(|finding| finding.weighs(fail_on));
        }
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
    /// Mismatches and failures that the policy lets pass.
    pub excused: u64,
    /// What fails the run.
    pub failing: u64,
}

impl Summary {
    fn count(&mut self, invocation: &Invocation) {
        self.checked += 1;
        self.excused += u64::from(invocation.excused());
        self.failing += u64::from(invocation.fails);
        *match invocation.judgement.verdict {
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
    /// The same for the same cause, to refer to it by.
    pub id: String,
    pub verdict: Verdict,
    /// Whether the policy lets it pass.
    pub excused: bool,
    pub count: u64,
    /// The first of them, which stands for all.
    pub example: Invocation,
    /// The next few.
    pub others: Vec<(IdOrder, Option<String>)>,
}

impl Group {
    /// Whether no finding tells of it.
    pub fn is_unexplained(&self) -> bool {
        self.example.errors().next().is_none()
    }
}

/// Findings of one fingerprint.
#[derive(Clone, Debug)]
pub struct FingerprintTally {
    /// The first of them, which stands for all, and where it was.
    pub finding: Finding,
    pub order: IdOrder,
    pub info: InvocationInfo,
    /// How many invocations have it.
    pub count: u64,
    last: IdOrder,
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
    groups: BTreeMap<GroupKey, Group>,
    fingerprints: BTreeMap<String, FingerprintTally>,
    /// Findings whose fingerprints are too many to be told apart.
    pub fingerprints_left_out: u64,
    pub coverage: BTreeMap<HandlerName, Covered>,
    /// Handlers that the candidate is known to have, beside those that were covered.
    pub candidate_handlers: BTreeSet<(String, String)>,
    /// Whether those are all, so that what is not covered is known.
    pub all_handlers_known: bool,
    pub proofs: Option<Proofs>,
    /// Whether there were rows of which nobody knows whose they are.
    pub rows_lost: bool,
    /// Whether it was ended before everything was checked.
    pub interrupted: bool,
    /// Acceptances of the policy, with what became of them.
    pub acceptances: Vec<(Acceptance, AcceptanceState)>,
    pub gate: Gate,
    /// By note: how many invocations have it, and the first of them.
    pub notes: BTreeMap<&'static str, (u64, Invocation)>,
}

impl Report {
    /// Takes the next invocation in order.
    pub fn add(&mut self, invocation: &Invocation) {
        self.summary.count(invocation);
        if let Some(proof) = &invocation.judgement.proof {
            self.proofs.get_or_insert_default().count(proof);
        }
        if invocation.judgement.verdict != Verdict::Inconclusive {
            self.cover(invocation);
        }
        let mut before = "";
        for note in invocation.notes().filter(|note| note.rule != std::mem::replace(&mut before, note.rule)) {
            self.notes.entry(note.rule).or_insert_with(|| (0, invocation.clone())).0 += 1;
        }
        if invocation.judgement.verdict != Verdict::Compatible {
            self.add_to_group(invocation);
        }
        for finding in &invocation.judgement.findings {
            self.add_fingerprint(finding, invocation);
        }
    }

    fn add_fingerprint(&mut self, finding: &Finding, invocation: &Invocation) {
        let order = invocation.order;
        if let Some(tally) = self.fingerprints.get_mut(&finding.fingerprint) {
            tally.count += u64::from(tally.last != order);
            tally.last = order;
        } else if self.fingerprints.len() < MOST_GROUPS {
            let info = invocation.info.clone();
            let tally = FingerprintTally { finding: finding.clone(), order, info, count: 1, last: order };
            self.fingerprints.insert(finding.fingerprint.clone(), tally);
        } else {
            self.fingerprints_left_out += u64::from(finding.weighs(Level::Note));
        }
    }

    fn cover(&mut self, invocation: &Invocation) {
        let covered = self.coverage.entry(invocation.info.service_and_handler()).or_default();
        covered.journals += 1;
        covered.reached += u64::from(invocation.judgement.frontier_reached);
        if covered.paths.len() < MOST_PATHS {
            covered.paths.insert(invocation.judgement.path);
        }
    }

    fn add_to_group(&mut self, invocation: &Invocation) {
        let mut key = GroupKey::of(invocation);
        if !self.groups.contains_key(&key) && self.groups.len() >= MOST_GROUPS {
            key.cause = String::new();
        }
        match self.groups.get_mut(&key) {
            Some(group) => {
                group.count += 1;
                if group.others.len() < OTHERS {
                    group.others.push((invocation.order, invocation.info.target()));
                }
            }
            None => {
                let group = Group {
                    id: key.id(),
                    verdict: invocation.judgement.verdict,
                    excused: key.excused,
                    count: 1,
                    example: invocation.clone(),
                    others: Vec::new(),
                };
                self.groups.insert(key, group);
            }
        }
    }

    /// Worst verdict first, what the policy lets pass last; within one, the largest group first.
    pub fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by_key(|group| (group.excused, group.verdict, std::cmp::Reverse(group.count), group.example.order));
        groups
    }

    /// Every kind of finding, heaviest first; within one level, the most frequent first.
    pub fn fingerprints(&self) -> Vec<&FingerprintTally> {
        let mut tallies: Vec<&FingerprintTally> = self.fingerprints.values().collect();
        tallies.sort_by_key(|tally| {
            let finding = &tally.finding;
            (finding.excuse.is_some(), finding.level, std::cmp::Reverse(tally.count), tally.order, &finding.fingerprint)
        });
        tallies
    }

    /// Handlers of the candidate of which not a single journal was checked.
    pub fn not_covered(&self) -> impl Iterator<Item = &(String, String)> {
        self.candidate_handlers.iter().filter(|name| !self.coverage.contains_key(&Some((*name).clone())))
    }

    /// Handlers covered, and handlers there are.
    pub fn handlers_covered(&self) -> (u64, u64) {
        let covered = self.coverage.keys().flatten().count() as u64;
        (covered, covered + self.not_covered().count() as u64)
    }

    /// Decides how the run ended, once everything is added.
    pub fn decide(&mut self, requirements: &Requirements) {
        let Summary { checked, inconclusive, failing, .. } = self.summary;
        let mut undecided = Vec::new();
        if checked == 0 {
            undecided.push(Reason::NothingChecked);
        }
        if inconclusive > 0 {
            undecided.push(Reason::Inconclusive(inconclusive));
        }
        if self.interrupted {
            undecided.push(Reason::Interrupted);
        }
        if self.rows_lost {
            undecided.push(Reason::RowsLost);
        }
        let decided = checked - inconclusive;
        if decided < requirements.min_journals {
            undecided.push(Reason::TooFewJournals { decided, required: requirements.min_journals });
        }
        if let Some(required) = requirements.coverage {
            let (covered, handlers) = self.handlers_covered();
            let percent = match required {
                Coverage::Handlers => 100,
                Coverage::Percent(percent) => u64::from(percent),
            };
            if covered * 100 < handlers * percent {
                undecided.push(Reason::TooFewHandlers { covered, handlers, percent });
            } else if !self.all_handlers_known {
                undecided.push(Reason::HandlersUnknown);
            }
        }
        if let Some(proofs) = &self.proofs
            && let Some(reason) = proofs.shortcoming()
        {
            undecided.push(reason);
        }
        self.gate = Gate { failing, fail_on: requirements.fail_on, undecided, report_only: requirements.report_only };
    }
}

/// Invocations with the same key are shown as one group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct GroupKey {
    verdict: Verdict,
    excused: bool,
    cause: String,
}

impl GroupKey {
    fn of(invocation: &Invocation) -> Self {
        Self { verdict: invocation.judgement.verdict, excused: invocation.excused(), cause: cause_of(invocation) }
    }

    fn id(&self) -> String {
        let mut hasher = SipHasher13::new();
        self.hash(&mut hasher);
        format!("{:012x}", hasher.finish() & 0xFFFF_FFFF_FFFF)
    }
}

/// The [`Group::id`] that an invocation belongs to, unless there are too many groups.
pub fn group_id(invocation: &Invocation) -> String {
    GroupKey::of(invocation).id()
}

/// The [`Group::id`] of what is counted together where there are too many groups.
pub fn rest_id(invocation: &Invocation) -> String {
    GroupKey { cause: String::new(), ..GroupKey::of(invocation) }.id()
}

/// What makes two invocations belong together.
fn cause_of(invocation: &Invocation) -> String {
    let mut cause = String::new();
    for finding in invocation.errors().take(8) {
        cause.push_str(&finding.fingerprint);
        cause.push(' ');
    }
    if cause.is_empty() {
        cause = fold_reason(invocation.judgement.reason.as_deref().unwrap_or_default());
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
