//! A trace: what a candidate did when it was re-executed, that is its commands, its awaits, and how it ended.

use super::Command;

/// A candidate's steps for one invocation, or for every invocation of a handler if the trace is a template.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub steps: Vec<Step>,
    pub ending: Ending,
}

/// One step of a candidate: it issues a command, or it waits.
#[derive(Clone, Debug)]
pub enum Step {
    Command(Command<'static>),
    Await(Await),
}

/// A wait that any one of these notifications ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Await {
    pub completions: Vec<u32>,
    pub signals: Vec<u32>,
    pub named_signals: Vec<String>,
}

/// How the candidate's run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Not known. A journal does not say it: where it has no Output, the invocation was still running.
    #[default]
    Unknown,
    Returned,
    Suspended,
    Failed,
}

impl Trace {
    /// The commands among the steps, in order.
    pub fn commands(&self) -> impl Iterator<Item = &Command<'static>> {
        self.steps.iter().filter_map(|step| match step {
            Step::Command(command) => Some(command),
            Step::Await(_) => None,
        })
    }
}
