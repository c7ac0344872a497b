//! The sections on the whole run: its accepted findings and its coverage.

use maud::{Markup, html};

use super::budget::ByteBudget;
use super::journal_text::JournalText;
use crate::policy::{Acceptance, AcceptanceState};
use crate::render::text::{count, number};
use crate::render::words;
use crate::report::Report;

/// The acceptances of the policy, with their states.
pub fn policy(report: &Report, mut budget: ByteBudget) -> Markup {
    let (rows, left_out) =
        budget.first(report.acceptances.iter().map(|(acceptance, state)| accepted(acceptance, state)));
    html! {
        @if !report.acceptances.is_empty() {
            section aria-labelledby="policy-heading" {
                h2 #policy-heading { "Accepted findings" }
                div .scroll {
                    table {
                        thead { tr {
                            th scope="col" { "Fingerprint" } th scope="col" { "State" } th scope="col" { "Author" }
                            th scope="col" { "Reason" } th scope="col" { "Until" }
                        } }
                        tbody { (rows) }
                    }
                }
                @if left_out > 0 { p { "And " (count(left_out, "acceptance")) " more." } }
            }
        }
    }
}

fn accepted(acceptance: &Acceptance, state: &AcceptanceState) -> Markup {
    html! {
        tr {
            td { code { (JournalText(&acceptance.fingerprint)) } }
            td { @match state {
                AcceptanceState::Used { by } => { "lets " (count(*by, "finding")) " pass" }
                AcceptanceState::Unused => span .badge.unsure { "unused" },
                AcceptanceState::Expired { .. } => span .badge.bad { "expired" },
            } }
            td { (JournalText(&acceptance.author)) }
            td { (JournalText(&acceptance.reason)) }
            td { @if let Some(day) = acceptance.expires { (day) } }
        }
    }
}

/// The covered handlers, and the handlers that are not covered.
pub fn coverage(report: &Report, mut budget: ByteBudget) -> Markup {
    let (rows, left_out) = budget.first(report.coverage.iter().map(|(name, covered)| {
        html! {
            tr {
                td { code { (JournalText(&words::handler(name))) } }
                td .number { (number(covered.journals)) }
                td .number { (number(covered.reached)) }
                td .number { (number(covered.paths() as u64)) }
            }
        }
    }));
    let (not_covered, not_named) = budget.first(report.not_covered().enumerate().map(|(at, (service, handler))| {
        html! { @if at > 0 { ", " } code { (JournalText(&format!("{service}/{handler}"))) } }
    }));
    html! {
        section aria-labelledby="coverage-heading" {
            h2 #coverage-heading { "Coverage" }
            @if report.coverage.is_empty() { p { "Nothing was covered." } } @else {
                div .scroll {
                    table {
                        thead { tr {
                            th scope="col" { "Handler" } th scope="col" .number { "Journals" }
                            th scope="col" .number { "Reached the frontier" } th scope="col" .number { "Distinct paths" }
                        } }
                        tbody { (rows) }
                    }
                }
                @if left_out > 0 { p { "And " (count(left_out, "handler")) " more." } }
            }
            @if report.not_covered().next().is_some() {
                p { strong { "Not covered: " } (not_covered) @if not_named > 0 { " and " (number(not_named)) " more" } }
            }
        }
    }
}
