//! `rehearse check`

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use super::live::{LiveFlags, WARNING, block_on, is_url};
use super::output::{Output, OutputFile, progress, warn};
use super::{Common, Failure, Redact, Select, Status, inputs};
use crate::candidate::check_live;
use crate::check::{Options, check};
use crate::journal::{IdOrder, InvocationInfo};
use crate::render::{Human, Json, JsonLines, Render};
use crate::report::{Invocation, Judgement, Report};
use crate::source::{Corpus, Ids, Input, Journals, Lost, open};

const EXAMPLES: &str = "\
Examples:
  rehearse check journals.arrow --against http://localhost:9080
  rehearse check journals.arrow --against traces.jsonl
  rehearse check journals/ --against traces.arrow --service Order --format json -o report.json
  restate sql --jsonl \"select id, index, entry_type, raw, version from sys_journal\" | rehearse check - --against traces.jsonl";

/// Check recorded journals against what a candidate does
///
/// Reads journals (Arrow IPC, rows as JSON, the readable form; told by content) and the step traces of a candidate in
/// the same formats: a candidate's own journals are its traces. Replays one on the other as an SDK would, and says for
/// every invocation whether it would replay, and if not, what changed and what to do.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{WARNING}"))]
pub struct Check {
    /// Recorded journals: files, directories, or - for standard input
    #[arg(required = true, value_name = "JOURNALS")]
    journals: Vec<OsString>,
    /// The candidate: the URL of a deployment, or a file of its step traces
    #[arg(long, required = true, value_name = "CANDIDATE")]
    against: Vec<OsString>,
    #[command(flatten)]
    live: LiveFlags,
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
        let live = self.against.iter().find_map(|against| against.to_str().filter(|text| is_url(text)));
        if live.is_some() && self.against.len() > 1 {
            return Err(Failure::Usage(
                "a live candidate is checked against by itself: give --against once".to_owned(),
            ));
        }
        let against = if live.is_some() { Vec::new() } else { inputs(&self.against, "check")? };
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
        let mut take = |invocation: Invocation| {
            bar.inc(1);
            report.add(&invocation);
            written = output.write(|out| render.invocation(&invocation, &ids, out));
            written.is_ok()
        };
        let done = match live {
            None => {
                check(&recorded, &candidate, &ids, &options, take);
                Ok(())
            }
            Some(url) => block_on(self.check_live(url, &recorded, &ids, &options, &mut take)).and_then(|done| done),
        };
        bar.finish_and_clear();
        let interrupted = matches!(done, Err(Failure::Interrupted));
        if !interrupted {
            done?;
        }
        written?;
        output.write(|out| render.finish(&report, &ids, out))?;
        output.finish()?;
        let rows_lost = recorded.problems.iter().chain(&candidate.problems).any(|problem| problem.lost == Lost::Rows);
        if interrupted {
            return Err(Failure::Interrupted);
        }
        Ok(status(&report, rows_lost))
    }
}

impl Check {
    async fn check_live(
        &self,
        url: &str,
        recorded: &Corpus,
        ids: &Ids,
        options: &Options,
        take: &mut impl FnMut(Invocation) -> bool,
    ) -> Result<(), Failure> {
        let live = self.live.discover(url, options.redaction).await?;
        tracing::info!(candidate = %live, "discovered");
        if !self.live.options(options.redaction).trace || !live.sdk().can_be_traced() {
            tracing::warn!(
                "mismatches are not traced: {}",
                if live.sdk().can_be_traced() { "--no-trace" } else { "tracing has not been tried with this SDK" }
            );
        }
        let selection = &options.selection;
        let selected = Journals::new(recorded, ids)
            .filter(|(order, info, _)| selection.fits(ids.id(*order).as_str(), info))
            .take(usize::try_from(selection.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX));
        let judge = check_live(&live, selected, |order, info, judgement| take(invocation(order, info, judgement)));
        tokio::select! {
            () = judge => Ok(()),
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    }
}

fn invocation(order: IdOrder, info: InvocationInfo, judgement: Judgement) -> Invocation {
    let Judgement { verdict, commands, frontier_reached, findings, reason } = judgement;
    Invocation { order, info, verdict, commands, frontier_reached, findings, reason, path: 0 }
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
