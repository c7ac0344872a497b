//! The `github` format: workflow commands that GitHub Actions shows as annotations. The step's summary is in the
//! `markdown` format.

use std::io::{self, Write};

use super::text::count;
use super::{Render, SourceFiles, brief, words};
use crate::journal::InvocationInfo;
use crate::policy::gate::GateOutcome;
use crate::report::{Invocation, Report, Verdict};
use crate::rules::{self, Level, Rule};
use crate::source::Ids;

/// GitHub shows this many annotations of each kind for a step, and silently drops the rest.
const MOST_OF_KIND: usize = 10;

/// The renderer of the `github` format.
#[derive(Debug, Default)]
pub struct GitHub {
    pub sources: SourceFiles,
}

/// One annotation.
struct Annotation<'a> {
    command: &'static str,
    file: Option<&'a str>,
    title: String,
    message: String,
}

impl Render for GitHub {
    fn invocation(&mut self, _invocation: &Invocation, _ids: &Ids, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        let annotations = self.annotations(report, ids);
        for kind in ["error", "warning", "notice"] {
            let mut of_kind = annotations.iter().filter(|annotation| annotation.command == kind).peekable();
            for _ in 0..MOST_OF_KIND - 1 {
                let Some(annotation) = of_kind.next() else { break };
                annotation.write(out)?;
            }
            let left: Vec<_> = of_kind.collect();
            match left[..] {
                [] => {}
                [last] => last.write(out)?,
                _ => {
                    let message = "the summary of this step, or another report format, lists them all".to_owned();
                    let title = format!("rehearse: {} more", left.len());
                    Annotation { command: kind, file: None, title, message }.write(out)?;
                }
            }
        }
        Ok(())
    }
}

impl GitHub {
    fn annotations<'a>(&'a self, report: &'a Report, ids: &Ids) -> Vec<Annotation<'a>> {
        let gate = &report.gate;
        let mut annotations = Vec::new();
        let file = |info: &InvocationInfo| self.sources.of(info);
        for group in report.groups().into_iter().filter(|group| group.is_unexplained()) {
            let example = &group.example;
            let count = count(group.count, "invocation");
            let reason = brief(example.judgement.reason.as_deref().unwrap_or_default());
            annotations.push(Annotation {
                command: if group.verdict == Verdict::Failed { "error" } else { "warning" },
                file: file(&example.info),
                title: format!("{}: {}", group.verdict.name(), words::handler_of(&example.info)),
                message: format!("{reason} ({count}, first {})", brief(ids.id(example.order).as_str())),
            });
        }
        for tally in report.fingerprints() {
            let finding = &tally.finding;
            let command = match finding.level {
                _ if finding.excuse.is_some() => continue,
                Level::Error => "error",
                Level::Warn => "warning",
                Level::Note => "notice",
                Level::Off => continue,
            };
            let advice = rules::find(finding.rule).map(Rule::advice).unwrap_or_default();
            let count = count(tally.count, "invocation");
            let first = ids.id(tally.order);
            annotations.push(Annotation {
                command,
                file: file(&tally.info),
                title: format!("{}: {}", finding.rule, words::handler_of(&tally.info)),
                message: format!(
                    "{} ({count}, first {})\nTo do: {advice}",
                    words::one_line(finding),
                    brief(first.as_str())
                ),
            });
        }
        let outcome = gate.outcome();
        let result = match outcome {
            GateOutcome::Passed => "everything that was checked replays".to_owned(),
            GateOutcome::Failed | GateOutcome::Undecided => gate.reasons().join("; "),
        };
        let command = match outcome {
            GateOutcome::Passed => "notice",
            GateOutcome::Failed | GateOutcome::Undecided => "error",
        };
        let checked = count(report.summary.checked, "invocation");
        let message = format!("{checked} checked: {result}");
        // The outcome comes first, so that GitHub never drops it.
        annotations
            .insert(0, Annotation { command, file: None, title: format!("rehearse {}", outcome.name()), message });
        annotations
    }
}

impl Annotation<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "::{} title={}", self.command, property(&self.title))?;
        if let Some(file) = self.file {
            write!(out, ",file={},line=1", property(file))?;
        }
        writeln!(out, "::{}", data(&self.message))
    }
}

/// Escapes a message: the characters that end it, and the escape character itself.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property, which `:` and `,` end as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
