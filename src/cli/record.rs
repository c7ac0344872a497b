//! `rehearse record`: the flags, and what is said about the copy.

use std::path::PathBuf;

use clap::Args;

use super::access::{AccessFlags, is_url};
use super::cluster::{ReadingFlags, show, tell};
use super::failure::{Failure, Status};
use super::flags::{Common, Select};
use super::interrupt::Interrupt;
use super::live::block_on;
use super::output::{entries_progress, say};
use crate::record::{CopyError, CopySummary, RecordingFile, RecordingSubject, copy};

const EXAMPLES: &str = "\
Examples:
  rehearse record http://localhost:9070 -o journals.arrow
  rehearse record http://localhost:9070 -o stuck.arrow --status backing-off --status paused
  rehearse record https://admin.example.com -o orders.arrow --service Order --where \"created_at > now() - interval '1 day'\"
  rehearse check journals.arrow --against http://localhost:9080

If it is interrupted, it leaves FILE.part and FILE.part.json behind, and the same command continues from there. FILE appears
only when it is whole. The user's token is read from RESTATE_AUTH_TOKEN or REHEARSE_TOKEN.";

/// Copy journals out of a running cluster
///
/// Reads whole journals over the admin API, with what is known of each invocation, into an Arrow file that every other
/// command reads. A journal that grows while it is read is read again; one that keeps growing is in the file
/// with that as its reason, and is inconclusive.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Record {
    /// The cluster's admin API
    #[arg(value_name = "ADMIN-URL")]
    admin: String,
    /// The file to write
    #[arg(short, long, required = true, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    reading: ReadingFlags,
    #[command(flatten)]
    access: AccessFlags,
}

impl Record {
    pub fn run(&self, _: &Common) -> Result<Status, Failure> {
        if !is_url(&self.admin) {
            return Err(Failure::Usage(format!("{} is not a URL: record reads a running cluster", self.admin)));
        }
        let bar = entries_progress();
        let interrupt = Interrupt::watch();
        let copied = block_on(async {
            let selected = self.reading.selected(&self.select);
            let admin = self.access.connect(&self.admin).await?;
            let subject = RecordingSubject::new(admin.url(), &selected);
            let (mut recording, earlier) = RecordingFile::open(&self.output, subject).map_err(CopyError::from)?;
            let report = &mut |rows, total| show(&bar, rows, total);
            let done = tokio::select! {
                done = copy(&admin, &selected, self.reading.pace(), earlier, &mut recording, report) => done?,
                _ = interrupt.wait() => {
                    return Err(Failure::InterruptedBefore("all was read; the same command goes on from here"));
                }
            };
            recording.finish().map_err(CopyError::from)?;
            Ok::<_, Failure>(done)
        })??;
        bar.finish_and_clear();
        tell(&copied);
        self.sum_up(&copied);
        Ok(if copied.is_complete() { Status::Compatible } else { Status::Undecided })
    }

    fn sum_up(&self, copied: &CopySummary) {
        let mut said = format!("{} journals, {} entries: {}", copied.journals, copied.entries, self.output.display());
        for (number, what) in [
            (copied.resumed, "were there from before"),
            (copied.empty, "invocations have no journal yet"),
            (copied.gone, "ended and were removed meanwhile"),
        ] {
            if number > 0 {
                said.push_str(&format!("; {number} {what}"));
            }
        }
        say(&said);
    }
}
