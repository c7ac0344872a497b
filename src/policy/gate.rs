//! The gate: the requirements of a run, whether it passes them, and why not. The reasons are worded here, so that every
//! format reports them in the same words.

use std::fmt;

use serde::Serialize;

use crate::policy::{Coverage, GateSettings};
use crate::rules::{Finding, Level};

/// The requirements that a run must meet to pass.
#[derive(Clone, Copy, Debug)]
pub struct Requirements {
    /// The lightest finding that fails the run.
    pub fail_on: Level,
    /// Whether the run ends with status 0 whatever was found.
    pub report_only: bool,
    /// How many journals must be decided.
    pub min_journals: u64,
    pub coverage: Option<Coverage>,
}

impl Default for Requirements {
    fn default() -> Self {
        Self { fail_on: Level::Error, report_only: false, min_journals: 0, coverage: None }
    }
}

/// The requirements that the command line states; they override the policy file.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequirementOverrides {
    pub fail_on: Option<Level>,
    /// `false` leaves the decision to the file.
    pub report_only: bool,
    pub min_journals: Option<u64>,
    pub coverage: Option<Coverage>,
}

impl Requirements {
    /// The file's requirements with the overrides of the command line.
    pub fn new(file: &GateSettings, overrides: RequirementOverrides) -> Self {
        let default = Self::default();
        Self {
            fail_on: overrides.fail_on.or(file.fail_on).unwrap_or(default.fail_on),
            report_only: overrides.report_only || file.report_only,
            min_journals: overrides.min_journals.or(file.min_journals).unwrap_or(default.min_journals),
            coverage: overrides.coverage.or(file.require_coverage),
        }
    }
}

/// The gate's decision on one run.
#[derive(Clone, Debug)]
pub struct Gate {
    /// How many invocations fail the run.
    pub failing: u64,
    pub fail_on: Level,
    /// Why the run would be undecided if no invocation failed it.
    pub undecided: Vec<Reason>,
    pub report_only: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self { failing: 0, fail_on: Level::Error, undecided: Vec::new(), report_only: false }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GateOutcome {
    Passed,
    Failed,
    Undecided,
}

impl GateOutcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Undecided => "undecided",
        }
    }
}

impl Gate {
    /// A failing invocation outranks an undecided one.
    pub fn outcome(&self) -> GateOutcome {
        if self.failing > 0 {
            GateOutcome::Failed
        } else if self.undecided.is_empty() {
            GateOutcome::Passed
        } else {
            GateOutcome::Undecided
        }
    }

    /// Why the run did not pass, one sentence for each reason.
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

/// Why a run without failing invocations is undecided.
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
            Self::Interrupted => write!(f, "the run was interrupted before everything was checked"),
            Self::RowsLost => {
                write!(f, "some rows could not be read, and it is unknown to which invocations they belong")
            }
            Self::TooFewJournals { decided, required } => {
                write!(f, "{decided} journals were checked, but {required} are required (--min-journals)")
            }
            Self::TooFewHandlers { covered, handlers, percent } => write!(
                f,
                "{covered} of {handlers} handlers of the candidate are covered, but {percent} % are required \
                 (--require-coverage)"
            ),
            Self::HandlersUnknown => write!(
                f,
                "the candidate's handlers are unknown, so coverage cannot be required: list them as `handlers` in \
                 rehearse.toml"
            ),
            Self::Unproved => write!(f, "no journal has a command into which a divergence could be injected (--prove)"),
            Self::InjectedMissed(count) => {
                write!(f, "{count} injected divergences were not caught: please report this (--prove)")
            }
            Self::InjectedLetPass => {
                write!(f, "every injected divergence was caught, but the policy lets all of them pass (--prove)")
            }
        }
    }
}

/// The result of injecting a divergence into one invocation's trace (`--prove`).
#[derive(Clone, Debug)]
pub enum Proof {
    Caught {
        findings: Vec<Finding>,
        /// Whether the findings would have failed the run.
        stopped: bool,
    },
    Missed,
    /// The journal has no command but the Input, so nothing could be injected.
    Nothing,
}

/// The results of all injections of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proofs {
    pub injected: u64,
    pub caught: u64,
    /// How many were caught and would have failed the run.
    pub stopped: u64,
    /// How many journals have no command that could be changed.
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

    /// What the injections failed to prove, if anything.
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
