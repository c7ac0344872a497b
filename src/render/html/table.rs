//! Every invocation, a line each, and what filters them.

use std::collections::BTreeSet;
use std::io::{self, Write};

use maud::{Markup, html};

use super::cause::anchor;
use super::text::Text;
use crate::journal::IdOrder;
use crate::render::{human, words};
use crate::report::{Invocation, Report, Verdict, group_id};
use crate::source::Ids;

/// Browsers get slow beyond; compatible ones are left out first.
const MOST_ROWS: usize = 20_000;

/// What is kept of an invocation.
#[derive(Debug)]
pub struct Row {
    /// Worst first.
    pub rank: (bool, Verdict, IdOrder),
    id: String,
    target: Option<String>,
    handler: String,
    verdict: &'static str,
    group: Option<String>,
    rules: Vec<(&'static str, usize)>,
    reason: Option<String>,
}

impl Row {
    pub fn of(invocation: &Invocation, ids: &Ids) -> Self {
        let errors = invocation.errors().take(4).map(|finding| (finding.rule, finding.command_index));
        let compatible = invocation.verdict == Verdict::Compatible;
        Self {
            rank: (!invocation.fails, invocation.verdict, invocation.order),
            id: ids.id(invocation.order).as_str().to_owned(),
            target: invocation.info.target(),
            handler: words::handler_of(&invocation.info),
            verdict: if invocation.excused() { "excused" } else { invocation.verdict.name() },
            group: (!compatible).then(|| group_id(invocation)),
            rules: errors.collect(),
            reason: invocation.reason.as_deref().map(|reason| words::cut(reason, 120)),
        }
    }
}

/// Shown by the script that makes them work.
pub fn filters(report: &Report, rows: &[Row]) -> Markup {
    let verdicts: BTreeSet<&str> = rows.iter().map(|row| row.verdict).collect();
    let rules: BTreeSet<&str> = rows.iter().flat_map(|row| row.rules.iter().map(|(rule, _)| *rule)).collect();
    let handlers: BTreeSet<&str> = rows.iter().map(|row| row.handler.as_str()).collect();
    html! {
        form #filters hidden role="search" aria-label="Filter causes and invocations" {
            (choice("verdict", "Verdict", verdicts.into_iter()))
            (choice("rule", "Rule", rules.into_iter()))
            (choice("handler", "Handler", handlers.into_iter().take(1000)))
            label { "Search " input type="search" name="text" placeholder="id or target" autocomplete="off"; kbd { "/" } }
            button type="reset" { "Clear" }
            output aria-live="polite" { (human::number_u64(report.summary.checked)) " invocations" }
        }
    }
}

fn choice<'a>(name: &str, label: &str, options: impl Iterator<Item = &'a str>) -> Markup {
    html! {
        label { (label) " "
            select name=(name) {
                option value="" { "any" }
                @for option in options { option value=(Text(option)) { (Text(option)) } }
            }
        }
    }
}

pub fn write(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let shown = &rows[..rows.len().min(MOST_ROWS)];
    out.write_all(b"<section id=\"invocations\" aria-labelledby=\"invocations-heading\"><h2 id=\"invocations-heading\">Invocations</h2>")?;
    if shown.len() < rows.len() {
        let left = (rows.len() - shown.len()) as u64;
        let note = html! { p { (human::number_u64(left)) " more are left out here; --format jsonl has them all." } };
        out.write_all(note.into_string().as_bytes())?;
    }
    out.write_all(
        b"<div class=\"scroll\"><table id=\"list\"><thead><tr><th scope=\"col\">Verdict</th>\
          <th scope=\"col\">Target</th><th scope=\"col\">Invocation</th><th scope=\"col\">Findings</th></tr></thead><tbody>\n",
    )?;
    for row in shown {
        let rules: Vec<&str> = row.rules.iter().map(|(rule, _)| *rule).collect();
        let line = html! {
            tr data-verdict=(row.verdict) data-handler=(Text(&row.handler)) data-rules=[(!rules.is_empty()).then(|| rules.join(" "))] {
                td .(row.verdict) { (row.verdict) }
                td { @if let Some(target) = &row.target { (Text(target)) } }
                td { code { (Text(&row.id)) } }
                td {
                    @if let Some(group) = &row.group {
                        a href=(format!("#{}", anchor(group))) {
                            @if let Some((rule, at)) = row.rules.first() { (rule) " at " (at) } @else { "why" }
                            @if row.rules.len() > 1 { " and more" }
                        }
                    }
                    @if let Some(reason) = &row.reason { " " (Text(reason)) }
                }
            }
        };
        out.write_all(line.into_string().as_bytes())?;
        out.write_all(b"\n")?;
    }
    out.write_all(b"</tbody></table></div></section>")
}
