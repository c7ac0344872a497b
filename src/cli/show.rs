//! `rehearse show`: prints recorded journals, for people or in the readable form.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use super::cluster::ClusterFlags;
use super::failure::{Failure, Status};
use super::flags::{Common, Redact, Select};
use super::inputs::journals;
use super::output::{Output, OutputFile, warn, warn_of};
use crate::check::load_each;
use crate::render::{show_human, show_readable};
use crate::source::open;

/// Show journals as people read them
///
/// Prints one line per command: its kind, its subject and its result. With --format json, prints the readable form, one
/// journal per line; every command of rehearse can read it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rehearse show journals.arrow --invocation inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT
  rehearse show journals.jsonl --handler process --limit 1 --format json > trace.json")]
pub struct ShowCommand {
    /// Recorded journals: files, directories, - for standard input, or a cluster's admin URL
    #[arg(required = true, value_name = "JOURNALS")]
    journals: Vec<OsString>,
    /// The format of the output
    #[arg(long, value_enum, default_value_t = ShowFormat::Human)]
    format: ShowFormat,
    #[command(flatten)]
    output: OutputFile,
    #[command(flatten)]
    redact: Redact,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    cluster: ClusterFlags,
}

/// The format of shown journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ShowFormat {
    /// One line per command
    Human,
    /// The readable form, one journal per line
    Json,
}

impl ShowCommand {
    pub fn run(&self, common: &Common) -> Result<Status, Failure> {
        let (recorded, _, ids) = open(&journals(&self.journals, &self.cluster, &self.select)?, &[])?;
        warn(&recorded.problems);
        let mut output = Output::open(self.output.output.as_deref(), common.color)?;
        let redaction = self.redact.redaction();
        let mut shown = 0u64;
        let mut broken = 0u64;
        let mut written = Ok(());
        load_each(&recorded, &ids, &self.select.selection(), |id, info, entries| {
            shown += 1;
            written = output.write(|out| match (entries, self.format) {
                (Ok(entries), ShowFormat::Human) => show_human(id, info, entries, redaction, out),
                (Ok(entries), ShowFormat::Json) => show_readable(id, info, entries, redaction, out),
                (Err(reason), _) => {
                    broken += 1;
                    warn_of(&format!("{id}: {reason}"));
                    Ok(())
                }
            });
            written.is_ok()
        });
        written?;
        output.finish()?;
        Ok(if shown == 0 || broken > 0 { Status::Undecided } else { Status::Compatible })
    }
}
