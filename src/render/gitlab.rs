//! The `gitlab` format: a code quality report, which GitLab shows in a merge request.

use std::io::{self, Write};

use serde::Serialize;

use super::text::count;
use super::{Render, SourceFiles, brief, words, write_json};
use crate::journal::InvocationInfo;
use crate::report::{Invocation, Report, Verdict};
use crate::rules::Level;
use crate::source::Ids;

/// The renderer of the `gitlab` format.
#[derive(Debug, Default)]
pub struct GitLab {
    pub sources: SourceFiles,
}

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    fingerprint: String,
    severity: &'static str,
    location: Location<'a>,
}

#[derive(Serialize)]
struct Location<'a> {
    path: &'a str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
}

impl Render for GitLab {
    fn invocation(&mut self, _invocation: &Invocation, _ids: &Ids, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, report: &Report, ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        let mut issues = Vec::new();
        for tally in report.fingerprints() {
            let finding = &tally.finding;
            let severity = match finding.level {
                _ if finding.excuse.is_some() => continue,
                Level::Error => "critical",
                Level::Warn => "minor",
                Level::Note => "info",
                Level::Off => continue,
            };
            let count = count(tally.count, "invocation");
            issues.push(Issue {
                description: format!(
                    "{}: {} ({count}, first {})",
                    words::handler_of(&tally.info),
                    words::one_line(finding),
                    brief(ids.id(tally.order).as_str())
                ),
                check_name: finding.rule,
                fingerprint: finding.fingerprint.clone(),
                severity,
                location: self.location(&tally.info),
            });
        }
        for group in report.groups().into_iter().filter(|group| group.is_unexplained()) {
            let example = &group.example;
            let failed = group.verdict == Verdict::Failed;
            let count = count(group.count, "invocation");
            let reason = brief(example.judgement.reason.as_deref().unwrap_or_default());
            issues.push(Issue {
                description: format!("{}: {reason} ({count})", words::handler_of(&example.info)),
                check_name: group.verdict.name(),
                fingerprint: group.id.clone(),
                severity: if failed { "critical" } else { "major" },
                location: self.location(&example.info),
            });
        }
        for reason in &report.gate.undecided {
            let description = reason.to_string();
            issues.push(Issue {
                fingerprint: format!("undecided: {description}"),
                description,
                check_name: "undecided",
                severity: "major",
                location: self.location(&InvocationInfo::default()),
            });
        }
        write_json(out, &issues)?;
        out.write_all(b"\n")
    }
}

impl GitLab {
    fn location(&self, info: &InvocationInfo) -> Location<'_> {
        Location { path: self.sources.or_fallback(info), lines: Lines { begin: 1 } }
    }
}
