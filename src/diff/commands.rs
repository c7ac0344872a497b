//! One side's commands, each decoded when it is first looked at: most of a long journal never is.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Index;

use super::lockstep::decode_command;
use super::stop::{Side, Undecodable};
use crate::journal::command::Command;
use crate::journal::{CommandKind, Entries, Trace};
use crate::protocol::decode_or_bare;

/// The commands of a journal, or of a trace.
#[derive(Debug)]
pub struct Commands<'a> {
    entries: Entries<'a>,
    steps: Vec<Step<'a>>,
}

#[derive(Debug)]
struct Step<'a> {
    /// Its place among the entries; [`Step::NOWHERE`] for one of a trace.
    place: u32,
    kind: CommandKind,
    decoded: OnceCell<Command<'a>>,
}

impl<'a> Step<'a> {
    const NOWHERE: u32 = u32::MAX;

    fn at(place: usize, kind: CommandKind) -> Self {
        let place = u32::try_from(place).expect("sources keep journals below 4 GiB");
        Self { place, kind, decoded: OnceCell::new() }
    }

    fn of(command: Command<'a>) -> Self {
        Self { place: Self::NOWHERE, kind: command.kind, decoded: OnceCell::from(command) }
    }

    fn place(&self) -> Option<usize> {
        (self.place != Self::NOWHERE).then_some(self.place as usize)
    }
}

impl<'a> Commands<'a> {
    pub(super) fn of_entries(entries: Entries<'a>) -> Self {
        let mut steps = Vec::with_capacity(entries.command_count());
        for place in 0..entries.len() {
            if let Some(kind) = entries.command_kind(place) {
                steps.push(Step::at(place, kind));
            }
        }
        Self { entries, steps }
    }

    /// A hand-written trace need not spell out that there is an input.
    pub(super) fn of_trace(trace: &'a Trace) -> Self {
        let mut steps: Vec<Step<'a>> = trace.commands().map(|command| Step::of(command.clone())).collect();
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

    pub fn get(&self, at: usize) -> Option<&Command<'a>> {
        (at < self.len()).then(|| &self[at])
    }

    pub fn kind(&self, at: usize) -> CommandKind {
        self.steps[at].kind
    }

    /// The place of a command among the entries, where there are any.
    pub fn entry_index(&self, at: usize) -> Option<usize> {
        self.steps.get(at)?.place()
    }

    /// A command's kind and message, where it has not come decoded.
    pub fn message(&self, at: usize) -> Option<(CommandKind, &'a [u8])> {
        let step = self.steps.get(at)?;
        Some((step.kind, self.entries.raw(step.place()?)))
    }

    /// Whether a command is the other side's byte for byte. Nothing is known to be the same as a trace's.
    pub fn same_bytes(&self, at: usize, other: &Commands<'_>, their: usize) -> bool {
        match (self.entry_index(at), other.entry_index(their)) {
            (Some(place), Some(their)) => self.entries.same_bytes(place, &other.entries, their),
            _ => false,
        }
    }

    /// Whether all entries behind a command, results too, are those behind the other side's.
    pub(super) fn same_behind(&self, at: usize, other: &Commands<'_>, their: usize) -> bool {
        match (self.entry_index(at), other.entry_index(their)) {
            (Some(place), Some(their)) => self.entries.behind(place).identical(&other.entries.behind(their)),
            _ => false,
        }
    }

    /// Those written by hand, which may leave fields out.
    pub(super) fn incomplete(&self) -> impl Iterator<Item = &Command<'a>> {
        let by_hand = self.steps.iter().filter(|step| step.place().is_none());
        by_hand.filter_map(|step| step.decoded.get()).filter(|command| !command.complete)
    }

    /// A command to be looked at once, which is not kept decoded.
    pub fn read(&self, at: usize) -> Cow<'_, Command<'a>> {
        match (self.steps[at].decoded.get(), self.message(at)) {
            (None, Some((kind, raw))) => Cow::Owned(decode_or_bare(kind, raw)),
            _ => Cow::Borrowed(&self[at]),
        }
    }

    /// Decodes a command that has to be understood.
    pub(super) fn decode(&self, at: usize, side: Side) -> Result<(), Undecodable> {
        let step = &self.steps[at];
        if step.decoded.get().is_none() {
            let command = decode_command(self.entries, step.place as usize, side)?;
            step.decoded.get_or_init(|| command);
        }
        Ok(())
    }
}

impl<'a> Index<usize> for Commands<'a> {
    type Output = Command<'a>;

    /// A command that can not be decoded, and did not have to be, is shown without its fields.
    fn index(&self, at: usize) -> &Command<'a> {
        self.steps[at].decoded.get_or_init(|| {
            let (kind, raw) = self.message(at).expect("a step of a trace has come decoded");
            decode_or_bare(kind, raw)
        })
    }
}
