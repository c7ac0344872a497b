//! An audit report: what an audit found, as one value for people, for machines, and for the exit status.

use super::audit::ClusterAudit;
use super::decide::{PlanInput, make_plan};
use super::matrix::{InvocationVerdicts, Matrix, MatrixRow};
use super::plan::{Plan, PlanCandidate};
use crate::report::Verdict;

/// An audit of a cluster, and the verdicts on its invocations on the candidates.
#[derive(Clone, Debug)]
pub struct AuditReport {
    pub audit: ClusterAudit,
    pub candidates: Vec<PlanCandidate>,
    pub matrix: Matrix,
}

/// How many stuck invocations a candidate would help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HelpCounts {
    /// Some candidate replays them, and they can be resumed.
    pub would_resume: u64,
    /// No candidate replays them, or they have ended.
    pub would_not: u64,
    pub undecided: u64,
}

/// What an audit means for the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditConclusion {
    /// Nothing is stuck, or every stuck invocation would resume on a candidate.
    Free,
    /// Something is stuck, and no candidate replays it.
    Stuck,
    /// Whether a candidate replays something could not be decided.
    Undecided,
}

impl AuditReport {
    /// The rows of the matrix: the causes in their order, then what is in flight.
    pub fn rows(&self) -> Vec<MatrixRow> {
        self.matrix.rows(&self.audit.causes, &|at| self.audit.stuck[at].id.clone())
    }

    /// How many stuck invocations the candidates would help.
    pub fn help(&self) -> HelpCounts {
        let mut counts = HelpCounts::default();
        for stuck in &self.audit.stuck {
            *match verdict_of(self.matrix.of(&stuck.id)) {
                // An invocation that has ended cannot be resumed, even if a candidate replays it.
                Verdict::Compatible if !stuck.status.is_over() => &mut counts.would_resume,
                Verdict::Inconclusive => &mut counts.undecided,
                Verdict::Compatible | Verdict::Mismatch | Verdict::Failed => &mut counts.would_not,
            } += 1;
        }
        counts
    }

    /// A plan of what to do about each stuck invocation.
    pub fn plan(&self, allow_restart: bool) -> Plan {
        let audit = &self.audit;
        let input = PlanInput {
            admin_url: &audit.admin_url,
            server_version: &audit.server_version,
            now: &audit.taken_at,
            candidates: self.candidates.clone(),
            allow_restart,
        };
        let causes = audit.causes_by_place();
        make_plan(input, &audit.stuck, &|at| causes[at].id.clone(), &self.matrix)
    }

    /// What the audit means for the cluster; the exit status follows from it.
    pub fn conclusion(&self) -> AuditConclusion {
        let help = self.help();
        if self.audit.stuck.is_empty() {
            AuditConclusion::Free
        } else if self.candidates.is_empty() || help.would_not > 0 {
            AuditConclusion::Stuck
        } else if help.undecided > 0 || help.would_resume == 0 {
            AuditConclusion::Undecided
        } else {
            AuditConclusion::Free
        }
    }
}

/// The verdict over all candidates: the best one that was reached, or inconclusive while a better one is possible.
fn verdict_of(verdicts: Option<&InvocationVerdicts>) -> Verdict {
    let verdicts = verdicts.map_or(&[][..], |known| &known.verdicts);
    let any = |verdict| verdicts.iter().any(|judged| judged.verdict == verdict);
    if any(Verdict::Compatible) {
        Verdict::Compatible
    } else if verdicts.is_empty() || any(Verdict::Inconclusive) {
        Verdict::Inconclusive
    } else {
        Verdict::Mismatch
    }
}
