//! A report: the verdicts of one run, with its summary, its coverage, and groups of invocations that share a cause.
//!
//! This module writes no sentences and does no I/O; the renderers do both.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{Hash, Hasher};

use serde::Serialize;
use siphasher::sip::SipHasher13;

pub use crate::diff::Verdict;
use crate::journal::{IdOrder, InvocationInfo};
use crate::policy::gate::{Gate, Proof, Proofs, Reason, Requirements};
use crate::policy::{Acceptance, AcceptanceState, Coverage, Policy, TraceOrigin};
use crate::rules::{Finding, Level, TimelineRow};

/// The reason given for a missing verdict when the check of a journal panicked.
pub const PANICKED: &str = "checking it failed unexpectedly; please report this";

/// The result of checking one journal against a candidate.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub verdict: Verdict,
    /// Number of recorded commands, including the Input.
    pub commands: usize,
    /// Whether the candidate replayed all recorded commands.
    pub frontier_reached: bool,
    /// First the errors, in the order in which replay would meet them, then the notes.
    pub findings: Vec<Finding>,
    /// Why the verdict is inconclusive, or how the candidate failed.
    pub reason: Option<String>,
    /// Hash of the journal's sequence of command kinds.
    pub path: u64,
    /// Both sides from top to bottom; empty where they do not differ.
    pub timeline: Vec<TimelineRow>,
    /// Whether the check caught the divergence that was injected; `None` where none was.
    pub proof: Option<Proof>,
    /// Whose steps the journal was compared with.
    pub origin: TraceOrigin,
}

impl Judgement {
    /// The judgement of a journal that replays without a finding.
    pub fn compatible(commands: usize) -> Self {
        Self::without_findings(Verdict::Compatible, commands, None)
    }

    /// The judgement of a journal that could not be checked, for this reason.
    pub fn inconclusive(commands: usize, reason: impl Into<String>) -> Self {
        Self::without_findings(Verdict::Inconclusive, commands, Some(reason.into()))
    }

    /// A judgement without findings. The frontier counts as reached only if the verdict is compatible.
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
            origin: TraceOrigin::default(),
        }
    }
}

/// An invocation with its judgement.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub order: IdOrder,
    pub info: InvocationInfo,
    pub judgement: Judgement,
    /// Whether it fails the run: it does not replay, and the policy does not excuse that.
    pub fails: bool,
}

impl Invocation {
    /// An invocation to which no policy has been applied yet: a mismatch and a failure both fail the run.
    pub fn new(order: IdOrder, info: InvocationInfo, judgement: Judgement) -> Self {
        let fails = matches!(judgement.verdict, Verdict::Mismatch | Verdict::Failed);
        Self { order, info, judgement, fails }
    }

    /// The findings that stop replay, including those that the policy excuses.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.judgement.findings.iter().filter(|finding| finding.stops_replay())
    }

    /// The findings that do not stop replay and are not switched off.
    pub fn notes(&self) -> impl Iterator<Item = &Finding> {
        self.judgement.findings.iter().filter(|finding| !finding.stops_replay() && finding.level != Level::Off)
    }

    /// Whether it would get stuck, but the policy excuses that.
    pub fn excused(&self) -> bool {
        matches!(self.judgement.verdict, Verdict::Mismatch | Verdict::Failed) && !self.fails
    }

    /// Applies a policy: sets the levels and excuses of the findings, and decides whether the invocation fails the
    /// run. The verdict does not change.
    pub fn judge(&mut self, policy: &mut Policy, fail_on: Level) {
        let target = if self.judgement.findings.is_empty() { None } else { self.info.service_and_handler() };
        policy.judge(target.as_ref(), &mut self.judgement.findings, self.judgement.origin);
        let weighs = self.judgement.findings.iter().any(|finding| finding.weighs(fail_on));
        self.fails = match self.judgement.verdict {
            // Acceptances name findings, so a mismatch without a finding cannot have been accepted.
            Verdict::Mismatch | Verdict::Failed => weighs || self.errors().next().is_none(),
            Verdict::Compatible | Verdict::Inconclusive => weighs,
        };
        if let Some(Proof::Caught { findings, stopped }) = &mut self.judgement.proof {
            let target = self.info.service_and_handler();
            policy.judge(target.as_ref(), findings, self.judgement.origin);
            *stopped = findings.iter().any(|finding| finding.weighs(fail_on));
        }
    }
}

/// Number of invocations by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub checked: u64,
    pub compatible: u64,
    pub mismatch: u64,
    pub failed: u64,
    pub inconclusive: u64,
    /// Mismatches and failures that the policy excuses.
    pub excused: u64,
    /// Invocations that fail the run.
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

    /// Number of invocations with this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        match verdict {
            Verdict::Compatible => self.compatible,
            Verdict::Mismatch => self.mismatch,
            Verdict::Failed => self.failed,
            Verdict::Inconclusive => self.inconclusive,
        }
    }
}

/// Invocations that are not compatible, all for the same reason.
#[derive(Clone, Debug)]
pub struct Group {
    /// Identifies the cause: equal causes have equal ids, in every run.
    pub id: String,
    pub verdict: Verdict,
    /// Whether the policy excuses these invocations.
    pub excused: bool,
    pub count: u64,
    /// The first invocation of the group, which represents the others.
    pub example: Invocation,
    /// The next few invocations, with their targets.
    pub others: Vec<(IdOrder, Option<String>)>,
}

impl Group {
    /// Whether no finding explains the verdict.
    pub fn is_unexplained(&self) -> bool {
        self.example.errors().next().is_none()
    }
}

/// All findings with one fingerprint.
#[derive(Clone, Debug)]
pub struct FingerprintCount {
    /// The first of these findings, which represents the others, with its invocation.
    pub finding: Finding,
    pub order: IdOrder,
    pub info: InvocationInfo,
    /// Number of invocations that have such a finding.
    pub count: u64,
    last: IdOrder,
}

/// At most this many invocations of a group are named besides the example.
const MAX_OTHERS: usize = 4;

/// How much of one handler the checked journals cover.
#[derive(Clone, Debug, Default)]
pub struct HandlerCoverage {
    /// Number of journals with a verdict.
    pub journals: u64,
    /// Number of those that replayed to their frontier.
    pub reached: u64,
    paths: HashSet<u64>,
}

impl HandlerCoverage {
    /// Number of distinct sequences of command kinds among the journals.
    pub fn paths(&self) -> usize {
        self.paths.len()
    }
}

/// Service and handler; `None` where the journals do not name them.
pub type HandlerName = Option<(String, String)>;

/// At most this many distinct paths are counted per handler, so that memory stays bounded.
const MAX_PATHS: usize = 100_000;

/// At most this many groups are kept apart; all further ones share one group, so that memory stays bounded.
const MAX_GROUPS: usize = 1000;

/// Everything that a check found. Its memory grows with the number of causes, not with the number of invocations.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub summary: Summary,
    groups: BTreeMap<GroupKey, Group>,
    fingerprints: BTreeMap<String, FingerprintCount>,
    /// Number of findings whose fingerprints were not kept, because there were too many.
    pub fingerprints_left_out: u64,
    pub coverage: BTreeMap<HandlerName, HandlerCoverage>,
    /// Handlers that the candidate is known to have, in addition to those in `coverage`.
    pub candidate_handlers: BTreeSet<(String, String)>,
    /// Whether these are all of its handlers, so that the uncovered ones are known.
    pub all_handlers_known: bool,
    pub proofs: Option<Proofs>,
    /// Whether the recordings have rows that could not be assigned to an invocation.
    pub rows_lost: bool,
    /// Whether the run was stopped before everything was checked.
    pub interrupted: bool,
    /// Acceptances of the policy, each with whether the run used it.
    pub acceptances: Vec<(Acceptance, AcceptanceState)>,
    pub gate: Gate,
    /// By rule of a note: the number of invocations that have such a note, and the first of them.
    pub notes: BTreeMap<&'static str, (u64, Invocation)>,
}

impl Report {
    /// Adds the next invocation; the caller adds them in the order of ids.
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
        if let Some(counted) = self.fingerprints.get_mut(&finding.fingerprint) {
            counted.count += u64::from(counted.last != order);
            counted.last = order;
        } else if self.fingerprints.len() < MAX_GROUPS {
            let info = invocation.info.clone();
            let counted = FingerprintCount { finding: finding.clone(), order, info, count: 1, last: order };
            self.fingerprints.insert(finding.fingerprint.clone(), counted);
        } else {
            self.fingerprints_left_out += u64::from(finding.weighs(Level::Note));
        }
    }

    fn cover(&mut self, invocation: &Invocation) {
        let covered = self.coverage.entry(invocation.info.service_and_handler()).or_default();
        covered.journals += 1;
        covered.reached += u64::from(invocation.judgement.frontier_reached);
        if covered.paths.len() < MAX_PATHS {
            covered.paths.insert(invocation.judgement.path);
        }
    }

    fn add_to_group(&mut self, invocation: &Invocation) {
        let mut key = GroupKey::of(invocation);
        if !self.groups.contains_key(&key) && self.groups.len() >= MAX_GROUPS {
            key.cause = String::new();
        }
        match self.groups.get_mut(&key) {
            Some(group) => {
                group.count += 1;
                if group.others.len() < MAX_OTHERS {
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

    /// The groups with the worst verdict first and excused ones last; within one verdict, the largest group first.
    pub fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by_key(|group| (group.excused, group.verdict, std::cmp::Reverse(group.count), group.example.order));
        groups
    }

    /// Every kind of finding, the highest level first; within one level, the most frequent first.
    pub fn fingerprints(&self) -> Vec<&FingerprintCount> {
        let mut all: Vec<&FingerprintCount> = self.fingerprints.values().collect();
        all.sort_by_key(|counted| {
            let FingerprintCount { finding, order, count, .. } = counted;
            (finding.excuse.is_some(), finding.level, std::cmp::Reverse(*count), *order, &finding.fingerprint)
        });
        all
    }

    /// Handlers of the candidate for which no journal was checked.
    pub fn not_covered(&self) -> impl Iterator<Item = &(String, String)> {
        self.candidate_handlers.iter().filter(|name| !self.coverage.contains_key(&Some((*name).clone())))
    }

    /// Number of covered handlers, and number of all handlers.
    pub fn handlers_covered(&self) -> (u64, u64) {
        let covered = self.coverage.keys().flatten().count() as u64;
        (covered, covered + self.not_covered().count() as u64)
    }

    /// Decides whether the run passes, once every invocation has been added.
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

/// The key by which invocations are grouped.
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

/// The [`Group::id`] of the group that collects the rest when there are too many groups.
pub fn rest_id(invocation: &Invocation) -> String {
    GroupKey { cause: String::new(), ..GroupKey::of(invocation) }.id()
}

/// The cause by which invocations are grouped: their first fingerprints, or the reason where there is no finding.
fn cause_of(invocation: &Invocation) -> String {
    let mut cause = String::new();
    for finding in invocation.errors().take(8) {
        cause.push_str(&finding.fingerprint);
        cause.push(' ');
    }
    if cause.is_empty() {
        cause = reason_without_numbers(invocation.judgement.reason.as_deref().unwrap_or_default());
    }
    cause
}

/// Replaces each number by `#`: rows and indexes belong to one instance of a reason, not to its kind.
fn reason_without_numbers(reason: &str) -> String {
    let mut folded = String::with_capacity(reason.len());
    for c in reason.chars() {
        let digit = c.is_ascii_digit();
        if !(digit && folded.ends_with('#')) {
            folded.push(if digit { '#' } else { c });
        }
    }
    folded
}
