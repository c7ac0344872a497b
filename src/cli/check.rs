//! `rehearse check`

use std::ffi::OsString;

use clap::Args;

use super::cluster::ClusterFlags;
use super::interrupt::Interrupt;
use super::live::{LIVE, LiveFlags, WARNING, block_on};
use super::output::{OutputFile, progress, warn, warn_of};
use super::policy::{GateFlags, Gatekeeper};
use super::reports::{Format, ReportTo, Reports, Setup};
use super::{Common, Failure, Redact, Select, Status, journals, traces};
use crate::check::live::{Ended, Live, LiveOptions, check_live};
use crate::check::{Options, Selection, check};
use crate::policy::gate::{Gate, Outcome, Proofs};
use crate::policy::{AcceptanceState, Traces};
use crate::render::{SourceFiles, brief};
use crate::report::{Invocation, Report};
use crate::source::{Corpus, Ids, Input, Journals, Lost, open};
use crate::transport::Deployment;

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
/// Reads journals (Arrow IPC, rows as JSON, the readable form; told by content) and the step traces of a candidate in
/// the same formats: a candidate's own journals are its traces. Replays one on the other as an SDK would, and says for
/// every invocation whether it would replay, and if not, what changed and what to do.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{WARNING}"))]
pub struct Check {
    /// Recorded journals: files, directories, - for standard input, or a cluster's admin URL
    #[arg(required = true, value_name = "JOURNALS")]
    journals: Vec<OsString>,
    /// The candidate: a deployment's URL, the ARN of a Lambda function, or a file of its step traces
    #[arg(long, required = true, value_name = "CANDIDATE")]
    against: Vec<OsString>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Write a report in another format as well; may be given several times
    #[arg(long, value_name = "FORMAT=FILE")]
    report: Vec<ReportTo>,
    #[command(flatten)]
    output: OutputFile,
    #[command(flatten)]
    redact: Redact,
    #[command(flatten)]
    live: LiveFlags,
    /// Only the verdict: do not trace the candidate to explain a mismatch
    #[arg(long, help_heading = LIVE)]
    no_trace: bool,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    cluster: ClusterFlags,
    #[command(flatten)]
    gate: GateFlags,
}

impl Check {
    pub fn run(&self, common: &Common) -> Result<Status, Failure> {
        let journals = journals(&self.journals, &self.cluster, &self.select)?;
        let live =
            self.against.iter().find_map(|against| against.to_str().filter(|text| Deployment::is_named_by(text)));
        if live.is_some() && self.against.len() > 1 {
            return Err(Failure::Usage(
                "a live candidate is checked against by itself: give --against once".to_owned(),
            ));
        }
        let against = if live.is_some() { Vec::new() } else { traces(&self.against)? };
        if journals.contains(&Input::Stdin) && against.contains(&Input::Stdin) {
            return Err(Failure::Usage("journals and candidate can not both come from standard input".to_owned()));
        }
        let traces = if live.is_some() { Traces::OfAReplay } else { Traces::OfAnotherRun };
        let keeper = self.gate.gatekeeper(traces)?;
        let (recorded, candidate, ids) = open(&journals, &against)?;
        warn(&recorded.problems);
        warn(&candidate.problems);
        tracing::info!(journals = recorded.journal_count(), traces = candidate.journal_count(), "read");

        let setup = Setup {
            verbose: common.verbose > 0,
            sources: SourceFiles::new(keeper.settings.sources.clone()),
            accept: keeper.accept.clone(),
        };
        let output = self.output.output.clone();
        let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()).map(Into::into);
        let reports = Reports::open(self.format, output, &self.report, summary, &setup, common.color)?;
        let options = Options {
            redaction: self.redact.redaction(),
            selection: self.select.selection(),
            timelines: reports.show_timelines(),
            prove: self.gate.prove,
        };
        let mut run = Run { ids: &ids, keeper, reports, report: Report::default(), unacceptable: 0, written: Ok(()) };
        run.report.proofs = self.gate.prove.then(Proofs::default);
        let bar = progress(recorded.journal_count());
        let interrupt = Interrupt::watch();
        let mut take = |invocation: Invocation| {
            bar.inc(1);
            run.take(invocation)
        };
        let (live, interrupted) = match live {
            None => {
                let mut interrupted = false;
                check(&recorded, &candidate, &ids, &options, |invocation| {
                    interrupted = interrupt.came();
                    take(invocation) && !interrupted
                });
                (None, interrupted)
            }
            Some(url) => block_on(self.check_live(url, &recorded, &ids, &options, &interrupt, &mut take))??,
        };
        bar.finish_and_clear();
        run.report.interrupted = interrupted;
        let mut problems = recorded.problems.iter().chain(&candidate.problems);
        run.report.rows_lost = problems.any(|problem| problem.lost == Lost::Rows);
        run.cover(live.as_ref(), &recorded, &candidate, &options.selection);
        let status = run.finish(&options.selection, self.gate.accept && !interrupted)?;
        if interrupted { Err(Failure::Interrupted) } else { Ok(status) }
    }

    async fn check_live(
        &self,
        url: &str,
        recorded: &Corpus,
        ids: &Ids,
        options: &Options,
        interrupt: &Interrupt,
        take: &mut impl FnMut(Invocation) -> bool,
    ) -> Result<(Option<Live>, bool), Failure> {
        let defaults = self.live.options(options.redaction);
        let settings = LiveOptions { prove: options.prove, trace: !self.no_trace, ..defaults };
        let live = tokio::select! {
            live = self.live.discover(url, settings) => live?,
            () = interrupt.wait() => return Ok((None, true)),
        };
        tracing::info!("discovered {}", brief(&live.to_string()));
        if let Some(untraced) = live.untraced().filter(|_| settings.trace) {
            warn_of(&format!("mismatches are {untraced}"));
        }
        let selection = &options.selection;
        let selected = Journals::new(recorded, ids)
            .filter(|(order, info, _)| selection.fits(ids.id(*order).as_str(), info))
            .take(usize::try_from(selection.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX));
        let sink = |order, info, judgement| take(Invocation::new(order, info, judgement));
        let ended = check_live(&live, selected, interrupt.wait(), sink).await;
        Ok((Some(live), ended == Ended::Interrupted))
    }
}

/// What invocations go through once they are judged.
struct Run<'r> {
    ids: &'r Ids,
    keeper: Gatekeeper,
    reports: Reports,
    report: Report,
    /// How many fail the run for something that can not be accepted.
    unacceptable: u64,
    written: Result<(), Failure>,
}

impl Run<'_> {
    fn take(&mut self, mut invocation: Invocation) -> bool {
        let fail_on = self.keeper.requirements.fail_on;
        invocation.judge(&mut self.keeper.policy, fail_on);
        if invocation.fails && !invocation.judgement.findings.iter().any(|finding| finding.weighs(fail_on)) {
            self.unacceptable += 1;
        }
        self.report.add(&invocation);
        self.written = self.reports.invocation(&invocation, self.ids);
        self.written.is_ok()
    }

    /// Which handlers the candidate has: a live one says so, traces only hint at it.
    fn cover(&mut self, live: Option<&Live>, recorded: &Corpus, candidate: &Corpus, selection: &Selection) {
        let report = &mut self.report;
        let listed = &self.keeper.settings.handlers;
        report.all_handlers_known = live.is_some() || !listed.is_empty();
        report.candidate_handlers = match live {
            Some(live) => live.manifest().handlers().collect(),
            None => candidate.handlers_beside(recorded),
        };
        report.candidate_handlers.extend(listed.iter().cloned());
        report.candidate_handlers.retain(|name| selects(selection, name));
    }

    fn finish(mut self, selection: &Selection, accept: bool) -> Result<Status, Failure> {
        self.written?;
        // In a part of the journals, what is unused may be used by the others.
        let everything = selection.is_everything() && selection.limit.is_none();
        let states = self.keeper.policy.acceptances();
        let states = states.filter(|(_, state)| everything || *state != AcceptanceState::Unused);
        self.report.acceptances = states.map(|(acceptance, state)| (acceptance.clone(), state)).collect();
        self.report.decide(&self.keeper.requirements);
        self.reports.finish(&self.report, self.ids)?;
        if accept { self::accept(&self.report, &self.keeper, self.unacceptable) } else { Ok(status(&self.report.gate)) }
    }
}

/// Writes what fails the run into the policy file; the status is what it would be with that there.
fn accept(report: &Report, keeper: &Gatekeeper, unacceptable: u64) -> Result<Status, Failure> {
    let acceptances = keeper.accept.acceptances(report);
    if acceptances.is_empty() {
        eprintln!("there is nothing to accept");
    } else {
        let file = keeper.write(&acceptances)?;
        let noun = if acceptances.len() == 1 { "finding" } else { "findings" };
        eprintln!("accepted {} {noun} in {}", acceptances.len(), file.display());
    }
    if report.fingerprints_left_out > 0 {
        eprintln!("there are more: run it again");
        return Ok(Status::Mismatch);
    }
    let gate = Gate { failing: unacceptable, ..report.gate.clone() };
    Ok(status(&gate))
}

fn selects(selection: &Selection, (service, handler): &(String, String)) -> bool {
    let one_of = |wanted: &[String], have: &String| wanted.is_empty() || wanted.contains(have);
    one_of(&selection.services, service) && one_of(&selection.handlers, handler)
}

fn status(gate: &Gate) -> Status {
    match gate.outcome() {
        _ if gate.report_only => Status::Compatible,
        Outcome::Passed => Status::Compatible,
        Outcome::Failed => Status::Mismatch,
        Outcome::Undecided => Status::Undecided,
    }
}
