//! One side's commands, each decoded when it is first looked at: most of a long journal never is.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Index;

use super::lockstep::{Side, Undecodable, decode_command};
use crate::journal::command::Command;
use crate::journal::{CommandKind, Entries, Trace};
use crate::protocol::decode_or_bare;

/// The commands of a journal, or of a trace.
#[derive(Debug)]
pub struct Commands<'a> {
    entries: Entries<'a>,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    /// Its place among the entries; [`Step::NOWHERE`] for one of a trace.
    place: usize,
    decoded: OnceCell<Box<Command>>,
}

impl Step {
    const NOWHERE: usize = usize::MAX;

    fn at(place: usize) -> Self {
        Self { place, decoded: OnceCell::new() }
    }

    fn of(command: Command) -> Self {
        Self { place: Self::NOWHERE, decoded: OnceCell::from(Box::new(command)) }
    }

    fn place(&self) -> Option<usize> {
        (self.place != Self::NOWHERE).then_some(self.place)
    }
}

impl<'a> Commands<'a> {
    pub(super) fn of_entries(entries: Entries<'a>) -> Self {
        let mut steps = Vec::with_capacity(entries.command_count());
        steps.extend(entries.commands().map(Step::at));
        Self { entries, steps }
    }

    /// A hand-written trace need not spell out that there is an input.
    pub(super) fn of_trace(trace: &Trace) -> Self {
        let mut steps: Vec<Step> = trace.commands().cloned().map(Step::of).collect();
        if trace.commands().next().is_none_or(|first| first.kind != CommandKind::Input) {
            steps.insert(0, Step::of(Command { kind: CommandKind::Input, fields: Vec::new(), complete: false }));
        }
        Self { entries: Entries::default(), steps }
    }

    pub fn len(&self) -> usize {
        self.steps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub fn get(&self, at: usize) -> Option<&Command> {
        (at < self.len()).then(|| &self[at])
    }

    pub fn kind(&self, at: usize) -> CommandKind {
        self.message(at).map_or_else(|| self[at].kind, |(kind, _)| kind)
    }

    /// The place of a command among the entries, where there are any.
    pub fn entry_index(&self, at: usize) -> Option<usize> {
        self.steps.get(at)?.place()
    }

    /// A command's kind and message, where it has not come decoded.
    pub fn message(&self, at: usize) -> Option<(CommandKind, &'a [u8])> {
        let place = self.entry_index(at)?;
        Some((self.entries.command_kind(place)?, self.entries.raw(place)))
    }

    /// Whether a command is the other side's byte for byte. Nothing is known to be the same as a trace's.
    pub fn same_bytes(&self, at: usize, other: &Self, their: usize) -> bool {
        match (self.entry_index(at), other.entry_index(their)) {
            (Some(place), Some(their)) => self.entries.same_bytes(place, &other.entries, their),
            _ => false,
        }
    }

    /// Those written by hand, which may leave fields out.
    pub(super) fn incomplete(&self) -> impl Iterator<Item = &Command> {
        let by_hand = self.steps.iter().filter(|step| step.place().is_none());
        by_hand.filter_map(|step| step.decoded.get()).map(|command| &**command).filter(|command| !command.complete)
    }

    /// A command to be looked at once, which is not kept decoded.
    pub fn read(&self, at: usize) -> Cow<'_, Command> {
        match (self.steps[at].decoded.get(), self.message(at)) {
            (None, Some((kind, raw))) => Cow::Owned(decode_or_bare(kind, raw)),
            _ => Cow::Borrowed(&self[at]),
        }
    }

    /// Decodes a command that has to be understood.
    pub(super) fn decode(&self, at: usize, side: Side) -> Result<(), Undecodable> {
        let step = &self.steps[at];
        if step.decoded.get().is_none() {
            let command = decode_command(self.entries, step.place, side)?;
            step.decoded.get_or_init(|| Box::new(command));
        }
        Ok(())
    }
}

impl Index<usize> for Commands<'_> {
    type Output = Command;

    /// A command that can not be decoded, and did not have to be, is shown without its fields.
    fn index(&self, at: usize) -> &Command {
        self.steps[at].decoded.get_or_init(|| {
            let (kind, raw) = self.message(at).expect("a step of a trace has come decoded");
            Box::new(decode_or_bare(kind, raw))
        })
    }
}
