//! A finding among its neighbours: the lines above and below it, recorded beside replayed.
//!
//! Most findings are counted and never looked at, so the lines are kept as messages (without their payloads, in one
//! run of bytes) until someone does.

use std::ops::Range;

use crate::diff::{Alignment, Commands, Divergence, Shape};
use crate::journal::{CommandKind, describe};
use crate::protocol;

/// Neighbours shown above and below a finding.
pub(super) const CONTEXT: usize = 2;

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
    messages: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    index: Option<usize>,
    recorded: Step,
    replayed: Step,
    differs: bool,
}

/// What one side does in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    /// What is recorded there.
    Same,
    /// A command, and where its message is.
    Message(CommandKind, Range<usize>),
    Text(Box<str>),
}

impl Context {
    pub(super) fn of(alignment: &Alignment<'_>, divergence: &Divergence) -> Self {
        let from = divergence.row.saturating_sub(CONTEXT);
        let to = (divergence.row + CONTEXT + 1).min(alignment.rows.len());
        let mut context = Self { rows: Vec::with_capacity(to - from), messages: Vec::with_capacity(256) };
        for (at, row) in (from..to).zip(&alignment.rows[from..to]) {
            let replayed = match (row.recorded, row.replayed) {
                _ if row.shape == Some(Shape::Awaited) => Step::Text(describe_await(alignment).into()),
                (Some(recorded), Some(replayed))
                    if at != divergence.row
                        && alignment.recorded.same_bytes(recorded, &alignment.replayed, replayed) =>
                {
                    Step::Same
                }
                (_, replayed) => context.step(&alignment.replayed, replayed),
            };
            let recorded = context.step(&alignment.recorded, row.recorded);
            context.rows.push(Row { index: row.recorded, recorded, replayed, differs: at == divergence.row });
        }
        context
    }

    fn step(&mut self, commands: &Commands<'_>, at: Option<usize>) -> Step {
        let Some(at) = at else { return Step::Nothing };
        match commands.message(at) {
            Some((kind, raw)) => {
                let from = self.messages.len();
                protocol::without_payload(kind, raw, &mut self.messages);
                Step::Message(kind, from..self.messages.len())
            }
            None => Step::Text(describe(&commands[at]).into()),
        }
    }

    /// The lines, from top to bottom.
    pub fn rows(&self) -> Vec<ContextRow> {
        self.rows
            .iter()
            .map(|row| {
                let recorded = self.text(&row.recorded);
                let replayed = if row.replayed == Step::Same { recorded.clone() } else { self.text(&row.replayed) };
                ContextRow { index: row.index, recorded, replayed, differs: row.differs }
            })
            .collect()
    }

    fn text(&self, step: &Step) -> Option<String> {
        match step {
            Step::Nothing | Step::Same => None,
            Step::Text(text) => Some(text.to_string()),
            Step::Message(kind, range) => {
                Some(describe(&protocol::decode_or_bare(*kind, &self.messages[range.clone()])))
            }
        }
    }

    /// The line that is the finding.
    pub fn finding(&self) -> Option<ContextRow> {
        let row = self.rows.iter().find(|row| row.differs)?;
        let (recorded, replayed) = (self.text(&row.recorded), self.text(&row.replayed));
        Some(ContextRow { index: row.index, recorded, replayed, differs: true })
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
