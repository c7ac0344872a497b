//! What a candidate did when it was re-executed: its commands, its awaits, how it ended.

use super::Command;

/// A candidate's steps for one invocation, or (a template) for every invocation of a handler.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub steps: Vec<Step>,
    pub ending: Ending,
}

#[derive(Clone, Debug)]
pub enum Step {
    Command(Command<'static>),
    Await(Await),
}

/// A wait for any of these notifications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Await {
    pub completions: Vec<u32>,
    pub signals: Vec<u32>,
    pub named_signals: Vec<String>,
}

/// How the candidate's run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Journals do not say: a run that recorded no Output was still under way.
    #[default]
    Unknown,
    Returned,
    Suspended,
    Failed,
}

impl Trace {
    pub fn commands(&self) -> impl Iterator<Item = &Command<'static>> {
        self.steps.iter().filter_map(|step| match step {
            Step::Command(command) => Some(command),
            Step::Await(_) => None,
        })
    }
}
