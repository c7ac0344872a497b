//! One invocation in full: its timeline, recorded beside replayed, and its findings.

use maud::{Markup, html};
use serde_json::Value;

use super::journal_text::JournalText;
use crate::render::text::count;
use crate::render::words;
use crate::report::Invocation;
use crate::rules::{self, Cause, Change, Finding, Mark, Rule, TimelineRow, TimelineStep};
use crate::source::Ids;

/// Findings of one invocation that are shown.
const MOST_FINDINGS: usize = 8;

/// Changes of one finding that are shown.
const MOST_CHANGES: usize = 20;

/// The HTML of one invocation.
pub fn full(invocation: &Invocation, ids: &Ids) -> Markup {
    let errors: Vec<&Finding> = invocation.errors().collect();
    html! {
        p .who {
            @if let Some(target) = invocation.info.target() { code { (JournalText(&target)) } " " }
            code { (JournalText(ids.id(invocation.order).as_str())) }
            @if let Some(deployment) = &invocation.info.deployment { " on " code { (JournalText(deployment)) } }
        }
        @if let Some(reason) = &invocation.judgement.reason { p { (JournalText(reason)) } }
        @if invocation.excused() { p .excuse { "Excused: " (JournalText(&words::excuses(invocation))) } }
        @if !invocation.judgement.timeline.is_empty() { (timeline(&invocation.judgement.timeline)) }
        @for (at, finding) in errors.iter().take(MOST_FINDINGS).enumerate() { (one_finding(finding, invocation, at > 0)) }
        @if errors.len() > MOST_FINDINGS { p { "And " (errors.len() - MOST_FINDINGS) " more findings." } }
    }
}

fn timeline(rows: &[TimelineRow]) -> Markup {
    html! {
        div .scroll {
            table .timeline {
                caption .hidden { "Recorded and replayed commands beside each other" }
                thead { tr {
                    th scope="col" .index { "#" } th scope="col" { "Recorded" }
                    th scope="col" .mark { span .hidden { "How they compare" } }
                    th scope="col" { "Replayed" } th scope="col" .index { "#" }
                } }
                tbody { @for row in rows { (line(row)) } }
            }
        }
    }
}

fn line(row: &TimelineRow) -> Markup {
    let (class, sign, words) = match row.mark {
        Mark::Folded(lines) => {
            return html! { tr .folded { td colspan="5" { "… " (count(lines as u64, "line")) " left out …" } } };
        }
        Mark::Agrees => ("agrees", "", ""),
        Mark::Changed => ("changed", "≠", "changed"),
        Mark::Replaced => ("replaced", "⇄", "replaced"),
        Mark::Added => ("added", "+", "added"),
        Mark::Removed => ("removed", "−", "removed"),
        Mark::Moved => ("moved", "↕", "moved"),
        Mark::ReturnedEarly => ("removed", "⊣", "returned early"),
        Mark::Awaited => ("added", "…", "awaits"),
        Mark::Beyond => ("beyond", "", "beyond the frontier"),
    };
    let index = |step: &Option<TimelineStep>| step.as_ref().and_then(|step| step.index);
    let side = |step: &Option<TimelineStep>| {
        html! { @if let Some(step) = step { code { (JournalText(&step.text)) } } @else { span .none { "—" } } }
    };
    html! {
        tr .(class) {
            td .index { @if let Some(index) = index(&row.recorded) { (index) } }
            td .recorded { (side(&row.recorded)) }
            td .mark { @if !sign.is_empty() { span aria-hidden="true" { (sign) } " " } (words) }
            td .replayed { (side(&row.replayed)) }
            td .index { @if let Some(index) = index(&row.replayed) { (index) } }
        }
    }
}

fn one_finding(finding: &Finding, invocation: &Invocation, later: bool) -> Markup {
    let cause = match finding.cause {
        Cause::CodeChange => Some(
            "The code changed, or it reads a clock, the environment, memory or a database: two replays of the candidate agree.",
        ),
        Cause::NonDeterminism => Some("The candidate is not deterministic: two of its replays differ."),
        Cause::Unknown => None,
    };
    let rule = rules::find(finding.rule);
    html! {
        div .finding {
            h4 {
                @if later { "Then " }
                (finding.rule) " at command " (finding.command_index) " of " (invocation.judgement.commands)
                " " span .level { (finding.level.name()) } " " code .fingerprint { (finding.fingerprint) }
            }
            @if let Some(excuse) = &finding.excuse { p .excuse { (JournalText(&words::excuse(excuse))) } }
            @if !finding.changes.is_empty() { (changes(&finding.changes)) }
            @for hint in &finding.hints { p .hint { "Hint: " (JournalText(hint)) } }
            @if let (Some(cause), false) = (cause, later) { p { (cause) } }
            @if let (Some(rule), false) = (rule, later) { (advice(rule, &words::advice(rule, finding, invocation))) }
        }
    }
}

fn advice(rule: &Rule, advice: &str) -> Markup {
    html! {
        details { summary { "What to do: " (JournalText(advice)) "." } pre .page { (rule.page()) } }
    }
}

fn changes(changes: &[Change]) -> Markup {
    html! {
        div .scroll {
            table .changes {
                thead { tr { th scope="col" { "Where" } th scope="col" { "Recorded" } th scope="col" { "Replayed" } } }
                tbody {
                    @for change in changes.iter().take(MOST_CHANGES) {
                        tr {
                            th scope="row" { code { (JournalText(&change.path)) } }
                            td .removed { (value(change.recorded.as_ref())) }
                            td .added { (value(change.replayed.as_ref())) }
                        }
                        @if let Some(lines) = &change.lines { tr { td colspan="3" { (diff(lines)) } } }
                    }
                }
            }
        }
        @if changes.len() > MOST_CHANGES { p { "And " (changes.len() - MOST_CHANGES) " more places." } }
    }
}

fn value(value: Option<&Value>) -> Markup {
    html! {
        @match value {
            None => span .none { "(absent)" },
            Some(value) => code { (JournalText(&value.to_string())) },
        }
    }
}

/// A unified diff, line by line.
fn diff(lines: &str) -> Markup {
    html! {
        pre .diff {
            @for line in lines.lines() {
                @let class = match line.as_bytes().first() { Some(b'+') => "added", Some(b'-') => "removed", _ => "agrees" };
                span .(class) { (JournalText(line)) } "\n"
            }
        }
    }
}
