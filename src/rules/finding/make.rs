//! The findings of an alignment: one rule judges each divergence.

use super::changes::{Changes, changes_of};
use super::context::{Context, NEIGHBOURS};
use super::fingerprint::Fingerprint;
use super::hints::hints;
use super::notes::Notes;
use super::redaction::{CommandShown, Redaction, show};
use super::{Cause, Change, Finding, PartOffset};
use crate::diff::{Alignment, Divergence, Shape};
use crate::journal::{Command, Compared, InvocationInfo};
use crate::rules::{DivergenceView, Level, Rule, judge, notes};

/// Makes the findings of one invocation.
#[derive(Clone, Debug)]
pub struct Findings {
    service: String,
    handler: String,
    redaction: Redaction,
    cause: Cause,
    seeds: Vec<u64>,
}

impl Findings {
    pub fn of_invocation(info: &InvocationInfo, redaction: Redaction, cause: Cause) -> Self {
        let (service, handler) = info.service_and_handler().unwrap_or_default();
        Self { service, handler, redaction, cause, seeds: Vec::new() }
    }

    /// The random seeds that the invocation may have, so that values from `ctx.rand` are recognised.
    pub fn with_seeds(mut self, seeds: Vec<u64>) -> Self {
        self.seeds = seeds;
        self
    }

    /// Errors in the order in which replay would meet them, then notes.
    pub fn of(&self, alignment: &Alignment<'_>) -> Vec<Finding> {
        let error = |divergence: &Divergence| {
            let recorded = divergence.recorded.map(|at| &alignment.recorded[at]);
            let replayed = divergence.replayed.map(|at| &alignment.replayed[at]);
            let view = view(divergence.shape, recorded, replayed);
            self.finding(judge(&view), &view, alignment, divergence)
        };
        let mut findings: Vec<Finding> = alignment.divergences().iter().map(error).collect();
        let mut notes = Notes::default();
        self.add_notes(alignment, PartOffset::default(), &mut notes);
        findings.extend(notes.listed());
        findings
    }

    /// Adds the notes on a part of a journal to the notes on the parts before it.
    pub fn add_notes(&self, alignment: &Alignment<'_>, part: PartOffset, listed: &mut Notes) {
        for (row, line) in alignment.rows.iter().enumerate() {
            let (None, Some(recorded), Some(replayed)) = (line.shape, line.recorded, line.replayed) else { continue };
            if !alignment.may_have_notes(recorded, replayed) {
                continue;
            }
            let (shape, command_index) = (Shape::Changed, recorded);
            let divergence =
                Divergence { shape, command_index, recorded: Some(recorded), replayed: Some(replayed), row };
            let (recorded, replayed) = (alignment.recorded.read(recorded), alignment.replayed.read(replayed));
            let view = view(shape, Some(&recorded), Some(&replayed));
            for rule in notes(&view) {
                listed.add(self.finding(rule, &view, alignment, &divergence).in_journal(part));
            }
        }
    }

    fn finding(
        &self,
        rule: &'static Rule,
        view: &DivergenceView<'_>,
        alignment: &Alignment<'_>,
        divergence: &Divergence,
    ) -> Finding {
        let mut found = Changes::default();
        // Most findings have one change.
        found.changes.reserve_exact(1);
        for difference in view.differences.iter().filter(|difference| match rule.level {
            Level::Note => difference.field.compared == Compared::Timing,
            // Completion ids shift after an added or removed command. They are a finding only where nothing else
            // differs.
            Level::Error | Level::Warn | Level::Off => {
                difference.field.compared == Compared::Always
                    || (difference.field.compared == Compared::CompletionId && by_id_alone(view))
            }
        }) {
            changes_of(difference, &mut found);
        }
        let hints = hints(&found, &self.seeds);
        let mut changes = found.changes;
        let mut fingerprint = Fingerprint::of(rule, &self.service, &self.handler);
        fingerprint.steps(view);
        fingerprint.paths(&changes);
        changes.iter_mut().for_each(|change| show(change, self.redaction));
        let neighbours = if rule.level == Level::Note { 0 } else { NEIGHBOURS };
        let command = |commands, at: Option<usize>| at.map(|at| CommandShown::of(commands, at, self.redaction));
        Finding {
            rule: rule.id,
            level: rule.level,
            command_index: divergence.command_index,
            entry_index: alignment.recorded.entry_index(divergence.command_index),
            cause: if rule.level == Level::Note { Cause::Unknown } else { self.cause },
            recorded: command(&alignment.recorded, divergence.recorded),
            replayed: command(&alignment.replayed, divergence.replayed),
            changes,
            hints,
            fingerprint: fingerprint.text(),
            more: 0,
            agree_after: agreeing_from(alignment, divergence.row + neighbours + 1),
            excuse: None,
            context: Context::of(alignment, divergence, neighbours),
        }
    }

    /// A finding about the deployment's manifest: no command differs, but the manifest lacks or changes something that
    /// every command needs.
    pub fn of_deployment(&self, rule: &'static Rule, path: &str, recorded: &str, replayed: Option<&str>) -> Finding {
        let mut change = Change {
            path: path.to_owned(),
            recorded: Some(recorded.into()),
            replayed: replayed.map(Into::into),
            lines: None,
        };
        show(&mut change, self.redaction);
        Finding {
            rule: rule.id,
            level: rule.level,
            command_index: 0,
            entry_index: Some(0),
            cause: self.cause,
            recorded: None,
            replayed: None,
            changes: vec![change],
            hints: Vec::new(),
            fingerprint: Fingerprint::of(rule, &self.service, &self.handler).text(),
            more: 0,
            excuse: None,
            context: Context::default(),
            agree_after: 0,
        }
    }
}

fn view<'a>(shape: Shape, recorded: Option<&'a Command>, replayed: Option<&'a Command>) -> DivergenceView<'a> {
    let differences = match (recorded, replayed, shape) {
        (Some(recorded), Some(replayed), Shape::Changed) => recorded.differences(replayed),
        _ => Vec::new(),
    };
    DivergenceView { shape, recorded, replayed, differences }
}

/// Whether completion ids are the only compared fields that differ.
fn by_id_alone(view: &DivergenceView<'_>) -> bool {
    view.differences.iter().all(|difference| difference.field.compared != Compared::Always)
}

/// How many rows agree from this row to the end.
fn agreeing_from(alignment: &Alignment<'_>, row: usize) -> usize {
    let differing = alignment.differing.len() - alignment.differing.partition_point(|at| *at < row);
    alignment.rows.len().saturating_sub(row) - differing
}
