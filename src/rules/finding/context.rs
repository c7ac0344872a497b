//! The context of a finding: the commands before and after it, recorded beside replayed.
//!
//! Most findings are only counted. So the context keeps its commands as encoded messages (without their payloads, in
//! one buffer), and describes them only when a report shows them.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::diff::{Alignment, Commands, Divergence, Shape};
use crate::journal::{CommandKind, describe};
use crate::protocol;

/// Commands shown before and after an error; notes are shown without context.
pub(super) const NEIGHBOURS: usize = 2;

/// One line of a context: the recorded and the replayed command beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextRow {
    pub index: Option<usize>,
    pub recorded: Option<String>,
    pub replayed: Option<String>,
    /// Whether this line is the finding itself.
    pub differs: bool,
}

/// The lines around a finding, stored compactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    rows: Vec<StoredRow>,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct StoredRow {
    index: Option<u32>,
    recorded: StoredStep,
    replayed: StoredStep,
    differs: bool,
}

/// One side of a line, with the range of its bytes in the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum StoredStep {
    Nothing,
    /// The same text as on the recorded side.
    Same,
    /// An encoded command.
    Message(CommandKind, Range<u32>),
    Text(Range<u32>),
}

/// Most commands without their payloads need at most this many bytes; the buffer starts with this much for each.
const TYPICAL_MESSAGE: usize = 32;

impl Context {
    pub(super) fn of(alignment: &Alignment<'_>, divergence: &Divergence, neighbours: usize) -> Self {
        let from = divergence.row.saturating_sub(neighbours);
        let to = (divergence.row + neighbours + 1).min(alignment.rows.len());
        let mut context =
            Self { rows: Vec::with_capacity(to - from), bytes: Vec::with_capacity((to - from) * TYPICAL_MESSAGE) };
        for at in from..to {
            let row = alignment.rows.at(at);
            let replayed = match (row.recorded, row.replayed) {
                _ if row.shape == Some(Shape::Awaited) => context.put_text(&describe_await(alignment)),
                _ if row.shape == Some(Shape::Moved) => context.put_text(&describe_move(alignment, at)),
                (Some(recorded), Some(replayed))
                    if row.shape.is_none() && reads_alike(alignment, recorded, replayed) =>
                {
                    StoredStep::Same
                }
                (_, replayed) => context.put(&alignment.replayed, replayed),
            };
            let recorded = context.put(&alignment.recorded, row.recorded);
            let index = row.recorded.map(|at| at as u32);
            context.rows.push(StoredRow { index, recorded, replayed, differs: at == divergence.row });
        }
        context
    }

    /// Adds the number of commands before this part of the journal to every index.
    pub(super) fn shift(&mut self, commands: usize) {
        for index in self.rows.iter_mut().filter_map(|row| row.index.as_mut()) {
            *index += commands as u32;
        }
    }

    fn put(&mut self, commands: &Commands<'_>, at: Option<usize>) -> StoredStep {
        let Some(at) = at else { return StoredStep::Nothing };
        match commands.message(at) {
            Some((kind, raw)) => {
                let from = self.end();
                protocol::without_payload(kind, raw, &mut self.bytes);
                StoredStep::Message(kind, from..self.end())
            }
            None => self.put_text(&describe(&commands[at])),
        }
    }

    fn put_text(&mut self, text: &str) -> StoredStep {
        let from = self.end();
        self.bytes.extend_from_slice(text.as_bytes());
        StoredStep::Text(from..self.end())
    }

    fn end(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("sources keep journals below 4 GiB")
    }

    /// The lines, from top to bottom.
    pub fn rows(&self) -> Vec<ContextRow> {
        self.rows
            .iter()
            .map(|row| {
                let recorded = self.text(&row.recorded);
                let replayed =
                    if row.replayed == StoredStep::Same { recorded.clone() } else { self.text(&row.replayed) };
                ContextRow { index: row.index.map(|at| at as usize), recorded, replayed, differs: row.differs }
            })
            .collect()
    }

    fn text(&self, step: &StoredStep) -> Option<String> {
        let bytes = |range: &Range<u32>| &self.bytes[range.start as usize..range.end as usize];
        match step {
            StoredStep::Nothing | StoredStep::Same => None,
            StoredStep::Text(range) => Some(String::from_utf8_lossy(bytes(range)).into_owned()),
            StoredStep::Message(kind, range) => Some(describe(&protocol::decode_or_bare(*kind, bytes(range)))),
        }
    }

    /// The line of the finding itself.
    pub fn finding(&self) -> Option<ContextRow> {
        self.rows().into_iter().find(|row| row.differs)
    }
}

/// Whether two commands that replay accepts as the same are certain to have the same description.
fn reads_alike(alignment: &Alignment<'_>, recorded: usize, replayed: usize) -> bool {
    alignment.both_are_entries(recorded, replayed)
        && alignment.recorded.kind(recorded) == alignment.replayed.kind(replayed)
}

/// The new position of a command that moved; the command itself is on the recorded side of the line.
pub(in crate::rules) fn describe_move(alignment: &Alignment<'_>, row: usize) -> String {
    match alignment.moved_before.get(&row) {
        Some(before) if *before < alignment.recorded.len() => format!("before command {before}"),
        _ => "after the last command".to_owned(),
    }
}

/// The await at which replay stops.
pub(in crate::rules) fn describe_await(alignment: &Alignment<'_>) -> String {
    let Some(added) = &alignment.added_await else { return "await".to_owned() };
    if let Some(run) = added.run.and_then(|at| alignment.recorded.get(at)) {
        let index = added.run.unwrap_or_default();
        return format!("await {} (command {index})", describe(run));
    }
    let awaited = &added.awaited;
    let completions = awaited.completions.iter().map(|id| format!("completion {id}"));
    let signals = awaited.signals.iter().map(|id| describe_signal(alignment.invocation, *id));
    let named = awaited.named_signals.iter().map(|name| format!("signal {name:?}"));
    format!("await {}", completions.chain(signals).chain(named).collect::<Vec<_>>().join(", "))
}

/// The signals from this one up are awakeables.
const FIRST_AWAKEABLE: u32 = 17;

/// A signal of the invocation: cancellation, an awakeable by its id, or any other by its number.
fn describe_signal(invocation: Option<[u8; 24]>, signal: u32) -> String {
    match (signal, invocation) {
        (1, _) => "cancellation".to_owned(),
        (FIRST_AWAKEABLE.., Some(invocation)) => {
            let id = URL_SAFE_NO_PAD.encode([&invocation[..], &signal.to_be_bytes()].concat());
            format!("awakeable sign_1{id}")
        }
        (FIRST_AWAKEABLE.., None) => format!("awakeable {signal}"),
        _ => format!("signal {signal}"),
    }
}
