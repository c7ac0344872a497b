//! Journals straight from a cluster: the flags, for every command that takes journals.

use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use super::access::{AccessFlags, is_url};
use super::failure::Failure;
use super::flags::Select;
use super::interrupt::Interrupt;
use super::live::block_on;
use super::output::{entries_progress, warn_of};
use crate::admin::ClusterSelection;
use crate::record::{CopySummary, Pace, copy_to_temporary};
use crate::source::CopiedJournals;

/// How to read journals from a cluster; files need none of it
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterFlags {
    #[command(flatten)]
    pub access: AccessFlags,
    #[command(flatten)]
    pub reading: ReadingFlags,
}

/// What is read of a cluster, and how fast
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ReadingFlags {
    /// Only invocations that meet this SQL condition on sys_invocation, which is sent to the server unchanged
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// Rows to take from the server at a time
    #[arg(long, value_name = "N", default_value_t = 250_000, value_parser = clap::value_parser!(u64).range(1..))]
    query_rows: u64,
    /// Milliseconds to wait in between
    #[arg(long, value_name = "MS", default_value_t = 10)]
    query_pause: u64,
}

impl ReadingFlags {
    pub fn selected(&self, select: &Select) -> ClusterSelection {
        ClusterSelection { selection: select.selection(), condition: self.condition.clone() }
    }

    pub fn pace(&self) -> Pace {
        Pace { rows: self.query_rows, pause: Duration::from_millis(self.query_pause) }
    }

    /// Refuses a condition in SQL where no cluster is named to evaluate it.
    pub fn check_without_cluster(&self) -> Result<(), Failure> {
        match &self.condition {
            None => Ok(()),
            Some(_) => Err(Failure::Usage(
                "--where is for a cluster to answer: give its admin URL (http://localhost:9070) as JOURNALS; files are \
                 selected from with --service, --handler, --deployment, --status and --invocation"
                    .to_owned(),
            )),
        }
    }
}

impl ClusterFlags {
    /// Copies the selected journals into a temporary file.
    pub fn fetch(&self, url: &str, select: &Select) -> Result<CopiedJournals, Failure> {
        debug_assert!(is_url(url));
        let selected = self.reading.selected(select);
        let bar = entries_progress();
        let interrupt = Interrupt::watch();
        let fetched = block_on(async {
            let work = async {
                let admin = self.access.connect(url).await?;
                let report = &mut |rows, total| show(&bar, rows, total);
                Ok::<_, Failure>(copy_to_temporary(&admin, &selected, self.reading.pace(), report).await?)
            };
            tokio::select! {
                done = work => done,
                _ = interrupt.wait() => Err(Failure::InterruptedBefore("anything was checked")),
            }
        })?;
        bar.finish_and_clear();
        let (copied, spooled) = fetched?;
        tell(&copied);
        Ok(spooled)
    }
}

pub fn show(bar: &ProgressBar, rows: u64, total: u64) {
    bar.set_length(total.max(rows));
    bar.set_position(rows);
}

/// Says on stderr what is not in the copy, and why.
pub fn tell(copied: &CopySummary) {
    if copied.incomplete > 0 {
        warn_of(&format!(
            "{} of the journals did not hold still while they were read: they are inconclusive",
            copied.incomplete
        ));
    }
    tracing::info!(?copied, "read from the cluster");
}
