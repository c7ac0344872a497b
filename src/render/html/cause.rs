//! A group of invocations with one cause, and one of them in full; the script puts the others in its place.

use maud::{Markup, html};

use super::invocation;
use super::text::Text;
use crate::render::words;
use crate::report::{Group, Verdict};
use crate::rules::Finding;
use crate::source::Ids;

/// How much of a group is written into the page itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Full,
    /// By name.
    Brief,
}

/// `handler` is the number by which the filters know the group's handler.
pub fn cause(group: &Group, handler: usize, shown: Shown, ids: &Ids) -> Markup {
    let errors: Vec<&Finding> = group.example.errors().collect();
    let rules: Vec<&str> = errors.iter().map(|finding| finding.rule).collect();
    html! {
        article .cause.(class(group)) id=(anchor(&group.id)) data-verdict=(verdict(group)) data-rules=(rules.join(" "))
            data-handler=(handler) data-count=(group.count) tabindex="-1" {
            h3 {
                span .badge.(class(group)) { (verdict(group)) } " "
                @if let Some(first) = errors.first() { (first.rule) " in " }
                code { (Text(&words::handler_of(&group.example.info))) }
                span .count { (words::count(group.count, "invocation")) }
            }
            p .steps hidden {
                button type="button" .previous { "← previous" } " " span .place {} " "
                button type="button" .next { "next →" }
            }
            @match shown {
                Shown::Full => div .invocation { (invocation::full(&group.example, ids)) },
                Shown::Brief => div .invocation.brief {
                    p { code { (Text(ids.id(group.example.order).as_str())) } " (not shown in full: there are too many causes)" }
                },
            }
            @if shown == Shown::Full { (others(group, ids)) }
        }
    }
}

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

/// Where the script does not run, they are named at least.
fn others(group: &Group, ids: &Ids) -> Markup {
    let rest = group.count - 1 - group.others.len() as u64;
    html! {
        @if group.count > 1 {
            details .others {
                summary { (words::count(group.count - 1, "invocation")) " more like it" }
                ul {
                    @for (order, target) in &group.others {
                        li { @if let Some(target) = target { code { (Text(target)) } " " } code { (Text(ids.id(*order).as_str())) } }
                    }
                    @if rest > 0 { li { "and " (rest) " others, in the " a href="#invocations" { "list of invocations" } } }
                }
            }
        }
    }
}
