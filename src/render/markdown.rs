//! The `markdown` format: for a comment on a pull request, or the summary of a CI step. It is limited in length, and
//! starts with the worst groups.

use std::io::{self, Write};

use super::findings::plain_findings;
use super::text::{count, number, push_line, truncate};
use super::{Render, brief, escaped, words};
use crate::policy::gate::GateOutcome;
use crate::report::{Group, Invocation, Report, Verdict};
use crate::source::Ids;

/// Bytes for the groups. GitHub accepts comments of 65,536 characters, and the text around the groups must fit as well.
const MOST_BYTES: usize = 56_000;

/// Bytes for one group, so that it does not crowd out the others.
const MOST_OF_ONE: usize = 8_000;

/// Handlers that are listed by name.
const MOST_HANDLERS: usize = 40;

/// The renderer of the `markdown` format.
#[derive(Debug, Default)]
pub struct Markdown;

impl Render for Markdown {
    fn invocation(&mut self, _invocation: &Invocation, _ids: &Ids, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        let mut text = heading(report);
        text.push_str(&groups(report, ids));
        text.push_str(&coverage(report));
        out.write_all(text.as_bytes())
    }
}

fn heading(report: &Report) -> String {
    let mut text = String::new();
    let (mark, outcome) = match report.gate.outcome() {
        GateOutcome::Passed => ("✅", "passed"),
        GateOutcome::Failed => ("❌", "failed"),
        GateOutcome::Undecided => ("⚠️", "undecided"),
    };
    let only = if report.gate.report_only { " (report only)" } else { "" };
    push_line(&mut text, format_args!("### {mark} rehearse: {outcome}{only}\n"));
    for reason in report.gate.reasons() {
        push_line(&mut text, format_args!("- {reason}"));
    }
    let summary = &report.summary;
    push_line(&mut text, format_args!("\n| checked | compatible | mismatch | failed | inconclusive | excused |"));
    push_line(&mut text, format_args!("|--:|--:|--:|--:|--:|--:|"));
    let numbers =
        [summary.checked, summary.compatible, summary.mismatch, summary.failed, summary.inconclusive, summary.excused];
    let numbers: Vec<String> = numbers.into_iter().map(number).collect();
    push_line(&mut text, format_args!("| {} |\n", numbers.join(" | ")));
    text
}

fn groups(report: &Report, ids: &Ids) -> String {
    let mut text = String::new();
    let groups = report.groups();
    for (at, group) in groups.iter().enumerate() {
        let one = group_text(group, ids);
        if text.len() + one.len() > MOST_BYTES {
            let left = (groups.len() - at) as u64;
            push_line(&mut text, format_args!("**{} more did not fit here.**\n", count(left, "group")));
            break;
        }
        text.push_str(&one);
    }
    text
}

fn group_text(group: &Group, ids: &Ids) -> String {
    let example = &group.example;
    let mut text = String::new();
    let excused = if group.excused { " (excused)" } else { "" };
    let rule = example.errors().next().map(|finding| format!(": `{}`", finding.rule)).unwrap_or_default();
    let count = count(group.count, "invocation");
    push_line(&mut text, format_args!("#### {}{excused}{rule}, {count}\n", group.verdict.name()));
    let target = example.info.target().map(|target| format!("{} ", code(&target))).unwrap_or_default();
    push_line(&mut text, format_args!("{target}{}\n", code(ids.id(example.order).as_str())));
    if group.excused {
        push_line(&mut text, format_args!("Excused: {}\n", code(&words::excuses(example))));
    }
    let shown = match (group.verdict, &example.judgement.reason) {
        (Verdict::Mismatch, _) | (_, None) => plain_findings(example),
        (_, Some(reason)) => brief(reason).into_owned(),
    };
    text.push_str(&fenced(&shown));
    text
}

/// The text as a code block, in which Markdown interprets nothing.
fn fenced(text: &str) -> String {
    let truncated = text.len() > MOST_OF_ONE;
    let text = &text[..text.floor_char_boundary(MOST_OF_ONE)];
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    let more = if truncated { "\n… (cut off)" } else { "" };
    format!("{fence}text\n{}{more}\n{fence}\n\n", text.trim_matches('\n'))
}

/// The text as inline code.
fn code(text: &str) -> String {
    let text = truncate(&escaped(text), 300);
    let fence = "`".repeat(longest_run(&text) + 1);
    format!("{fence} {text} {fence}")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn coverage(report: &Report) -> String {
    let mut text = String::new();
    if report.coverage.is_empty() {
        push_line(&mut text, format_args!("Covered: nothing.\n"));
    } else {
        push_line(&mut text, format_args!("<details><summary>Covered</summary>\n"));
        for (name, covered) in report.coverage.iter().take(MOST_HANDLERS) {
            push_line(
                &mut text,
                format_args!(
                    "- {}: {}, {}, {} reached the frontier",
                    code(&words::handler(name)),
                    count(covered.journals, "journal"),
                    count(covered.paths() as u64, "distinct path"),
                    number(covered.reached)
                ),
            );
        }
        if report.coverage.len() > MOST_HANDLERS {
            push_line(&mut text, format_args!("- and {} more handlers", report.coverage.len() - MOST_HANDLERS));
        }
        push_line(&mut text, format_args!("\n</details>\n"));
    }
    let not_covered: Vec<String> =
        report.not_covered().map(|(service, handler)| code(&format!("{service}/{handler}"))).collect();
    if !not_covered.is_empty() {
        let shown = &not_covered[..not_covered.len().min(MOST_HANDLERS)];
        let more = not_covered.len() - shown.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        push_line(&mut text, format_args!("**Not covered:** {}{more}", shown.join(", ")));
    }
    text
}
