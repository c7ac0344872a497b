//! What the run was held to: findings that were accepted, and what was covered.

use maud::{Markup, html};

use super::room::Room;
use super::text::Text;
use crate::policy::{Acceptance, AcceptanceState};
use crate::render::{human, words};
use crate::report::Report;

pub fn policy(report: &Report, mut room: Room) -> Markup {
    let (rows, left_out) = room.first(report.acceptances.iter().map(|(acceptance, state)| accepted(acceptance, state)));
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
                @if left_out > 0 { p { "And " (words::count(left_out, "acceptance")) " more." } }
            }
        }
    }
}

fn accepted(acceptance: &Acceptance, state: &AcceptanceState) -> Markup {
    html! {
        tr {
            td { code { (Text(&acceptance.fingerprint)) } }
            td { @match state {
                AcceptanceState::Used { by } => { "lets " (words::count(*by, "finding")) " pass" }
                AcceptanceState::Unused => span .badge.unsure { "unused" },
                AcceptanceState::Expired { .. } => span .badge.bad { "expired" },
            } }
            td { (Text(&acceptance.author)) }
            td { (Text(&acceptance.reason)) }
            td { @if let Some(day) = acceptance.expires { (day) } }
        }
    }
}

pub fn coverage(report: &Report, mut room: Room) -> Markup {
    let (rows, left_out) = room.first(report.coverage.iter().map(|(name, covered)| {
        html! {
            tr {
                td { code { (Text(&words::handler(name))) } }
                td .number { (human::number_u64(covered.journals)) }
                td .number { (human::number_u64(covered.reached)) }
                td .number { (human::number_u64(covered.paths() as u64)) }
            }
        }
    }));
    let (not_covered, not_named) = room.first(report.not_covered().enumerate().map(|(at, (service, handler))| {
        html! { @if at > 0 { ", " } code { (Text(&format!("{service}/{handler}"))) } }
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
                @if left_out > 0 { p { "And " (words::count(left_out, "handler")) " more." } }
            }
            @if report.not_covered().next().is_some() {
                p { strong { "Not covered: " } (not_covered) @if not_named > 0 { " and " (human::number_u64(not_named)) " more" } }
            }
        }
    }
}
