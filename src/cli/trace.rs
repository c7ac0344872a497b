//! `rehearse trace`

use std::ffi::OsString;

use clap::Args;
use futures_util::{StreamExt, stream};

use super::cluster::ClusterFlags;
use super::live::{LiveFlags, WARNING, block_on};
use super::output::{Output, OutputFile, progress, warn};
use super::{Common, Failure, Select, Status, journals};
use crate::candidate::Deployment;
use crate::render::write_trace;
use crate::rules::Redaction;
use crate::source::{Journals, open};

/// Write the candidate's step trace, to check offline later
///
/// Re-executes each journal's handler on a live deployment with all of its recorded results, and writes what it did in
/// the readable form, one trace a line: `rehearse check JOURNALS --against FILE` checks against it.
#[derive(Debug, Args)]
#[command(after_help = WARNING)]
pub struct Trace {
    /// Recorded journals: files, directories, - for standard input, or a cluster's admin URL
    #[arg(required = true, value_name = "JOURNALS")]
    journals: Vec<OsString>,
    /// The candidate: a deployment's URL, or the ARN of a Lambda function
    #[arg(long, required = true, value_name = "CANDIDATE")]
    against: String,
    #[command(flatten)]
    live: LiveFlags,
    #[command(flatten)]
    output: OutputFile,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    cluster: ClusterFlags,
}

impl Trace {
    pub fn run(&self, common: &Common) -> Result<Status, Failure> {
        if !Deployment::is_named_by(&self.against) {
            return Err(Failure::Usage(format!(
                "{} is neither URL nor ARN: only a live candidate can be traced",
                self.against
            )));
        }
        let (recorded, _, ids) = open(&journals(&self.journals, &self.cluster, &self.select)?, &[])?;
        warn(&recorded.problems);
        let mut output = Output::open(self.output.output.as_deref(), common.color)?;
        let bar = progress(recorded.journal_count());
        let selection = self.select.selection();
        let (mut traced, mut failed) = (0u64, 0u64);
        let work = async {
            let live = &self.live.discover(&self.against, self.live.options(Redaction::Shown)).await?;
            if !live.sdk().can_be_traced() {
                return Err(Failure::Usage(format!(
                    "tracing has not been tried with the SDK of {live}, and might run closures there"
                )));
            }
            let selected = Journals::new(&recorded, &ids)
                .filter(|(order, info, _)| selection.fits(ids.id(*order).as_str(), info))
                .take(usize::try_from(selection.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX));
            let traces = stream::iter(selected)
                .map(|(order, info, journal)| async move {
                    let trace = match journal {
                        Ok(journal) => live.trace(&journal).await,
                        Err(reason) => Err(reason),
                    };
                    (order, info, trace)
                })
                .buffered(live.concurrency());
            let mut traces = std::pin::pin!(traces);
            while let Some((order, info, trace)) = traces.next().await {
                bar.inc(1);
                let id = ids.id(order);
                match trace {
                    Ok(trace) => {
                        traced += 1;
                        output.write(|out| write_trace(&id, &info, &trace, out))?;
                    }
                    Err(reason) => {
                        failed += 1;
                        tracing::warn!("{id}: {}", crate::render::escaped(&reason));
                    }
                }
            }
            Ok(())
        };
        block_on(work)??;
        bar.finish_and_clear();
        output.finish()?;
        Ok(if traced == 0 || failed > 0 { Status::Undecided } else { Status::Compatible })
    }
}
