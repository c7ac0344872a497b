//! The article of one group of invocations: its cause, and one invocation in full. The script shows the others in the
//! same place.

use maud::{Markup, html};

use super::invocation;
use super::journal_text::JournalText;
use crate::render::text::count;
use crate::render::words;
use crate::report::{Group, Verdict};
use crate::rules::Finding;
use crate::source::Ids;

/// How much of a group the page contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CauseLength {
    /// The example in full, and the names of a few others.
    Full,
    /// Only the id of its example.
    Brief,
}

/// The article of a group. `handler` is the number that the filters use for the group's handler.
pub fn cause(group: &Group, handler: usize, shown: CauseLength, ids: &Ids) -> Markup {
    let errors: Vec<&Finding> = group.example.errors().collect();
    let rules: Vec<&str> = errors.iter().map(|finding| finding.rule).collect();
    html! {
        article .cause.(class(group)) id=(anchor(&group.id)) data-verdict=(verdict(group)) data-rules=(rules.join(" "))
            data-handler=(handler) data-count=(group.count) tabindex="-1" {
            h3 {
                span .badge.(class(group)) { (verdict(group)) } " "
                @if let Some(first) = errors.first() { (first.rule) " in " }
                code { (JournalText(&words::handler_of(&group.example.info))) }
                span .count { (count(group.count, "invocation")) }
            }
            p .steps hidden {
                button type="button" .previous { "← previous" } " " span .place {} " "
                button type="button" .next { "next →" }
            }
            @match shown {
                CauseLength::Full => div .invocation { (invocation::full(&group.example, ids)) },
                CauseLength::Brief => div .invocation.brief {
                    p { code { (JournalText(ids.id(group.example.order).as_str())) } " (not shown in full: there are too many causes)" }
                },
            }
            @if shown == CauseLength::Full { (others(group, ids)) }
        }
    }
}

/// The HTML id of a group's article.
pub fn anchor(id: &str) -> String {
    format!("cause-{id}")
}

fn verdict(group: &Group) -> &'static str {
    if group.excused { "excused" } else { group.verdict.name() }
}

fn class(group: &Group) -> &'static str {
    match group.verdict {
        _ if group.excused => "unsure",
        Verdict::Mismatch | Verdict::Failed => "bad",
        Verdict::Inconclusive | Verdict::Compatible => "unsure",
    }
}

/// The names of other invocations, for readers whose browser runs no script.
fn others(group: &Group, ids: &Ids) -> Markup {
    let rest = group.count - 1 - group.others.len() as u64;
    html! {
        @if group.count > 1 {
            details .others {
                summary { (count(group.count - 1, "invocation")) " more like it" }
                ul {
                    @for (order, target) in &group.others {
                        li { @if let Some(target) = target { code { (JournalText(target)) } " " } code { (JournalText(ids.id(*order).as_str())) } }
                    }
                    @if rest > 0 { li { "and " (rest) " others, in the " a href="#invocations" { "list of invocations" } } }
                }
            }
        }
    }
}
