//! `markdown`: for a comment on a pull request, or the summary of a CI step. Bounded in length, the worst first.

use std::io::{self, Write};

use super::words::line;
use super::{Render, brief, escaped, human, words};
use crate::policy::gate::Outcome;
use crate::report::{Group, Invocation, Report, Verdict};
use crate::source::Ids;

/// GitHub takes comments of 65,536 characters; what frames the groups has to fit as well.
const MOST_BYTES: usize = 56_000;

/// A single group must not crowd out the others.
const MOST_OF_ONE: usize = 8_000;

/// Handlers that are listed by name.
const MOST_HANDLERS: usize = 40;

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
        Outcome::Passed => ("✅", "passed"),
        Outcome::Failed => ("❌", "failed"),
        Outcome::Undecided => ("⚠️", "undecided"),
    };
    let only = if report.gate.report_only { " (report only)" } else { "" };
    line(&mut text, format_args!("### {mark} rehearse: {outcome}{only}\n"));
    for reason in report.gate.reasons() {
        line(&mut text, format_args!("- {reason}"));
    }
    let summary = &report.summary;
    line(&mut text, format_args!("\n| checked | compatible | mismatch | failed | inconclusive | excused |"));
    line(&mut text, format_args!("|--:|--:|--:|--:|--:|--:|"));
    let numbers =
        [summary.checked, summary.compatible, summary.mismatch, summary.failed, summary.inconclusive, summary.excused];
    let numbers: Vec<String> = numbers.into_iter().map(human::number_u64).collect();
    line(&mut text, format_args!("| {} |\n", numbers.join(" | ")));
    text
}

fn groups(report: &Report, ids: &Ids) -> String {
    let mut text = String::new();
    let groups = report.groups();
    for (at, group) in groups.iter().enumerate() {
        let one = group_text(group, ids);
        if text.len() + one.len() > MOST_BYTES {
            let left = (groups.len() - at) as u64;
            line(&mut text, format_args!("**{} more did not fit here.**\n", words::count(left, "group")));
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
    let count = words::count(group.count, "invocation");
    line(&mut text, format_args!("#### {}{excused}{rule}, {count}\n", group.verdict.name()));
    let target = example.info.target().map(|target| format!("{} ", code(&target))).unwrap_or_default();
    line(&mut text, format_args!("{target}{}\n", code(ids.id(example.order).as_str())));
    if group.excused {
        line(&mut text, format_args!("Excused: {}\n", code(&words::excuses(example))));
    }
    let shown = match (group.verdict, &example.judgement.reason) {
        (Verdict::Mismatch, _) | (_, None) => words::block(example),
        (_, Some(reason)) => brief(reason).into_owned(),
    };
    text.push_str(&fenced(&shown));
    text
}

/// As a block of code: nothing in it is read as anything else.
fn fenced(text: &str) -> String {
    let cut_off = text.len() > MOST_OF_ONE;
    let text = &text[..text.floor_char_boundary(MOST_OF_ONE)];
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    let more = if cut_off { "\n… (cut off)" } else { "" };
    format!("{fence}text\n{}{more}\n{fence}\n\n", text.trim_matches('\n'))
}

/// As code within a line.
fn code(text: &str) -> String {
    let text = words::cut(&escaped(text), 300);
    let fence = "`".repeat(longest_run(&text) + 1);
    format!("{fence} {text} {fence}")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn coverage(report: &Report) -> String {
    let mut text = String::new();
    if report.coverage.is_empty() {
        line(&mut text, format_args!("Covered: nothing.\n"));
    } else {
        line(&mut text, format_args!("<details><summary>Covered</summary>\n"));
        for (name, covered) in report.coverage.iter().take(MOST_HANDLERS) {
            line(
                &mut text,
                format_args!(
                    "- {}: {}, {}, {} reached the frontier",
                    code(&words::handler(name)),
                    words::count(covered.journals, "journal"),
                    words::count(covered.paths() as u64, "distinct path"),
                    human::number_u64(covered.reached)
                ),
            );
        }
        if report.coverage.len() > MOST_HANDLERS {
            line(&mut text, format_args!("- and {} more handlers", report.coverage.len() - MOST_HANDLERS));
        }
        line(&mut text, format_args!("\n</details>\n"));
    }
    let not_covered: Vec<String> =
        report.not_covered().map(|(service, handler)| code(&format!("{service}/{handler}"))).collect();
    if !not_covered.is_empty() {
        let shown = &not_covered[..not_covered.len().min(MOST_HANDLERS)];
        let more = not_covered.len() - shown.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        line(&mut text, format_args!("**Not covered:** {}{more}", shown.join(", ")));
    }
    text
}
