//! The `human` format: invocations grouped by cause, with one of each group in full, for a terminal or a log.

use std::io::{self, Write};

use anstyle::Style;
use serde_json::Value;

use super::findings::write_findings;
use super::style::{BOLD, CYAN, DIM, GREEN, RED, YELLOW};
use super::text::{count, number, write_wrapped};
use super::{Render, brief, escaped, words};
use crate::policy::AcceptanceState;
use crate::policy::gate::{GateOutcome, Reason};
use crate::report::{Group, Invocation, Report, Verdict};
use crate::rules::{Change, Finding};
use crate::source::Ids;

/// The renderer of the `human` format.
#[derive(Debug, Default)]
pub struct Human {
    /// Whether every invocation also gets a line of its own.
    pub verbose: bool,
}

impl Render for Human {
    fn invocation(&mut self, invocation: &Invocation, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        if self.verbose {
            write_heading(invocation, ids, out)?;
        }
        Ok(())
    }

    fn finish(&mut self, report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        if self.verbose && report.summary.checked > 0 {
            writeln!(out)?;
        }
        for group in report.groups() {
            write_group(group, ids, out)?;
        }
        write_notes(report, ids, out)?;
        write_acceptances(report, out)?;
        write_summary(report, out)?;
        write_not_covered(report, out)?;
        write_gate(report, out)
    }
}

fn style_of(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Compatible => GREEN,
        Verdict::Mismatch | Verdict::Failed => RED,
        Verdict::Inconclusive => YELLOW,
    }
}

fn write_heading(invocation: &Invocation, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
    let style = style_of(invocation.judgement.verdict);
    write!(out, "{style}{}{style:#}", invocation.judgement.verdict.name())?;
    if invocation.excused() {
        write!(out, " {DIM}(excused){DIM:#}")?;
    }
    if let Some(target) = invocation.info.target() {
        write!(out, "  {BOLD}{}{BOLD:#}", brief(&target))?;
    }
    write!(out, "  {}", brief(ids.id(invocation.order).as_str()))?;
    if let Some(deployment) = &invocation.info.deployment {
        write!(out, "  {DIM}{}{DIM:#}", brief(deployment))?;
    }
    writeln!(out)
}

fn write_group(group: &Group, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
    let example = &group.example;
    write_heading(example, ids, out)?;
    if let Some(reason) = &example.judgement.reason {
        writeln!(out, "  {}", brief(reason))?;
    }
    if group.excused {
        write_wrapped("  excused: ", &words::excuses(example), out)?;
    }
    write_findings(example, out)?;
    write_others(group, ids, out)?;
    writeln!(out)
}

fn write_others(group: &Group, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
    if group.count > 1 {
        let named: Vec<String> = group
            .others
            .iter()
            .map(|(order, target)| {
                let id = ids.id(*order);
                target.as_deref().map_or_else(
                    || brief(id.as_str()).into_owned(),
                    |target| format!("{} {}", brief(target), brief(id.as_str())),
                )
            })
            .collect();
        let more = group.count - 1;
        let rest = more - named.len() as u64;
        writeln!(out, "\n  {BOLD}{} more like it{BOLD:#}:", number(more))?;
        for name in named {
            writeln!(out, "    {name}")?;
        }
        if rest > 0 {
            writeln!(out, "    and {} others", number(rest))?;
        }
    }
    Ok(())
}

fn write_notes(report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
    for (rule, (count, example)) in &report.notes {
        let places: Vec<&Finding> = example.notes().filter(|note| note.rule == *rule).collect();
        let Some(first) = places.first() else { continue };
        let invocations =
            if *count == 1 { "1 invocation".to_owned() } else { format!("{} invocations", number(*count)) };
        write!(out, "{CYAN}note{CYAN:#}  {BOLD}{rule}{BOLD:#} in {invocations}, first ")?;
        if let Some(target) = example.info.target() {
            write!(out, "{}, ", brief(&target))?;
        }
        write!(out, "{}, at command {}", brief(ids.id(example.order).as_str()), first.command_index)?;
        if let Some(change) = first.changes.first() {
            write!(out, "\n      {}", time_difference(change))?;
        }
        writeln!(out, "\n      does not stop replay; {CYAN}rehearse explain {rule}{CYAN:#}\n")?;
    }
    Ok(())
}

/// By how much two times differ.
fn time_difference(change: &Change) -> String {
    let time = |value: &Option<Value>| value.as_ref().and_then(Value::as_i64).unwrap_or(0);
    let (recorded, replayed) = (time(&change.recorded), time(&change.replayed));
    let path = escaped(&change.path);
    if recorded == 0 || replayed == 0 {
        let side = |time: i64| if time == 0 { "none".to_owned() } else { format!("{time} ms") };
        return format!("{path}: {} → {}", side(recorded), side(replayed));
    }
    let seconds = (i128::from(replayed) - i128::from(recorded)) as f64 / 1000.0;
    format!(
        "{path} differs by {seconds:+.1} s (a trace made later than the recording has later times even where the code is the same)"
    )
}

/// Covered handlers that are listed by name.
const MOST_COVERED: usize = 20;

fn write_summary(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let summary = &report.summary;
    if summary.checked == 0 {
        return writeln!(out, "{YELLOW}nothing was checked{YELLOW:#}: no journal was found, or none was selected");
    }
    let noun = if summary.checked == 1 { "invocation" } else { "invocations" };
    write!(out, "{BOLD}{} {noun}{BOLD:#}: ", number(summary.checked))?;
    let groups = report.groups();
    let mut separator = "";
    for verdict in [Verdict::Compatible, Verdict::Mismatch, Verdict::Failed, Verdict::Inconclusive] {
        let count = summary.of(verdict);
        if count == 0 {
            continue;
        }
        let style = style_of(verdict);
        write!(out, "{separator}{style}{} {}{style:#}", number(count), verdict.name())?;
        let causes = groups.iter().filter(|group| group.verdict == verdict).count();
        if causes > 0 && count > 1 {
            write!(out, " ({} {})", number(causes as u64), if causes == 1 { "cause" } else { "causes" })?;
        }
        if verdict == Verdict::Mismatch && summary.excused > 0 {
            write!(out, ", {} of them excused", number(summary.excused))?;
        }
        separator = ", ";
    }
    writeln!(out)?;
    let mut covered: Vec<String> = report
        .coverage
        .iter()
        .take(MOST_COVERED)
        .map(|(name, covered)| {
            let journals = if covered.journals == 1 { "journal" } else { "journals" };
            let paths = if covered.paths() == 1 { "path" } else { "distinct paths" };
            format!(
                "{} ({} {journals}, {} {paths})",
                words::handler(name),
                number(covered.journals),
                number(covered.paths() as u64)
            )
        })
        .collect();
    if report.coverage.len() > MOST_COVERED {
        covered.push(format!("and {} more handlers", number((report.coverage.len() - MOST_COVERED) as u64)));
    }
    if covered.is_empty() {
        covered.push("nothing".to_owned());
    }
    write_wrapped("covered: ", &covered.join(", "), out)
}

/// Handlers without a journal that are listed by name.
const MOST_NOT_COVERED: usize = 40;

fn write_not_covered(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut names: Vec<String> =
        report.not_covered().map(|(service, handler)| escaped(&format!("{service}/{handler}")).into_owned()).collect();
    if names.is_empty() {
        return Ok(());
    }
    if names.len() > MOST_NOT_COVERED {
        let more = names.len() - MOST_NOT_COVERED;
        names.truncate(MOST_NOT_COVERED);
        names.push(format!("and {} more handlers", number(more as u64)));
    }
    write_wrapped("not covered: ", &names.join(", "), out)
}

/// Acceptances that a person should look at: unused and expired ones.
fn write_acceptances(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for (acceptance, state) in &report.acceptances {
        let what = match state {
            AcceptanceState::Used { .. } => continue,
            AcceptanceState::Unused => "is unused: no finding has its fingerprint, so it can be deleted".to_owned(),
            AcceptanceState::Expired { on } => {
                let on = match on {
                    0 => "no finding has its fingerprint any more".to_owned(),
                    on => format!("{} with its fingerprint", count(*on, "finding")),
                };
                format!("has expired{}; {on}", acceptance.expires.map(|day| format!(" on {day}")).unwrap_or_default())
            }
        };
        let about = acceptance.target.as_deref().map(|target| format!(" ({})", escaped(target))).unwrap_or_default();
        let author = escaped(&acceptance.author).into_owned();
        let text = format!("{}{about}, accepted by {author}, {what}", acceptance.fingerprint);
        write_wrapped("acceptance  ", &text, out)?;
    }
    if report.acceptances.iter().any(|(_, state)| !matches!(state, AcceptanceState::Used { .. })) {
        writeln!(out)?;
    }
    Ok(())
}

/// The decisions of the gate that the summary does not already show.
fn write_gate(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if let Some(proofs) = &report.proofs {
        let shown = format!(
            "a divergence was injected into {}: {} caught, {} would have failed the run",
            count(proofs.injected, "trace"),
            number(proofs.caught),
            number(proofs.stopped),
        );
        write_wrapped("proof: ", &shown, out)?;
    }
    let gate = &report.gate;
    let plain = |reason: &&Reason| matches!(reason, Reason::NothingChecked | Reason::Inconclusive(_));
    for reason in gate.undecided.iter().filter(|reason| !plain(reason)) {
        writeln!(out, "{YELLOW}undecided{YELLOW:#}: {reason}")?;
    }
    if gate.report_only && gate.outcome() != GateOutcome::Passed {
        writeln!(out, "report only: otherwise this run would not have passed")?;
    }
    Ok(())
}
