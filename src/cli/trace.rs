//! `rehearse trace`: writes a live candidate's step traces to a file.

use std::ffi::OsString;

use clap::Args;

use super::cluster::ClusterFlags;
use super::failure::{Failure, Status};
use super::flags::{Common, Select};
use super::inputs::journals;
use super::interrupt::Interrupt;
use super::live::{LiveFlags, WARNING, block_on};
use super::output::{Output, OutputFile, progress, warn, warn_of};
use crate::check::live::{RunEnd, in_order};
use crate::journal::Journal;
use crate::render::write_trace;
use crate::report::PANICKED;
use crate::rules::Redaction;
use crate::source::open;
use crate::transport::Candidate;

/// Write the candidate's step trace, to check offline later
///
/// Replays each journal on a live deployment, and writes the candidate's steps in the readable form, one trace per line.
/// `rehearse check JOURNALS --against FILE` then checks against this file. A trace follows from the verdict of the
/// candidate's own SDK, so that file gives the verdicts that a live check gives. A journal without a verdict has no trace.
#[derive(Debug, Args)]
#[command(after_help = WARNING)]
pub struct TraceCommand {
    /// Recorded journals: files, directories, - for standard input, or a cluster's admin URL
    #[arg(required = true, value_name = "JOURNALS")]
    journals: Vec<OsString>,
    /// The candidate: a deployment's URL, or the ARN of a Lambda function
    #[arg(long, required = true, value_name = "CANDIDATE")]
    against: String,
    #[command(flatten)]
    output: OutputFile,
    #[command(flatten)]
    live: LiveFlags,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    cluster: ClusterFlags,
}

impl TraceCommand {
    pub fn run(&self, common: &Common) -> Result<Status, Failure> {
        if !Candidate::is_named_by(&self.against) {
            return Err(Failure::Usage(format!(
                "{} is neither a URL nor an ARN: only a live candidate can be traced",
                self.against
            )));
        }
        let (recorded, _, ids) = open(&journals(&self.journals, &self.cluster, &self.select)?, &[])?;
        warn(&recorded.problems);
        let mut output = Output::open(self.output.output.as_deref(), common.color)?;
        let bar = progress(recorded.journal_count());
        let selection = self.select.selection();
        let (mut traced, mut failed) = (0u64, 0u64);
        let mut written = Ok(());
        let interrupt = Interrupt::watch();
        let work = async {
            let options = self.live.options(Redaction::Shown);
            let live = tokio::select! {
                live = self.live.discover(&self.against, options) => live?,
                () = interrupt.wait() => return Err(Failure::Interrupted),
            };
            if let Some(untraced) = live.untraced() {
                return Err(Failure::Usage(format!("{live} is {untraced}")));
            }
            let selected = selection.journals(&recorded, &ids);
            let live = &live;
            let trace = |journal: Result<Journal, String>, _| async move { live.trace(&journal?).await };
            let ended = in_order(selected, live.concurrency(), trace, interrupt.wait(), |order, info, trace| {
                bar.inc(1);
                let id = ids.id(order);
                match trace.unwrap_or_else(|_| Err(PANICKED.to_owned())) {
                    Ok(trace) => {
                        traced += 1;
                        written = output.write(|out| write_trace(&id, &info, &trace, out));
                    }
                    Err(reason) => {
                        failed += 1;
                        warn_of(&format!("{id}: {reason}"));
                    }
                }
                written.is_ok()
            });
            Ok(ended.await)
        };
        let ended = block_on(work)?;
        bar.finish_and_clear();
        let ended = ended?;
        written?;
        output.finish()?;
        if ended == RunEnd::Interrupted {
            return Err(Failure::Interrupted);
        }
        Ok(if traced == 0 || failed > 0 { Status::Undecided } else { Status::Compatible })
    }
}
