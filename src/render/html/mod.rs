//! `html`: one file that needs nothing else. It reads without scripts; with them it filters.
//!
//! Every text out of a journal goes in as [`Text`], which escapes it for people, and maud escapes it for HTML. A
//! content security policy names the one style and the one script by their hashes, so nothing else would run even so.

mod cause;
mod table;
mod text;

use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use table::Row;
use text::Text;

use super::{Render, human, words};
use crate::gate::Outcome;
use crate::policy::AcceptanceState;
use crate::report::{Invocation, Report};
use crate::source::Ids;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Of `style.css` and `script.js`; a test tells what they have to be.
const STYLE_HASH: &str = "sha256-wujQkVBg4tk9O8MilI9B/1M0MsRMaFsz4ODeqQF6TFc=";
const SCRIPT_HASH: &str = "sha256-tLPH1dbMHOWdm1tAy8o7qqWj6u++WUMJ3HAXn0vc4ZM=";

/// Causes are shown in full up to here, and by name from here on.
const MOST_BYTES_OF_CAUSES: usize = 4 << 20;

/// Collects a line an invocation.
#[derive(Debug, Default)]
pub struct Html {
    rows: Vec<Row>,
}

impl Render for Html {
    fn invocation(&mut self, invocation: &Invocation, ids: &Ids, _out: &mut dyn Write) -> io::Result<()> {
        self.rows.push(Row::of(invocation, ids));
        Ok(())
    }

    fn finish(&mut self, report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        self.rows.sort_by_key(|row| row.rank);
        let policy = format!(
            "default-src 'none'; style-src '{STYLE_HASH}'; script-src '{SCRIPT_HASH}'; base-uri 'none'; \
             form-action 'none'"
        );
        let outcome = report.gate.outcome().name();
        let title = format!("rehearse: {outcome}, {}", words::count(report.summary.checked, "invocation"));
        let head = html! {
            (DOCTYPE)
            (PreEscaped("<html lang=\"en\">"))
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            (PreEscaped("<body>"))
            a .skip href="#causes" { "Skip to the causes" }
            (header(report))
            (PreEscaped("<main>"))
            (table::filters(report, &self.rows))
        };
        out.write_all(head.into_string().as_bytes())?;
        write_causes(report, ids, out)?;
        out.write_all(html! { (policy_section(report)) (coverage(report)) }.into_string().as_bytes())?;
        table::write(&self.rows, out)?;
        let foot = html! {
            (PreEscaped("</main>"))
            footer {
                p {
                    "rehearse " (env!("CARGO_PKG_VERSION"))
                    ". A check proves what it covered: what the candidate does beyond the frontier, the end of what was \
                     recorded, is not judged."
                }
            }
            script { (PreEscaped(SCRIPT)) }
            (PreEscaped("</body></html>\n"))
        };
        out.write_all(foot.into_string().as_bytes())
    }
}

fn header(report: &Report) -> Markup {
    let gate = &report.gate;
    let (class, said) = match gate.outcome() {
        Outcome::Passed => ("good", "passed"),
        Outcome::Failed => ("bad", "failed"),
        Outcome::Undecided => ("unsure", "undecided"),
    };
    let summary = &report.summary;
    let numbers = [
        ("checked", summary.checked, ""),
        ("compatible", summary.compatible, "good"),
        ("mismatch", summary.mismatch, "bad"),
        ("failed", summary.failed, "bad"),
        ("inconclusive", summary.inconclusive, "unsure"),
        ("excused", summary.excused, "unsure"),
    ];
    html! {
        header {
            h1 { "rehearse " span .badge.(class) { (said) } @if gate.report_only { " " span .badge { "report only" } } }
            @if !gate.reasons().is_empty() {
                ul .reasons { @for reason in gate.reasons() { li { (reason) } } }
            }
            dl .numbers {
                @for (name, count, class) in numbers {
                    div .(if count > 0 { class } else { "" }) { dt { (name) } dd { (human::number_u64(count)) } }
                }
            }
            @if let Some(proofs) = &report.proofs {
                p { "Proof: a divergence was injected into " (words::count(proofs.injected, "trace")) "; "
                    (human::number_u64(proofs.caught)) " caught, " (human::number_u64(proofs.stopped))
                    " would have failed the run." }
            }
        }
    }
}

fn write_causes(report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
    let groups = report.groups();
    let heading = html! {
        (PreEscaped("<section id=\"causes\" aria-labelledby=\"causes-heading\">"))
        h2 #causes-heading { "Causes" }
        @if groups.is_empty() { p { "None: everything that was checked replays." } }
    };
    out.write_all(heading.into_string().as_bytes())?;
    let mut written = 0;
    for group in groups {
        let shown = if written < MOST_BYTES_OF_CAUSES { cause::full(group, ids) } else { cause::brief(group, ids) };
        let shown = shown.into_string();
        written += shown.len();
        out.write_all(shown.as_bytes())?;
    }
    let notes = html! {
        @if !report.notes.is_empty() {
            h3 { "Notes" }
            p { "Replay does not mind these." }
            ul {
                @for (rule, (count, example)) in &report.notes {
                    li {
                        code { (rule) } " in " (words::count(*count, "invocation")) ", first "
                        code { (Text(ids.id(example.order).as_str())) }
                    }
                }
            }
        }
        (PreEscaped("</section>"))
    };
    out.write_all(notes.into_string().as_bytes())
}

fn policy_section(report: &Report) -> Markup {
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
                        tbody {
                            @for (acceptance, state) in &report.acceptances {
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
                    }
                }
            }
        }
    }
}

fn coverage(report: &Report) -> Markup {
    let not_covered: Vec<_> = report.not_covered().collect();
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
                        tbody {
                            @for (name, covered) in &report.coverage {
                                tr {
                                    td { code { (Text(&words::handler(name))) } }
                                    td .number { (human::number_u64(covered.journals)) }
                                    td .number { (human::number_u64(covered.reached)) }
                                    td .number { (human::number_u64(covered.paths() as u64)) }
                                }
                            }
                        }
                    }
                }
            }
            @if !not_covered.is_empty() {
                p { strong { "Not covered: " }
                    @for (at, (service, handler)) in not_covered.iter().enumerate() {
                        @if at > 0 { ", " }
                        code { (Text(&format!("{service}/{handler}"))) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_policy_names_the_style_and_the_script() {
        for (text, hash) in [(STYLE, STYLE_HASH), (SCRIPT, SCRIPT_HASH)] {
            assert_eq!(format!("sha256-{}", STANDARD.encode(Sha256::digest(text))), hash);
            assert!(!text.contains("</"), "it would end its element");
        }
    }
}
