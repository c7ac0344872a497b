//! `rehearse check`: the main command. It turns flags into settings, runs the check, and gives the exit status.

use std::ffi::OsString;

use clap::Args;

use super::cluster::ClusterFlags;
use super::failure::{Failure, Status};
use super::flags::{Common, Redact, Select};
use super::inputs::{journals, traces};
use super::interrupt::Interrupt;
use super::live::{LIVE, LiveFlags, WARNING, block_on};
use super::output::{OutputFile, progress, warn, warn_of};
use super::policy::{AcceptanceFile, GateFlags, PolicySettings};
use super::reports::{RenderSettings, ReportFormat, ReportTo, Reports};
use crate::check::live::{Live, LiveOptions, RunEnd, check_live};
use crate::check::{Options, ReportBuilder, check};
use crate::policy::Traces;
use crate::policy::gate::{Gate, GateOutcome};
use crate::render::{Accept, SourceFiles, brief};
use crate::report::{Invocation, Report};
use crate::source::{Corpus, Ids, Input, Lost, open};
use crate::transport::Candidate;

const EXAMPLES: &str = "\
Examples:
  rehearse check journals.arrow --against http://localhost:9080
  rehearse check journals.arrow --against arn:aws:lambda:eu-central-1:123456789012:function:orders:7
  rehearse check journals.arrow --against traces.jsonl
  rehearse check http://localhost:9070 --against http://localhost:9080 --status backing-off
  rehearse check journals/ --against traces.arrow --service Order --format json -o report.json
  rehearse check journals/ --against traces.arrow --report junit=rehearse.xml --report html=rehearse.html
  restate sql --jsonl \"select id, index, entry_type, raw, version from sys_journal\" | rehearse check - --against traces.jsonl";

/// Check recorded journals against what a candidate does
///
/// Reads journals, and replays each against the candidate as an SDK would. Says for every invocation whether it would
/// replay, and if not, what changed and what to do. The candidate is a live deployment, or a file of its step traces; a
/// candidate's own journals are its traces. Files may be Arrow IPC, JSON rows or the readable form: the content decides,
/// not the extension.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{WARNING}"))]
pub struct CheckCommand {
    /// Recorded journals: files, directories, - for standard input, or a cluster's admin URL
    #[arg(required = true, value_name = "JOURNALS")]
    journals: Vec<OsString>,
    /// The candidate: a deployment's URL, the ARN of a Lambda function, or a file of its step traces
    #[arg(long, required = true, value_name = "CANDIDATE")]
    against: Vec<OsString>,
    /// The format of the output
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    format: ReportFormat,
    /// Also write a report in another format to a file; may be repeated
    #[arg(long, value_name = "FORMAT=FILE")]
    report: Vec<ReportTo>,
    #[command(flatten)]
    output: OutputFile,
    #[command(flatten)]
    redact: Redact,
    #[command(flatten)]
    live: LiveFlags,
    /// Do not trace the candidate to explain a mismatch: report only the verdict
    #[arg(long, help_heading = LIVE)]
    no_trace: bool,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    cluster: ClusterFlags,
    #[command(flatten)]
    gate: GateFlags,
}

/// What journals are checked against.
enum CheckCandidate {
    /// A deployment, by its URL or ARN.
    Live(String),
    /// Step traces from files or standard input.
    Recorded(Vec<Input>),
}

/// The validated settings of one check.
struct CheckSettings {
    journals: Vec<Input>,
    candidate: CheckCandidate,
    policy: PolicySettings,
    options: Options,
}

impl CheckCommand {
    pub fn run(&self, common: &Common) -> Result<Status, Failure> {
        let CheckSettings { journals, candidate, policy, options } = self.settings()?;
        let (live, traces) = match candidate {
            CheckCandidate::Live(name) => (Some(name), Vec::new()),
            CheckCandidate::Recorded(traces) => (None, traces),
        };
        let (recorded, traced, ids) = open(&journals, &traces)?;
        warn(&recorded.problems);
        warn(&traced.problems);
        tracing::info!(journals = recorded.journal_count(), traces = traced.journal_count(), "read");

        let reports = self.open_reports(&policy, common)?;
        let PolicySettings { policy, requirements, file_settings, accept, file } = policy;
        let builder = ReportBuilder::new(policy, requirements, options.prove);
        let mut run = CheckRun { ids: &ids, builder, reports, written: Ok(()) };
        let bar = progress(recorded.journal_count());
        let interrupt = Interrupt::watch();
        let mut take = |invocation: Invocation| {
            bar.inc(1);
            run.take(invocation)
        };
        let (live, interrupted) = match live {
            None => {
                let mut interrupted = false;
                check(&recorded, &traced, &ids, &options, |invocation| {
                    interrupted = interrupt.came();
                    take(invocation) && !interrupted
                });
                (None, interrupted)
            }
            Some(name) => block_on(self.check_live(&name, &recorded, &ids, &options, &interrupt, &mut take))??,
        };
        bar.finish_and_clear();
        run.written?;
        let mut builder = run.builder;
        let mut problems = recorded.problems.iter().chain(&traced.problems);
        builder.set_losses(interrupted, problems.any(|problem| problem.lost == Lost::Rows));
        let listed = file_settings.handlers;
        let complete = live.is_some() || !listed.is_empty();
        let handlers = match &live {
            Some(live) => live.manifest().handlers().collect(),
            // Traces only hint at the candidate's handlers.
            None => traced.handlers_beside(&recorded),
        };
        builder.set_handlers(handlers.into_iter().chain(listed), complete, &options.selection);
        let report = builder.finish(&options.selection);
        run.reports.finish(report, &ids)?;
        if interrupted {
            return Err(Failure::Interrupted);
        }
        if !self.gate.accept {
            return Ok(status(&report.gate));
        }
        write_accepted(report, &accept, &file)?;
        if report.fingerprints_left_out > 0 {
            super::output::say("there are more findings to accept: run the same command again");
            return Ok(Status::Mismatch);
        }
        Ok(status(&builder.gate_when_accepted()))
    }

    fn settings(&self) -> Result<CheckSettings, Failure> {
        let candidate = self.candidate()?;
        let (origin, from_stdin) = match &candidate {
            CheckCandidate::Live(_) => (Traces::OfAReplay, false),
            CheckCandidate::Recorded(traces) => (Traces::OfAnotherRun, traces.contains(&Input::Stdin)),
        };
        let policy = self.gate.settings(origin)?;
        let journals = journals(&self.journals, &self.cluster, &self.select)?;
        if from_stdin && journals.contains(&Input::Stdin) {
            return Err(Failure::Usage("journals and candidate cannot both come from standard input".to_owned()));
        }
        let options = Options {
            redaction: self.redact.redaction(),
            selection: self.select.selection(),
            timelines: Reports::need_timelines(self.format, &self.report),
            prove: self.gate.prove,
        };
        Ok(CheckSettings { journals, candidate, policy, options })
    }

    fn candidate(&self) -> Result<CheckCandidate, Failure> {
        let live = self.against.iter().find_map(|name| name.to_str().filter(|text| Candidate::is_named_by(text)));
        match live {
            Some(_) if self.against.len() > 1 => {
                Err(Failure::Usage("only one live candidate can be checked at a time: give --against once".to_owned()))
            }
            Some(name) => Ok(CheckCandidate::Live(name.to_owned())),
            None => Ok(CheckCandidate::Recorded(traces(&self.against)?)),
        }
    }

    fn open_reports(&self, policy: &PolicySettings, common: &Common) -> Result<Reports, Failure> {
        let settings = RenderSettings {
            verbose: common.verbose > 0,
            sources: SourceFiles::new(policy.file_settings.sources.clone()),
            accept: policy.accept.clone(),
        };
        let output = self.output.output.clone();
        let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()).map(Into::into);
        Reports::open(self.format, output, &self.report, summary, &settings, common.color)
    }

    async fn check_live(
        &self,
        name: &str,
        recorded: &Corpus,
        ids: &Ids,
        options: &Options,
        interrupt: &Interrupt,
        take: &mut impl FnMut(Invocation) -> bool,
    ) -> Result<(Option<Live>, bool), Failure> {
        let defaults = self.live.options(options.redaction);
        let settings = LiveOptions { prove: options.prove, trace: !self.no_trace, ..defaults };
        let live = tokio::select! {
            live = self.live.discover(name, settings) => live?,
            () = interrupt.wait() => return Ok((None, true)),
        };
        tracing::info!("discovered {}", brief(&live.to_string()));
        if let Some(untraced) = live.untraced().filter(|_| settings.trace) {
            warn_of(&format!("mismatches are {untraced}"));
        }
        let selection = &options.selection;
        let selected = selection.journals(recorded, ids);
        let sink = |order, info, judgement| take(Invocation::new(order, info, judgement));
        let ended = check_live(&live, selected, interrupt.wait(), sink).await;
        Ok((Some(live), ended == RunEnd::Interrupted))
    }
}

/// One run: passes each judged invocation to the report and to the renderers.
struct CheckRun<'r> {
    ids: &'r Ids,
    builder: ReportBuilder,
    reports: Reports,
    written: Result<(), Failure>,
}

impl CheckRun<'_> {
    /// Returns whether to go on.
    fn take(&mut self, mut invocation: Invocation) -> bool {
        self.builder.add(&mut invocation);
        self.written = self.reports.invocation(&invocation, self.ids);
        self.written.is_ok()
    }
}

/// Writes acceptances for the findings that fail the run into the policy file.
#[expect(clippy::print_stderr, reason = "the answer to --accept, which is neither data nor a log line")]
fn write_accepted(report: &Report, accept: &Accept, file: &AcceptanceFile) -> Result<(), Failure> {
    let acceptances = accept.acceptances(report);
    if acceptances.is_empty() {
        eprintln!("there is nothing to accept");
    } else {
        let path = file.append(&acceptances)?;
        let noun = if acceptances.len() == 1 { "finding" } else { "findings" };
        eprintln!("accepted {} {noun} in {}", acceptances.len(), path.display());
    }
    Ok(())
}

fn status(gate: &Gate) -> Status {
    match gate.outcome() {
        _ if gate.report_only => Status::Compatible,
        GateOutcome::Passed => Status::Compatible,
        GateOutcome::Failed => Status::Mismatch,
        GateOutcome::Undecided => Status::Undecided,
    }
}
