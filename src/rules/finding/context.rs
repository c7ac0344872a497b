//! A finding among its neighbours: the lines above and below it, recorded beside replayed.
//!
//! Most findings are counted and never looked at, so the lines are kept as messages (without their payloads, in one
//! run of bytes) until someone does.

use std::ops::Range;

use crate::diff::{Alignment, Commands, Divergence, Shape};
use crate::journal::{CommandKind, describe};
use crate::protocol;

/// Neighbours shown above and below what stops replay; notes are not shown among theirs.
pub(super) const NEIGHBOURS: usize = 2;

/// One line of the two sides beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextRow {
    pub index: Option<usize>,
    pub recorded: Option<String>,
    pub replayed: Option<String>,
    /// Whether this row is the finding.
    pub differs: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    rows: Vec<Row>,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    index: Option<u32>,
    recorded: Step,
    replayed: Step,
    differs: bool,
}

/// What one side does in a line, with where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    /// What is recorded there.
    Same,
    /// A command's message.
    Message(CommandKind, Range<u32>),
    Text(Range<u32>),
}

/// Room for the messages of few bytes that most commands have, payloads left out.
const MESSAGE: usize = 32;

impl Context {
    pub(super) fn of(alignment: &Alignment<'_>, divergence: &Divergence, neighbours: usize) -> Self {
        let from = divergence.row.saturating_sub(neighbours);
        let to = (divergence.row + neighbours + 1).min(alignment.rows.len());
        let mut context =
            Self { rows: Vec::with_capacity(to - from), bytes: Vec::with_capacity((to - from) * MESSAGE) };
        for at in from..to {
            let row = alignment.rows.at(at);
            let replayed = match (row.recorded, row.replayed) {
                _ if row.shape == Some(Shape::Awaited) => context.put_text(&describe_await(alignment)),
                _ if row.shape == Some(Shape::Moved) => context.put_text(&describe_move(alignment, at)),
                (Some(recorded), Some(replayed))
                    if row.shape.is_none() && reads_alike(alignment, recorded, replayed) =>
                {
                    Step::Same
                }
                (_, replayed) => context.put(&alignment.replayed, replayed),
            };
            let recorded = context.put(&alignment.recorded, row.recorded);
            let index = row.recorded.map(|at| at as u32);
            context.rows.push(Row { index, recorded, replayed, differs: at == divergence.row });
        }
        context
    }

    /// Moves it behind so many commands.
    pub(super) fn stands_behind(&mut self, commands: usize) {
        for index in self.rows.iter_mut().filter_map(|row| row.index.as_mut()) {
            *index += commands as u32;
        }
    }

    fn put(&mut self, commands: &Commands<'_>, at: Option<usize>) -> Step {
        let Some(at) = at else { return Step::Nothing };
        match commands.message(at) {
            Some((kind, raw)) => {
                let from = self.end();
                protocol::without_payload(kind, raw, &mut self.bytes);
                Step::Message(kind, from..self.end())
            }
            None => self.put_text(&describe(&commands[at])),
        }
    }

    fn put_text(&mut self, text: &str) -> Step {
        let from = self.end();
        self.bytes.extend_from_slice(text.as_bytes());
        Step::Text(from..self.end())
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
                let replayed = if row.replayed == Step::Same { recorded.clone() } else { self.text(&row.replayed) };
                ContextRow { index: row.index.map(|at| at as usize), recorded, replayed, differs: row.differs }
            })
            .collect()
    }

    fn text(&self, step: &Step) -> Option<String> {
        let bytes = |range: &Range<u32>| &self.bytes[range.start as usize..range.end as usize];
        match step {
            Step::Nothing | Step::Same => None,
            Step::Text(range) => Some(String::from_utf8_lossy(bytes(range)).into_owned()),
            Step::Message(kind, range) => Some(describe(&protocol::decode_or_bare(*kind, bytes(range)))),
        }
    }

    /// The line that is the finding.
    pub fn finding(&self) -> Option<ContextRow> {
        self.rows().into_iter().find(|row| row.differs)
    }
}

/// Whether two commands that replay as one are certain to be described by the same words.
fn reads_alike(alignment: &Alignment<'_>, recorded: usize, replayed: usize) -> bool {
    alignment.both_are_entries(recorded, replayed)
        && alignment.recorded.kind(recorded) == alignment.replayed.kind(replayed)
}

/// Where the command of a row that moved is now: the command itself stands beside it.
pub(in crate::rules) fn describe_move(alignment: &Alignment<'_>, row: usize) -> String {
    match alignment.moved_before.get(&row) {
        Some(before) if *before < alignment.recorded.len() => format!("before command {before}"),
        _ => "behind the last command".to_owned(),
    }
}

pub(in crate::rules) fn describe_await(alignment: &Alignment<'_>) -> String {
    let Some(added) = &alignment.added_await else { return "await".to_owned() };
    if let Some(run) = added.run.and_then(|at| alignment.recorded.get(at)) {
        let index = added.run.unwrap_or_default();
        return format!("await {} (command {index})", describe(run));
    }
    let awaited = &added.awaited;
    let completions = awaited.completions.iter().map(|id| format!("completion {id}"));
    let signals = awaited.signals.iter().map(|id| format!("signal {id}"));
    let named = awaited.named_signals.iter().map(|name| format!("signal {name:?}"));
    format!("await {}", completions.chain(signals).chain(named).collect::<Vec<_>>().join(", "))
}
