//! Every invocation, a line each, and what filters them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use maud::{Markup, html};

use super::cause::anchor;
use super::room::Room;
use super::text::Text;
use crate::journal::IdOrder;
use crate::render::{human, words};
use crate::report::{Group, Invocation, Report, Verdict, group_id, rest_id};
use crate::source::Ids;

/// Browsers get slow beyond; compatible ones are left out first.
const MOST_ROWS: usize = 20_000;

/// Characters of a handler's name to choose it by.
const LONGEST_NAME: usize = 100;

/// What is kept of an invocation.
#[derive(Debug)]
struct Row {
    /// Worst first.
    rank: (bool, Verdict, IdOrder),
    id: String,
    target: Option<String>,
    handler: String,
    verdict: &'static str,
    /// The group it belongs to, or, where there are too many of them, the one for the rest.
    groups: Option<[String; 2]>,
    /// The number of its page among the details.
    page: Option<usize>,
    rules: Vec<(&'static str, usize)>,
    reason: Option<String>,
}

/// All that are listed.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<Row>,
    compatible: usize,
}

impl Rows {
    /// What is not compatible is not kept out by what is.
    pub fn have_room_for(&self, verdict: Verdict) -> bool {
        let compatible = verdict == Verdict::Compatible;
        let alike = if compatible { self.compatible } else { self.rows.len() - self.compatible };
        alike < MOST_ROWS
    }

    pub fn add(&mut self, invocation: &Invocation, page: Option<usize>, ids: &Ids) {
        let compatible = invocation.judgement.verdict == Verdict::Compatible;
        self.compatible += usize::from(compatible);
        let errors = invocation.errors().take(4).map(|finding| (finding.rule, finding.command_index));
        self.rows.push(Row {
            rank: (!invocation.fails, invocation.judgement.verdict, invocation.order),
            id: ids.id(invocation.order).as_str().to_owned(),
            target: invocation.info.target(),
            handler: words::handler_of(&invocation.info),
            verdict: if invocation.excused() { "excused" } else { invocation.judgement.verdict.name() },
            groups: (!compatible).then(|| [group_id(invocation), rest_id(invocation)]),
            page,
            rules: errors.collect(),
            reason: invocation.judgement.reason.as_deref().map(|reason| words::cut(reason, 120)),
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

/// Handlers by number, which is shorter than their names.
pub struct Handlers<'r>(BTreeMap<&'r str, usize>);

impl Handlers<'_> {
    /// One that no filter knows has the number behind all others.
    pub fn number(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(self.0.len())
    }
}

/// Shown by the script that makes them work.
pub fn filters(report: &Report, rows: &Rows, handlers: &Handlers<'_>, mut room: Room) -> Markup {
    let verdicts: BTreeSet<&str> = rows.rows.iter().map(|row| row.verdict).collect();
    let rules: BTreeSet<&str> = rows.rows.iter().flat_map(|row| row.rules.iter().map(|(rule, _)| *rule)).collect();
    let names = handlers.0.iter().map(|(name, number)| (number.to_string(), words::cut(name, LONGEST_NAME)));
    let same = |name: &&str| ((*name).to_owned(), (*name).to_owned());
    html! {
        form #filters hidden role="search" aria-label="Filter causes and invocations" {
            (choice("verdict", "Verdict", verdicts.iter().map(same), &mut room))
            (choice("rule", "Rule", rules.iter().map(same), &mut room))
            (choice("handler", "Handler", names, &mut room))
            label { "Search " input type="search" name="text" placeholder="id or target" autocomplete="off"; }
            button type="reset" { "Clear" }
            p .keys {
                kbd { "/" } " search " kbd { "Esc" } " leave it " kbd { "j" } kbd { "k" } " next and previous cause "
                kbd { "←" } kbd { "→" } " another invocation of it"
            }
            output aria-live="polite" { (words::count(report.summary.checked, "invocation")) }
        }
    }
}

/// What does not fit can not be chosen, but searched for.
fn choice(name: &str, label: &str, options: impl Iterator<Item = (String, String)>, room: &mut Room) -> Markup {
    let (options, _) = room.first(options.map(|(value, text)| html! { option value=(value) { (Text(&text)) } }));
    html! { label { (label) " " select name=(name) { option value="" { "any" } (options) } } }
}

pub fn write(
    rows: &Rows,
    handlers: &Handlers<'_>,
    report: &Report,
    mut room: Room,
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
        if !room.take_if_it_fits(line.len() + 1) {
            break;
        }
        writeln!(out, "{line}")?;
        written += 1;
    }
    let left = report.summary.checked - written;
    let end = html! {
        @if left > 0 { p { (human::number_u64(left)) " more are left out here; --format jsonl has them all." } }
    };
    write!(out, "</tbody></table></div>{}</section>", end.into_string())
}

fn line(row: &Row, groups: &BTreeSet<&str>, handlers: &Handlers<'_>) -> Markup {
    let rules: Vec<&str> = row.rules.iter().map(|(rule, _)| *rule).collect();
    let group = row.groups.iter().flatten().find(|group| groups.contains(group.as_str()));
    html! {
        tr data-handler=(handlers.number(&row.handler)) data-rules=[(!rules.is_empty()).then(|| rules.join(" "))]
            data-page=[row.page] {
            td .(row.verdict) { (row.verdict) }
            td { @if let Some(target) = &row.target { (Text(target)) } }
            td { code { (Text(&row.id)) } }
            td {
                @if let Some(group) = group {
                    a href=(format!("#{}", anchor(group))) {
                        @if let Some((rule, at)) = row.rules.first() { (rule) " at " (at) } @else { "why" }
                        @if row.rules.len() > 1 { " and more" }
                    }
                }
                @if let Some(reason) = &row.reason { " " (Text(reason)) }
            }
        }
    }
}
