//! What an audit found, as one value: for people, for machines, and for the exit status.

use super::audit::Audit;
use super::matrix::{Checked, Matrix, Row};
use super::plan::PlanCandidate;
use crate::report::Verdict;

/// An audit, and what became of it on the candidates.
#[derive(Clone, Debug)]
pub struct AuditReport {
    pub audit: Audit,
    pub candidates: Vec<PlanCandidate>,
    pub matrix: Matrix,
}

/// Whether any candidate helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// Some candidate replays it.
    Resumes,
    /// No candidate does.
    No,
    /// It could not be decided.
    Unknown,
}

impl Help {
    fn of(checked: Option<&Checked>) -> Self {
        let verdicts = checked.map_or(&[][..], |checked| &checked.verdicts);
        let any = |verdict| verdicts.iter().any(|judged| judged.verdict == verdict);
        if any(Verdict::Compatible) {
            Self::Resumes
        } else if verdicts.is_empty() || any(Verdict::Inconclusive) {
            Self::Unknown
        } else {
            Self::No
        }
    }
}

impl AuditReport {
    /// Causes in their order, then what is in flight.
    pub fn rows(&self) -> Vec<Row> {
        self.matrix.rows(&self.audit.causes, &|at| self.audit.stuck[at].id.clone())
    }

    /// How many stuck invocations are helped, not helped, and undecided.
    pub fn help(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for stuck in &self.audit.stuck {
            // What has ended can not be resumed, whoever replays it.
            let over = stuck.status.is_over();
            counts[match Help::of(self.matrix.of(&stuck.id)) {
                Help::Resumes if !over => 0,
                Help::Resumes | Help::No => 1,
                Help::Unknown => 2,
            }] += 1;
        }
        counts
    }
}
