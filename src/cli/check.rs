//! `rehearse check`

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use super::output::{Output, OutputFile, progress, warn};
use super::{Common, Failure, Redact, Select, Status, inputs};
use crate::check::{Options, check};
use crate::render::{Human, Json, JsonLines, Render};
use crate::report::Report;
use crate::source::{Input, Lost, open};

/// Check recorded journals against what a candidate does
///
/// Reads journals (Arrow IPC, rows as JSON, the readable form; told by content) and the step traces of a candidate in
/// the same formats: a candidate's own journals are its traces. Replays one on the other as an SDK would, and says for
/// every invocation whether it would replay, and if not, what changed and what to do.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rehearse check journals.arrow --against traces.jsonl
  rehearse check journals/ --against traces.arrow --service Order --format json -o report.json
  restate sql --jsonl \"select id, index, entry_type, raw, version from sys_journal\" | rehearse check - --against traces.jsonl")]
pub struct Check {
    /// Recorded journals: files, directories, or - for standard input
    #[arg(required = true, value_name = "JOURNALS")]
    journals: Vec<OsString>,
    /// The candidate: a file of its step traces
    #[arg(long, required = true, value_name = "CANDIDATE")]
    against: Vec<OsString>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    #[command(flatten)]
    output: OutputFile,
    #[command(flatten)]
    redact: Redact,
    #[command(flatten)]
    select: Select,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: groups of one cause, each with one invocation in full
    Human,
    /// One document (schemas/report.v1.json)
    Json,
    /// One line an invocation, as it is known
    Jsonl,
}

impl Check {
    pub fn run(&self, common: &Common) -> Result<Status, Failure> {
        let journals = inputs(&self.journals, "check")?;
        let against = inputs(&self.against, "check")?;
        if journals.contains(&Input::Stdin) && against.contains(&Input::Stdin) {
            return Err(Failure::Usage("journals and candidate can not both come from standard input".to_owned()));
        }
        let (recorded, candidate, ids) = open(&journals, &against)?;
        warn(&recorded.problems);
        warn(&candidate.problems);
        tracing::info!(journals = recorded.journal_count(), traces = candidate.journal_count(), "read");

        let mut output = Output::open(self.output.output.as_deref(), common.color)?;
        let mut render: Box<dyn Render> = match self.format {
            Format::Human => Box::new(Human { verbose: common.verbose > 0 }),
            Format::Json => Box::new(Json::default()),
            Format::Jsonl => Box::new(JsonLines),
        };
        let options = Options { redaction: self.redact.redaction(), selection: self.select.selection() };
        let bar = progress(recorded.journal_count());
        let mut report = Report::default();
        let mut written = Ok(());
        check(&recorded, &candidate, &ids, &options, |invocation| {
            bar.inc(1);
            report.add(&invocation);
            written = output.write(|out| render.invocation(&invocation, &ids, out));
            written.is_ok()
        });
        bar.finish_and_clear();
        written?;
        output.write(|out| render.finish(&report, &ids, out))?;
        output.finish()?;
        let rows_lost =
            recorded.problems.iter().chain(&candidate.problems).any(|problem| problem.lost == Lost::Rows);
        Ok(status(&report, rows_lost))
    }
}

fn status(report: &Report, rows_lost: bool) -> Status {
    let summary = &report.summary;
    if summary.mismatch + summary.failed > 0 {
        Status::Mismatch
    } else if summary.checked == 0 || summary.inconclusive > 0 || rows_lost {
        Status::Undecided
    } else {
        Status::Compatible
    }
}
