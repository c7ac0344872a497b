//! One side's commands, each decoded when it is first looked at: most of a long journal never is.

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
    /// By command: its place among the entries. Empty for a trace.
    places: Vec<usize>,
    decoded: Vec<OnceCell<Box<Command>>>,
}

impl<'a> Commands<'a> {
    pub(super) fn of_entries(entries: Entries<'a>) -> Self {
        let mut places = Vec::with_capacity(entries.command_count());
        places.extend(entries.commands());
        Self { entries, decoded: vec![OnceCell::new(); places.len()], places }
    }

    /// A hand-written trace need not spell out that there is an input.
    pub(super) fn of_trace(trace: &Trace) -> Self {
        let mut decoded: Vec<OnceCell<Box<Command>>> =
            trace.commands().cloned().map(Box::new).map(OnceCell::from).collect();
        if trace.commands().next().is_none_or(|first| first.kind != CommandKind::Input) {
            let input = Command { kind: CommandKind::Input, fields: Vec::new(), complete: false };
            decoded.insert(0, OnceCell::from(Box::new(input)));
        }
        Self { entries: Entries::default(), places: Vec::new(), decoded }
    }

    pub fn len(&self) -> usize {
        self.decoded.len()
    }

    pub fn is_empty(&self) -> bool {
        self.decoded.is_empty()
    }

    pub fn get(&self, at: usize) -> Option<&Command> {
        (at < self.len()).then(|| &self[at])
    }

    pub fn kind(&self, at: usize) -> CommandKind {
        let recorded = self.places.get(at).and_then(|place| self.entries.command_kind(*place));
        recorded.unwrap_or_else(|| self[at].kind)
    }

    /// The place of a command among the entries, where there are any.
    pub fn entry_index(&self, at: usize) -> Option<usize> {
        self.places.get(at).copied()
    }

    /// A command's kind and message, where it has not come decoded.
    pub fn message(&self, at: usize) -> Option<(CommandKind, &'a [u8])> {
        let place = *self.places.get(at)?;
        Some((self.entries.command_kind(place)?, self.entries.raw(place)))
    }

    /// Whether a command is the other side's byte for byte. Nothing is known to be the same as a trace's.
    pub fn same_bytes(&self, at: usize, other: &Self, their: usize) -> bool {
        match (self.places.get(at), other.places.get(their)) {
            (Some(place), Some(their)) => self.entries.same_bytes(*place, &other.entries, *their),
            _ => false,
        }
    }

    /// Those written by hand, which may leave fields out.
    pub(super) fn incomplete(&self) -> impl Iterator<Item = &Command> {
        let decoded = if self.places.is_empty() { &self.decoded[..] } else { &[] };
        decoded.iter().filter_map(OnceCell::get).map(|command| &**command).filter(|command| !command.complete)
    }

    /// Decodes a command that has to be understood.
    pub(super) fn decode(&self, at: usize, side: Side) -> Result<(), Undecodable> {
        if self.decoded[at].get().is_none() {
            let command = decode_command(self.entries, self.places[at], side)?;
            self.decoded[at].get_or_init(|| Box::new(command));
        }
        Ok(())
    }
}

impl Index<usize> for Commands<'_> {
    type Output = Command;

    /// A command that can not be decoded, and did not have to be, is shown without its fields.
    fn index(&self, at: usize) -> &Command {
        self.decoded[at].get_or_init(|| {
            let place = self.places[at];
            let kind = self.entries.command_kind(place).expect("asked for a command's place");
            Box::new(decode_or_bare(kind, self.entries.raw(place)))
        })
    }
}
