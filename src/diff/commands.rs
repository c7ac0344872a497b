//! Commands: one side's commands in order, each decoded when it is first read.
//!
//! Decoding is lazy because most commands of a long journal are never read.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Index;

use super::lockstep::decode_command;
use super::stop::{Side, Undecodable};
use crate::journal::command::Command;
use crate::journal::{CommandKind, Entries, Trace};
use crate::protocol::decode_or_bare;

/// The commands of one side: of a journal, or of a trace.
#[derive(Debug)]
pub struct Commands<'a> {
    entries: Entries<'a>,
    commands: Vec<LazyCommand<'a>>,
}

#[derive(Debug)]
struct LazyCommand<'a> {
    /// Its place among the entries; [`LazyCommand::NO_ENTRY`] for a command of a trace.
    place: u32,
    kind: CommandKind,
    decoded: OnceCell<Command<'a>>,
}

impl<'a> LazyCommand<'a> {
    const NO_ENTRY: u32 = u32::MAX;

    fn of_entry(place: usize, kind: CommandKind) -> Self {
        let place = u32::try_from(place).expect("sources keep journals below 4 GiB");
        Self { place, kind, decoded: OnceCell::new() }
    }

    fn decoded(command: Command<'a>) -> Self {
        Self { place: Self::NO_ENTRY, kind: command.kind, decoded: OnceCell::from(command) }
    }

    fn place(&self) -> Option<usize> {
        (self.place != Self::NO_ENTRY).then_some(self.place as usize)
    }
}

impl<'a> Commands<'a> {
    pub(super) fn of_entries(entries: Entries<'a>) -> Self {
        let mut commands = Vec::with_capacity(entries.command_count());
        for place in 0..entries.len() {
            if let Some(kind) = entries.command_kind(place) {
                commands.push(LazyCommand::of_entry(place, kind));
            }
        }
        Self { entries, commands }
    }

    /// Adds the Input where a hand-written trace leaves it out.
    pub(super) fn of_trace(trace: &'a Trace) -> Self {
        let mut commands: Vec<_> = trace.commands().map(|command| LazyCommand::decoded(command.clone())).collect();
        if trace.commands().next().is_none_or(|first| first.kind != CommandKind::Input) {
            let input = Command { kind: CommandKind::Input, fields: Vec::new(), complete: false };
            commands.insert(0, LazyCommand::decoded(input));
        }
        Self { entries: Entries::default(), commands }
    }

    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Command `at`, decoded; `None` beyond the last.
    pub fn get(&self, at: usize) -> Option<&Command<'a>> {
        (at < self.len()).then(|| &self[at])
    }

    /// The kind of command `at`, which is known without decoding it.
    pub fn kind(&self, at: usize) -> CommandKind {
        self.commands[at].kind
    }

    /// The place of a command among the entries; `None` for a command of a trace.
    pub fn entry_index(&self, at: usize) -> Option<usize> {
        self.commands.get(at)?.place()
    }

    /// A command's kind and message; `None` for a command of a trace, which has no message.
    pub fn message(&self, at: usize) -> Option<(CommandKind, &'a [u8])> {
        let command = self.commands.get(at)?;
        Some((command.kind, self.entries.raw(command.place()?)))
    }

    /// Whether a command is known to equal the other side's byte for byte. Commands of a trace have no bytes to
    /// compare, so the answer for them is `false`.
    pub fn same_bytes(&self, at: usize, other: &Commands<'_>, their: usize) -> bool {
        match (self.entry_index(at), other.entry_index(their)) {
            (Some(place), Some(their)) => self.entries.same_bytes(place, &other.entries, their),
            _ => false,
        }
    }

    /// Whether all entries after a command, notifications included, equal those after the other side's command.
    pub(super) fn same_after(&self, at: usize, other: &Commands<'_>, their: usize) -> bool {
        match (self.entry_index(at), other.entry_index(their)) {
            (Some(place), Some(their)) => self.entries.after(place).identical(&other.entries.after(their)),
            _ => false,
        }
    }

    /// The hand-written commands that leave fields out.
    pub(super) fn incomplete(&self) -> impl Iterator<Item = &Command<'a>> {
        let of_trace = self.commands.iter().filter(|command| command.place().is_none());
        of_trace.filter_map(|command| command.decoded.get()).filter(|command| !command.complete)
    }

    /// Reads a command once, without keeping it decoded.
    pub fn read(&self, at: usize) -> Cow<'_, Command<'a>> {
        match (self.commands[at].decoded.get(), self.message(at)) {
            (None, Some((kind, raw))) => Cow::Owned(decode_or_bare(kind, raw)),
            _ => Cow::Borrowed(&self[at]),
        }
    }

    /// Decodes a command; fails if it cannot be decoded. `side` is named in the error.
    pub(super) fn decode(&self, at: usize, side: Side) -> Result<(), Undecodable> {
        let lazy = &self.commands[at];
        if lazy.decoded.get().is_none() {
            let command = decode_command(self.entries, lazy.place as usize, side)?;
            lazy.decoded.get_or_init(|| command);
        }
        Ok(())
    }
}

impl<'a> Index<usize> for Commands<'a> {
    type Output = Command<'a>;

    /// The command, without its fields if it cannot be decoded. Use [`Commands::decode`] first where that is an error.
    fn index(&self, at: usize) -> &Command<'a> {
        self.commands[at].decoded.get_or_init(|| {
            let (kind, raw) = self.message(at).expect("commands of a trace are decoded from the start");
            decode_or_bare(kind, raw)
        })
    }
}
