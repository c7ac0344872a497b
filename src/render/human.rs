//! `human`: what a person reads at 3 a.m. Groups of one cause, each with one invocation shown in full.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Render, brief, escaped, words};
use crate::policy::AcceptanceState;
use crate::policy::gate::{Outcome, Reason};
use crate::report::{Group, Invocation, Report, Verdict};
use crate::rules::{self, Cause, Change, ContextRow, Finding, Level};
use crate::source::Ids;

/// For a terminal, or a log. Styles are written always; the stream drops them where they do not belong.
#[derive(Debug, Default)]
pub struct Human {
    /// Whether every invocation gets a line of its own.
    pub verbose: bool,
}

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const RED: Style = AnsiColor::Red.on_default().bold();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const CYAN: Style = AnsiColor::Cyan.on_default();

/// A column's width: two of them, the index and the mark fit in 100 columns.
const WIDTH: usize = 42;

/// Findings of one invocation that are shown in full.
const SHOWN: usize = 4;

/// Changes of one finding that are shown.
const CHANGES: usize = 8;

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

/// What stops replay, one finding after the other.
pub(super) fn write_findings(invocation: &Invocation, out: &mut dyn Write) -> io::Result<()> {
    let errors: Vec<&Finding> = invocation.errors().collect();
    for (at, finding) in errors.iter().take(SHOWN).enumerate() {
        writeln!(out)?;
        write_finding(finding, invocation, at > 0, out)?;
    }
    if errors.len() > SHOWN {
        writeln!(out, "\n  and {} findings more", number(errors.len() - SHOWN))?;
    }
    Ok(())
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
        writeln!(out, "\n  {BOLD}{} more like it{BOLD:#}:", number_u64(more))?;
        for name in named {
            writeln!(out, "    {name}")?;
        }
        if rest > 0 {
            writeln!(out, "    and {} others", number_u64(rest))?;
        }
    }
    Ok(())
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
        Cause::CodeChange => Some("the code changed (two replays of the candidate agree)"),
        Cause::NonDeterminism => Some("the candidate is not deterministic (two of its replays differ)"),
        Cause::Unknown => None,
    };
    if let Some(cause) = cause.filter(|_| !later) {
        writeln!(out, "  cause: {cause}")?;
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

/// The finding among its neighbours, recorded beside replayed.
fn write_columns(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let rows = finding.context.rows();
    let width = rows
        .iter()
        .filter_map(|row| row.recorded.as_deref())
        .map(|text| escaped(text).width() + 3)
        .chain(finding.changes.iter().take(CHANGES).map(|change| sides(change).0.width() + 5))
        .max()
        .unwrap_or(0)
        .clamp(24, WIDTH);
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
        writeln!(out, "{:steps$}{DIM}{} more {verb}, up to the frontier{DIM:#}", "", number(finding.agree_after))?;
    }
    Ok(())
}

fn write_row(row: &ContextRow, digits: usize, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let style = if row.differs { RED } else { Style::new() };
    let mark = if row.differs { "≠" } else { " " };
    let index = row.index.map(|index| index.to_string()).unwrap_or_default();
    let side =
        |text: &Option<String>| text.as_deref().map_or_else(|| "—".to_owned(), |text| escaped(text).into_owned());
    let recorded = pad(&cut(&side(&row.recorded), width - 2), width);
    writeln!(out, "  {style}{mark}{index:>digits$}  {recorded}{}{style:#}", cut(&side(&row.replayed), WIDTH))
}

fn write_changes(finding: &Finding, indent: usize, width: usize, out: &mut dyn Write) -> io::Result<()> {
    for change in finding.changes.iter().take(CHANGES) {
        let (recorded, replayed) = sides(change);
        let (recorded, replayed) = (pad(&cut(&recorded, width - 3), width), cut(&replayed, WIDTH));
        writeln!(out, "{:indent$}{YELLOW}{recorded}{replayed}{YELLOW:#}", "")?;
        for line in change.lines.iter().flat_map(|lines| lines.lines()).take(20) {
            writeln!(out, "{:indent$}  {}", "", cut(&escaped(line), 2 * WIDTH))?;
        }
    }
    if finding.changes.len() > CHANGES {
        writeln!(out, "{:indent$}and {} more places", "", number(finding.changes.len() - CHANGES))?;
    }
    Ok(())
}

/// A differing place with its value on both sides.
fn sides(change: &Change) -> (String, String) {
    let path = escaped(&change.path);
    let room = WIDTH.saturating_sub(path.width() + 5);
    let (recorded, replayed) = words::values(change, room);
    (format!("{path}: {recorded}"), format!("{path}: {replayed}"))
}

fn write_notes(report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
    for (rule, (count, example)) in &report.notes {
        let places: Vec<&Finding> = example.notes().filter(|note| note.rule == *rule).collect();
        let Some(first) = places.first() else { continue };
        let invocations =
            if *count == 1 { "1 invocation".to_owned() } else { format!("{} invocations", number_u64(*count)) };
        write!(out, "{CYAN}note{CYAN:#}  {BOLD}{rule}{BOLD:#} in {invocations}, first ")?;
        if let Some(target) = example.info.target() {
            write!(out, "{}, ", brief(&target))?;
        }
        write!(out, "{}, at command {}", brief(ids.id(example.order).as_str()), first.command_index)?;
        if let Some(change) = first.changes.first() {
            write!(out, "\n      {}", shifted(change))?;
        }
        writeln!(out, "\n      does not stop replay; {CYAN}rehearse explain {rule}{CYAN:#}\n")?;
    }
    Ok(())
}

/// How far apart two times are: a trace made later has later times, with the same delay.
fn shifted(change: &Change) -> String {
    let time = |value: &Option<Value>| value.as_ref().and_then(Value::as_i64).unwrap_or(0);
    let (recorded, replayed) = (time(&change.recorded), time(&change.replayed));
    let path = escaped(&change.path);
    if recorded == 0 || replayed == 0 {
        let side = |time: i64| if time == 0 { "none".to_owned() } else { format!("{time} ms") };
        return format!("{path}: {} → {}", side(recorded), side(replayed));
    }
    let seconds = (i128::from(replayed) - i128::from(recorded)) as f64 / 1000.0;
    format!("{path} differs by {seconds:+.1} s (a trace made later than the recording has later times all the same)")
}

fn write_summary(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let summary = &report.summary;
    if summary.checked == 0 {
        return writeln!(out, "{YELLOW}nothing was checked{YELLOW:#}: no journal was found, or none was selected");
    }
    let noun = if summary.checked == 1 { "invocation" } else { "invocations" };
    write!(out, "{BOLD}{} {noun}{BOLD:#}: ", number_u64(summary.checked))?;
    let groups = report.groups();
    let mut separator = "";
    for verdict in [Verdict::Compatible, Verdict::Mismatch, Verdict::Failed, Verdict::Inconclusive] {
        let count = summary.of(verdict);
        if count == 0 {
            continue;
        }
        let style = style_of(verdict);
        write!(out, "{separator}{style}{} {}{style:#}", number_u64(count), verdict.name())?;
        let causes = groups.iter().filter(|group| group.verdict == verdict).count();
        if causes > 0 && count > 1 {
            write!(out, " ({} {})", number(causes), if causes == 1 { "cause" } else { "causes" })?;
        }
        if verdict == Verdict::Mismatch && summary.excused > 0 {
            write!(out, ", {} of them excused", number_u64(summary.excused))?;
        }
        separator = ", ";
    }
    writeln!(out)?;
    let mut covered: Vec<String> = report
        .coverage
        .iter()
        .take(20)
        .map(|(name, covered)| {
            let journals = if covered.journals == 1 { "journal" } else { "journals" };
            let paths = if covered.paths() == 1 { "path" } else { "distinct paths" };
            format!(
                "{} ({} {journals}, {} {paths})",
                words::handler(name),
                number_u64(covered.journals),
                number(covered.paths())
            )
        })
        .collect();
    if report.coverage.len() > 20 {
        covered.push(format!("and {} handlers more", number(report.coverage.len() - 20)));
    }
    if covered.is_empty() {
        covered.push("nothing".to_owned());
    }
    write_wrapped("covered: ", &covered.join(", "), out)
}

/// Handlers that are listed by name.
const HANDLERS: usize = 40;

fn write_not_covered(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut names: Vec<String> =
        report.not_covered().map(|(service, handler)| escaped(&format!("{service}/{handler}")).into_owned()).collect();
    if names.is_empty() {
        return Ok(());
    }
    if names.len() > HANDLERS {
        let more = names.len() - HANDLERS;
        names.truncate(HANDLERS);
        names.push(format!("and {} handlers more", number(more)));
    }
    write_wrapped("not covered: ", &names.join(", "), out)
}

/// Acceptances that need someone's attention.
fn write_acceptances(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for (acceptance, state) in &report.acceptances {
        let what = match state {
            AcceptanceState::Used { .. } => continue,
            AcceptanceState::Unused => "is unused: nothing has its fingerprint, so it can be deleted".to_owned(),
            AcceptanceState::Expired { on } => {
                let on = match on {
                    0 => "nothing has its fingerprint any more".to_owned(),
                    on => format!("{} with its fingerprint", words::count(*on, "finding")),
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

/// What the run is held to, where that is more than what the numbers above say.
fn write_gate(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if let Some(proofs) = &report.proofs {
        let shown = format!(
            "a divergence was injected into {}; {} caught, {} would have failed the run",
            words::count(proofs.injected, "trace"),
            number_u64(proofs.caught),
            number_u64(proofs.stopped),
        );
        write_wrapped("proof: ", &shown, out)?;
    }
    let gate = &report.gate;
    let plain = |reason: &&Reason| matches!(reason, Reason::NothingChecked | Reason::Inconclusive(_));
    for reason in gate.undecided.iter().filter(|reason| !plain(reason)) {
        writeln!(out, "{YELLOW}undecided{YELLOW:#}: {reason}")?;
    }
    if gate.report_only && gate.outcome() != Outcome::Passed {
        writeln!(out, "report only: this run would not have passed")?;
    }
    Ok(())
}

/// Text behind a label, broken at spaces, further lines under the first.
pub(super) fn write_wrapped(label: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let indent = " ".repeat(label.width());
    let mut line = label.to_owned();
    for word in text.split(' ') {
        if line.width() + word.width() > 98 && line.trim() != label.trim() {
            writeln!(out, "{}", line.trim_end())?;
            line.clone_from(&indent);
        }
        line.push_str(word);
        line.push(' ');
    }
    writeln!(out, "{}", line.trim_end())
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// At most `width` columns, with an ellipsis where something was cut off.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut columns = 0;
    let kept: String = text
        .chars()
        .take_while(|c| {
            columns += c.width().unwrap_or(0);
            columns < width
        })
        .collect();
    kept + "…"
}

fn number(count: usize) -> String {
    number_u64(count as u64)
}

/// `1,204`.
pub(super) fn number_u64(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!(number_u64(7), "7");
        assert_eq!(number_u64(1204), "1,204");
        assert_eq!(number_u64(1_000_000), "1,000,000");
    }

    #[test]
    fn long_text_is_cut_to_its_columns() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert!(cut("日本語テキスト", 6).width() <= 6);
    }
}
