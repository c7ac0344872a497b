//! The `html` format: one self-contained page. It is readable without scripts; with scripts it can be filtered.
//!
//! Every text from a journal enters the page as [`JournalText`], which escapes it for people and for HTML. Besides, a
//! content security policy allows only the page's own style and script, by their hashes.

mod budget;
mod cause;
mod details;
mod invocation;
mod journal_text;
mod sections;
mod table;

use std::io::{self, Write};

use budget::ByteBudget;
use cause::{CauseLength, cause};
use details::Details;
use journal_text::JournalText;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use table::{Handlers, InvocationTable};

use super::text::{count, number};
use super::{Render, words};
use crate::policy::gate::GateOutcome;
use crate::report::{Invocation, Report, Verdict};
use crate::source::Ids;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The hashes of `style.css` and `script.js`; a test compares them.
const STYLE_HASH: &str = "sha256-nlIahBj6hHyOw3+gdm8RSuqtxWpTo+6ABIeEuWAdC98=";
const SCRIPT_HASH: &str = "sha256-HR8iI/pm+btJS214ck51VgJEhI30w2M/tvd+EipUbjE=";

/// The bytes that the parts of the page may take: 8 MiB in all, however many journals there are.
const CAUSES: ByteBudget = ByteBudget::of(1 << 20);
const DETAILS: ByteBudget = ByteBudget::of(3 << 20);
const ROWS: ByteBudget = ByteBudget::of(3 << 20);
const LISTS: ByteBudget = ByteBudget::of(256 << 10);

/// The renderer of the `html` format. It collects a line for each invocation, and the details of those that are not
/// compatible.
#[derive(Debug)]
pub struct Html {
    rows: InvocationTable,
    details: Details,
}

impl Default for Html {
    fn default() -> Self {
        Self { rows: InvocationTable::default(), details: Details::new(DETAILS) }
    }
}

impl Render for Html {
    fn invocation(&mut self, invocation: &Invocation, ids: &Ids, _out: &mut dyn Write) -> io::Result<()> {
        if !self.rows.has_room_for(invocation.judgement.verdict) {
            return Ok(());
        }
        let page = match invocation.judgement.verdict {
            Verdict::Compatible => None,
            Verdict::Mismatch | Verdict::Failed | Verdict::Inconclusive => {
                self.details.add(|| invocation::full(invocation, ids).into_string())
            }
        };
        self.rows.add(invocation, page, ids);
        Ok(())
    }

    fn finish(&mut self, report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        self.rows.sort();
        let handlers = self.rows.handlers();
        let policy = format!(
            "default-src 'none'; style-src '{STYLE_HASH}'; script-src '{SCRIPT_HASH}'; base-uri 'none'; \
             form-action 'none'"
        );
        let outcome = report.gate.outcome().name();
        let title = format!("rehearse: {outcome}, {}", count(report.summary.checked, "invocation"));
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
            (table::filters(report, &self.rows, &handlers, LISTS))
        };
        out.write_all(head.into_string().as_bytes())?;
        write_causes(report, &handlers, ids, out)?;
        out.write_all(
            html! { (sections::policy(report, LISTS)) (sections::coverage(report, LISTS)) }.into_string().as_bytes(),
        )?;
        table::write(&self.rows, &handlers, report, ROWS, out)?;
        self.details.write(out)?;
        let foot = html! {
            (PreEscaped("</main>"))
            footer {
                p {
                    "rehearse " (env!("CARGO_PKG_VERSION"))
                    ". A check proves only what it covered. What the candidate does beyond the frontier, the end of the \
                     recorded commands, is not judged."
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
    let (class, outcome) = match gate.outcome() {
        GateOutcome::Passed => ("good", "passed"),
        GateOutcome::Failed => ("bad", "failed"),
        GateOutcome::Undecided => ("unsure", "undecided"),
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
            h1 { "rehearse " span .badge.(class) { (outcome) } @if gate.report_only { " " span .badge { "report only" } } }
            @if !gate.reasons().is_empty() {
                ul .reasons { @for reason in gate.reasons() { li { (reason) } } }
            }
            dl .numbers {
                @for (name, count, class) in numbers {
                    div .(if count > 0 { class } else { "" }) { dt { (name) } dd { (number(count)) } }
                }
            }
            @if let Some(proofs) = &report.proofs {
                p { "Proof: a divergence was injected into " (count(proofs.injected, "trace")) ": "
                    (number(proofs.caught)) " caught, " (number(proofs.stopped))
                    " would have failed the run." }
            }
        }
    }
}

fn write_causes(report: &Report, handlers: &Handlers<'_>, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
    let groups = report.groups();
    let heading = html! {
        (PreEscaped("<section id=\"causes\" aria-labelledby=\"causes-heading\">"))
        h2 #causes-heading { "Causes" }
        @if groups.is_empty() { p { "None: everything that was checked replays." } }
    };
    out.write_all(heading.into_string().as_bytes())?;
    let (mut full, mut brief) = (CAUSES, LISTS);
    let mut left_out = 0;
    for group in groups {
        let handler = handlers.number(&words::handler_of(&group.example.info));
        let written = [(CauseLength::Full, &mut full), (CauseLength::Brief, &mut brief)].into_iter().find_map(
            |(shown, budget)| {
                let text = if budget.is_full() { None } else { Some(cause(group, handler, shown, ids).into_string()) };
                text.filter(|text| budget.take_if_it_fits(text.len()))
            },
        );
        match written {
            Some(text) => out.write_all(text.as_bytes())?,
            None => left_out += 1,
        }
    }
    let notes = html! {
        @if left_out > 0 { p { "And " (count(left_out, "cause")) " more; --format json lists them all." } }
        @if !report.notes.is_empty() {
            h3 { "Notes" }
            p { "These differences do not stop replay." }
            ul {
                @for (rule, (invocations, example)) in &report.notes {
                    li {
                        code { (rule) } " in " (count(*invocations, "invocation")) ", first "
                        code { (JournalText(ids.id(example.order).as_str())) }
                    }
                }
            }
        }
        (PreEscaped("</section>"))
    };
    out.write_all(notes.into_string().as_bytes())
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
