//! The table of invocations, one line each, and the form that filters them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use maud::{Markup, html};

use super::budget::ByteBudget;
use super::cause::anchor;
use super::journal_text::JournalText;
use crate::journal::IdOrder;
use crate::render::text::{count, number, truncate};
use crate::render::words;
use crate::report::{Group, Invocation, Report, Verdict, group_id, rest_id};
use crate::source::Ids;

/// Rows of the table; browsers get slow with more. Compatible invocations are left out first.
const MOST_ROWS: usize = 20_000;

/// Characters of a handler's name in the filter.
const LONGEST_NAME: usize = 100;

/// One row of the table.
#[derive(Debug)]
struct InvocationRow {
    /// The sort key: the worst first.
    rank: (bool, Verdict, IdOrder),
    id: String,
    target: Option<String>,
    handler: String,
    verdict: &'static str,
    /// The ids of its group, and of the group for the rest, which it belongs to where there are too many groups.
    groups: Option<[String; 2]>,
    /// Its number in the details data.
    page: Option<usize>,
    rules: Vec<(&'static str, usize)>,
    reason: Option<String>,
}

/// The rows that the page may list.
#[derive(Debug, Default)]
pub struct InvocationTable {
    rows: Vec<InvocationRow>,
    compatible: usize,
}

impl InvocationTable {
    /// Whether one more invocation with this verdict is kept. Compatible invocations never displace the others.
    pub fn has_room_for(&self, verdict: Verdict) -> bool {
        let compatible = verdict == Verdict::Compatible;
        let alike = if compatible { self.compatible } else { self.rows.len() - self.compatible };
        alike < MOST_ROWS
    }

    pub fn add(&mut self, invocation: &Invocation, page: Option<usize>, ids: &Ids) {
        let compatible = invocation.judgement.verdict == Verdict::Compatible;
        self.compatible += usize::from(compatible);
        let errors = invocation.errors().take(4).map(|finding| (finding.rule, finding.command_index));
        self.rows.push(InvocationRow {
            rank: (!invocation.fails, invocation.judgement.verdict, invocation.order),
            id: ids.id(invocation.order).as_str().to_owned(),
            target: invocation.info.target(),
            handler: words::handler_of(&invocation.info),
            verdict: if invocation.excused() { "excused" } else { invocation.judgement.verdict.name() },
            groups: (!compatible).then(|| [group_id(invocation), rest_id(invocation)]),
            page,
            rules: errors.collect(),
            reason: invocation.judgement.reason.as_deref().map(|reason| truncate(reason, 120)),
        });
    }

    pub fn sort(&mut self) {
        self.rows.sort_by_key(|row| row.rank);
    }

    pub fn handlers(&self) -> Handlers<'_> {
        let names: BTreeSet<&str> = self.rows.iter().map(|row| row.handler.as_str()).collect();
        Handlers(names.into_iter().zip(0..).collect())
    }
}

/// The numbers of handlers: the page refers to a handler by its number, which is shorter than its name.
pub struct Handlers<'r>(BTreeMap<&'r str, usize>);

impl Handlers<'_> {
    /// The number of a handler. A handler that no filter lists gets the number after the last.
    pub fn number(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(self.0.len())
    }
}

/// The form with the filters. It is hidden until the script that makes it work shows it.
pub fn filters(report: &Report, rows: &InvocationTable, handlers: &Handlers<'_>, mut budget: ByteBudget) -> Markup {
    let verdicts: BTreeSet<&str> = rows.rows.iter().map(|row| row.verdict).collect();
    let rules: BTreeSet<&str> = rows.rows.iter().flat_map(|row| row.rules.iter().map(|(rule, _)| *rule)).collect();
    let names = handlers.0.iter().map(|(name, number)| (number.to_string(), truncate(name, LONGEST_NAME)));
    let same = |name: &&str| ((*name).to_owned(), (*name).to_owned());
    html! {
        form #filters hidden role="search" aria-label="Filter causes and invocations" {
            (choice("verdict", "Verdict", verdicts.iter().map(same), &mut budget))
            (choice("rule", "Rule", rules.iter().map(same), &mut budget))
            (choice("handler", "Handler", names, &mut budget))
            label { "Search " input type="search" name="text" placeholder="id or target" autocomplete="off"; }
            button type="reset" { "Clear" }
            p .keys {
                kbd { "/" } " search " kbd { "Esc" } " leave it " kbd { "j" } kbd { "k" } " next and previous cause "
                kbd { "←" } kbd { "→" } " another invocation of it"
            }
            output aria-live="polite" { (count(report.summary.checked, "invocation")) }
        }
    }
}

/// A list to choose from. Options that do not fit the budget are left out; the search still finds them.
fn choice(name: &str, label: &str, options: impl Iterator<Item = (String, String)>, budget: &mut ByteBudget) -> Markup {
    let (options, _) =
        budget.first(options.map(|(value, text)| html! { option value=(value) { (JournalText(&text)) } }));
    html! { label { (label) " " select name=(name) { option value="" { "any" } (options) } } }
}

/// Writes the table.
pub fn write(
    rows: &InvocationTable,
    handlers: &Handlers<'_>,
    report: &Report,
    mut budget: ByteBudget,
    out: &mut dyn Write,
) -> io::Result<()> {
    let groups = report.groups();
    let groups: BTreeSet<&str> = groups.iter().map(|group: &&Group| group.id.as_str()).collect();
    out.write_all(
        b"<section id=\"invocations\" aria-labelledby=\"invocations-heading\"><h2 id=\"invocations-heading\">\
          Invocations</h2><div class=\"scroll\"><table id=\"list\"><thead><tr><th scope=\"col\">Verdict</th>\
          <th scope=\"col\">Target</th><th scope=\"col\">Invocation</th><th scope=\"col\">Findings</th></tr></thead>\
          <tbody>\n",
    )?;
    let mut written = 0;
    for row in rows.rows.iter().take(MOST_ROWS) {
        let line = line(row, &groups, handlers).into_string();
        if !budget.take_if_it_fits(line.len() + 1) {
            break;
        }
        writeln!(out, "{line}")?;
        written += 1;
    }
    let left = report.summary.checked - written;
    let end = html! {
        @if left > 0 { p { (number(left)) " more are left out here; --format jsonl lists them all." } }
    };
    write!(out, "</tbody></table></div>{}</section>", end.into_string())
}

fn line(row: &InvocationRow, groups: &BTreeSet<&str>, handlers: &Handlers<'_>) -> Markup {
    let rules: Vec<&str> = row.rules.iter().map(|(rule, _)| *rule).collect();
    let group = row.groups.iter().flatten().find(|group| groups.contains(group.as_str()));
    html! {
        tr data-handler=(handlers.number(&row.handler)) data-rules=[(!rules.is_empty()).then(|| rules.join(" "))]
            data-page=[row.page] {
            td .(row.verdict) { (row.verdict) }
            td { @if let Some(target) = &row.target { (JournalText(target)) } }
            td { code { (JournalText(&row.id)) } }
            td {
                @if let Some(group) = group {
                    a href=(format!("#{}", anchor(group))) {
                        @if let Some((rule, at)) = row.rules.first() { (rule) " at " (at) } @else { "why" }
                        @if row.rules.len() > 1 { " and more" }
                    }
                }
                @if let Some(reason) = &row.reason { " " (JournalText(reason)) }
            }
        }
    }
}
