//! The findings of one invocation as a block of text: each with its context, recorded beside replayed, its cause and
//! what to do.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::style::{BOLD, CYAN, DIM, RED, YELLOW};
use super::text::{number, pad, truncate_to_width, write_wrapped};
use super::{brief, escaped, words};
use crate::report::Invocation;
use crate::rules::{self, Cause, Change, ContextRow, Finding, Level};

/// The width of one side: two of them, the index and the mark fit into 100 columns.
const SIDE_WIDTH: usize = 42;

/// Findings of one invocation that are shown in full.
const MOST_FINDINGS: usize = 4;

/// Changes of one finding that are shown.
const MOST_CHANGES: usize = 8;

/// Lines of a text comparison that are shown.
const MOST_LINES: usize = 20;

/// Writes the findings that stop replay, in the order in which replay would meet them.
pub(super) fn write_findings(invocation: &Invocation, out: &mut dyn Write) -> io::Result<()> {
    let errors: Vec<&Finding> = invocation.errors().collect();
    for (at, finding) in errors.iter().take(MOST_FINDINGS).enumerate() {
        writeln!(out)?;
        write_finding(finding, invocation, at > 0, out)?;
    }
    if errors.len() > MOST_FINDINGS {
        writeln!(out, "\n  and {} more findings", number((errors.len() - MOST_FINDINGS) as u64))?;
    }
    Ok(())
}

/// The same text without colours.
pub(super) fn plain_findings(invocation: &Invocation) -> String {
    let mut plain = anstream::StripStream::new(Vec::new());
    write_findings(invocation, &mut plain).expect("a Vec takes everything");
    String::from_utf8(plain.into_inner()).expect("the renderer writes UTF-8")
}

fn write_finding(finding: &Finding, invocation: &Invocation, later: bool, out: &mut dyn Write) -> io::Result<()> {
    let then = if later { "then " } else { "" };
    let level = match finding.level {
        Level::Error => "",
        Level::Warn => " (a warning, by policy)",
        Level::Note => " (a note, by policy)",
        Level::Off => " (off, by policy)",
    };
    writeln!(
        out,
        "  {then}{BOLD}{}{BOLD:#}{level} at command {} of {}",
        finding.rule, finding.command_index, invocation.judgement.commands
    )?;
    write_columns(finding, out)?;
    let cause = match finding.cause {
        Cause::CodeChange => Some(
            "the code changed, or it reads a clock, the environment, memory or a database (two replays of the candidate agree)",
        ),
        Cause::NonDeterminism => Some("the candidate is not deterministic (two of its replays differ)"),
        Cause::Unknown => None,
    };
    if let Some(cause) = cause.filter(|_| !later) {
        write_wrapped("  cause: ", cause, out)?;
    }
    for hint in &finding.hints {
        writeln!(out, "  hint:  {}", brief(hint))?;
    }
    if let Some(rule) = rules::find(finding.rule).filter(|_| !later) {
        write_wrapped("  next:  ", &words::advice(rule, finding, invocation), out)?;
        writeln!(out, "         {CYAN}rehearse explain {}{CYAN:#}", rule.id)?;
    }
    Ok(())
}

/// Writes the context of a finding, recorded beside replayed, with its changes.
fn write_columns(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let rows = finding.context.rows();
    let width = rows
        .iter()
        .filter_map(|row| row.recorded.as_deref())
        .map(|text| escaped(text).width() + 3)
        .chain(finding.changes.iter().take(MOST_CHANGES).map(|change| sides(change).0.width() + 5))
        .max()
        .unwrap_or(0)
        .clamp(24, SIDE_WIDTH);
    let digits = rows.iter().filter_map(|row| row.index).max().map_or(0, |last| last.to_string().len() + 1).max(4);
    let steps = digits + 5;
    writeln!(out, "{:steps$}{DIM}{}{DIM:#}{DIM}replayed{DIM:#}", "", pad("recorded", width))?;
    for row in &rows {
        write_row(row, digits, width, out)?;
        if row.differs {
            write_changes(finding, steps + 2, width, out)?;
        }
    }
    if finding.agree_after > 0 {
        let verb = if finding.agree_after == 1 { "agrees" } else { "agree" };
        writeln!(
            out,
            "{:steps$}{DIM}{} more {verb}, up to the frontier{DIM:#}",
            "",
            number(finding.agree_after as u64)
        )?;
    }
    Ok(())
}

fn write_row(row: &ContextRow, digits: usize, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let style = if row.differs { RED } else { Style::new() };
    let mark = if row.differs { "≠" } else { " " };
    let index = row.index.map(|index| index.to_string()).unwrap_or_default();
    let side =
        |text: &Option<String>| text.as_deref().map_or_else(|| "—".to_owned(), |text| escaped(text).into_owned());
    let recorded = pad(&truncate_to_width(&side(&row.recorded), width - 2), width);
    writeln!(
        out,
        "  {style}{mark}{index:>digits$}  {recorded}{}{style:#}",
        truncate_to_width(&side(&row.replayed), SIDE_WIDTH)
    )
}

fn write_changes(finding: &Finding, indent: usize, width: usize, out: &mut dyn Write) -> io::Result<()> {
    for change in finding.changes.iter().take(MOST_CHANGES) {
        let (recorded, replayed) = sides(change);
        let (recorded, replayed) =
            (pad(&truncate_to_width(&recorded, width - 3), width), truncate_to_width(&replayed, SIDE_WIDTH));
        writeln!(out, "{:indent$}{YELLOW}{recorded}{replayed}{YELLOW:#}", "")?;
        for line in change.lines.iter().flat_map(|lines| lines.lines()).take(MOST_LINES) {
            writeln!(out, "{:indent$}  {}", "", truncate_to_width(&escaped(line), 2 * SIDE_WIDTH))?;
        }
    }
    if finding.changes.len() > MOST_CHANGES {
        writeln!(out, "{:indent$}and {} more places", "", number((finding.changes.len() - MOST_CHANGES) as u64))?;
    }
    Ok(())
}

/// The path of a change with its value, for each side.
fn sides(change: &Change) -> (String, String) {
    let path = escaped(&change.path);
    let room = SIDE_WIDTH.saturating_sub(path.width() + 5);
    let (recorded, replayed) = words::values(change, room);
    (format!("{path}: {recorded}"), format!("{path}: {replayed}"))
}
