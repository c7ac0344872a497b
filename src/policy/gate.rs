//! What has to hold for a run to pass, and what did not. Sentences are here so that every format has the same.

use std::fmt;

use serde::Serialize;

use crate::policy::Coverage;
use crate::rules::{Finding, Level};

/// What a run is held to.
#[derive(Clone, Copy, Debug)]
pub struct Requirements {
    /// The lightest finding that fails the run.
    pub fail_on: Level,
    /// Whether the run ends well whatever was found.
    pub report_only: bool,
    pub min_journals: u64,
    pub coverage: Option<Coverage>,
}

impl Default for Requirements {
    fn default() -> Self {
        Self { fail_on: Level::Error, report_only: false, min_journals: 0, coverage: None }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Gate {
    /// How many invocations fail it.
    pub failing: u64,
    pub fail_on: Level,
    /// Why its passing would say nothing.
    pub undecided: Vec<Reason>,
    pub report_only: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self { failing: 0, fail_on: Level::Error, undecided: Vec::new(), report_only: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Passed,
    Failed,
    Undecided,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Undecided => "undecided",
        }
    }
}

impl Gate {
    /// A mismatch outranks what could not be decided.
    pub fn outcome(&self) -> Outcome {
        if self.failing > 0 {
            Outcome::Failed
        } else if self.undecided.is_empty() {
            Outcome::Passed
        } else {
            Outcome::Undecided
        }
    }

    /// Why it did not pass, a sentence each.
    pub fn reasons(&self) -> Vec<String> {
        let heaviest = match self.fail_on {
            Level::Error => "",
            Level::Warn => ", warnings included",
            Level::Note | Level::Off => ", notes included",
        };
        let failing = match self.failing {
            0 => None,
            1 => Some(format!("1 invocation fails the run{heaviest}")),
            failing => Some(format!("{failing} invocations fail the run{heaviest}")),
        };
        failing.into_iter().chain(self.undecided.iter().map(ToString::to_string)).collect()
    }
}

/// Why a run that found nothing does not pass all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    NothingChecked,
    Inconclusive(u64),
    Interrupted,
    RowsLost,
    TooFewJournals { decided: u64, required: u64 },
    TooFewHandlers { covered: u64, handlers: u64, percent: u64 },
    HandlersUnknown,
    Unproved,
    InjectedMissed(u64),
    InjectedLetPass,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingChecked => write!(f, "nothing was checked"),
            Self::Inconclusive(1) => write!(f, "1 invocation stayed inconclusive"),
            Self::Inconclusive(count) => write!(f, "{count} invocations stayed inconclusive"),
            Self::Interrupted => write!(f, "it was interrupted before everything was checked"),
            Self::RowsLost => write!(f, "some rows could not be read, and nobody knows whose they are"),
            Self::TooFewJournals { decided, required } => {
                write!(f, "{decided} journals were checked, {required} are required (--min-journals)")
            }
            Self::TooFewHandlers { covered, handlers, percent } => write!(
                f,
                "{covered} of {handlers} handlers of the candidate are covered, {percent} % are required \
                 (--require-coverage)"
            ),
            Self::HandlersUnknown => write!(
                f,
                "which handlers the candidate has is not known, so coverage can not be required: list them as \
                 `handlers` in rehearse.toml"
            ),
            Self::Unproved => write!(f, "no journal has a command into which a divergence could be injected (--prove)"),
            Self::InjectedMissed(count) => {
                write!(f, "{count} injected divergences were not caught: please report this (--prove)")
            }
            Self::InjectedLetPass => {
                write!(f, "every injected divergence was caught, and the policy lets every one pass (--prove)")
            }
        }
    }
}

/// What became of a divergence that was injected into an invocation's trace.
#[derive(Clone, Debug)]
pub enum Proof {
    Caught {
        findings: Vec<Finding>,
        /// Whether it would have failed the run.
        stopped: bool,
    },
    Missed,
    /// There is no command but the Input.
    Nothing,
}

/// All of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proofs {
    pub injected: u64,
    pub caught: u64,
    /// Caught, and failing the run.
    pub stopped: u64,
    /// Journals without a command to change.
    pub nothing: u64,
}

impl Proofs {
    pub fn count(&mut self, proof: &Proof) {
        match proof {
            Proof::Nothing => self.nothing += 1,
            Proof::Missed => self.injected += 1,
            Proof::Caught { stopped, .. } => {
                self.injected += 1;
                self.caught += 1;
                self.stopped += u64::from(*stopped);
            }
        }
    }

    pub fn shortcoming(&self) -> Option<Reason> {
        if self.injected == 0 {
            Some(Reason::Unproved)
        } else if self.caught < self.injected {
            Some(Reason::InjectedMissed(self.injected - self.caught))
        } else if self.stopped == 0 {
            Some(Reason::InjectedLetPass)
        } else {
            None
        }
    }
}
