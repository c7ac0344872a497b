//! The command line: it turns flags into settings, and results into an exit status. Only this part reads the environment,
//! and knows of terminals and processes.

mod access;
mod apply;
mod audit;
mod check;
mod cluster;
mod completions;
mod explain;
mod failure;
mod flags;
mod init;
mod inputs;
mod interrupt;
mod live;
mod output;
mod policy;
mod record;
mod reports;
mod show;
mod trace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::failure::{Failure, Status};
use self::flags::Common;

const AFTER_HELP: &str = "\
Exit status:
  0  everything checked is compatible, or the policy lets it pass
  1  there is a mismatch, or the candidate failed
  2  the check could not be made: bad input, an unreachable server, or wrong usage
  3  undecided: nothing was checked, some journals are inconclusive, or too little was covered";

/// Rehearse a deployment before it meets your journals: will new code replay what is already in flight on Restate?
#[derive(Debug, Parser)]
#[command(name = "rehearse", version, after_help = AFTER_HELP, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
    #[command(flatten)]
    common: Common,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum CliCommand {
    Check(check::CheckCommand),
    Trace(trace::TraceCommand),
    Show(show::ShowCommand),
    Record(record::Record),
    Audit(audit::Audit),
    Apply(apply::Apply),
    Explain(explain::ExplainCommand),
    Init(init::InitCommand),
    Completions(completions::CompletionsCommand),
    Man(completions::ManCommand),
}

/// Runs the command line, and returns the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let status = u8::try_from(error.exit_code()).unwrap_or(Status::Undone as u8);
            // A closed pipe must not cause a panic.
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    output::log_to_stderr(&cli.common);
    // Every journal file stays open while it is read, and many systems allow only 1,024 open files by default.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!("could not raise the limit of open files: {error}");
    }
    let status = cli.run().unwrap_or_else(|failure| {
        output::print_failure(&failure);
        Status::Undone
    });
    ExitCode::from(status as u8)
}

impl Cli {
    fn run(&self) -> Result<Status, Failure> {
        if let Some(jobs) = self.common.jobs {
            let threads = rayon::ThreadPoolBuilder::new().num_threads(jobs.into());
            threads.build_global().map_err(|error| Failure::Threads(jobs, error))?;
        }
        match &self.command {
            CliCommand::Check(check) => check.run(&self.common),
            CliCommand::Trace(trace) => trace.run(&self.common),
            CliCommand::Show(show) => show.run(&self.common),
            CliCommand::Audit(audit) => audit.run(&self.common),
            CliCommand::Apply(apply) => apply.run(&self.common),
            CliCommand::Record(record) => record.run(&self.common),
            CliCommand::Explain(explain) => explain.run(&self.common),
            CliCommand::Init(init) => init.run(),
            CliCommand::Completions(completions) => completions.run(),
            CliCommand::Man(man) => man.run(),
        }
    }
}
