//! Flags in, exit status out. The only part that knows of the environment, of terminals and of processes.

mod access;
mod apply;
mod audit;
mod check;
mod cluster;
mod completions;
mod explain;
mod init;
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

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::access::is_url;
use self::cluster::ClusterFlags;
use crate::admin::AdminError;
use crate::check::Selection;
use crate::check::live::LiveError;
use crate::operate::log::LogError;
use crate::record::{CopyError, JournalsError};
use crate::rules::Redaction;
use crate::source::{Input, SourceError};

const AFTER_HELP: &str = "\
Exit status:
  0  everything checked is compatible, or let pass by the policy
  1  a mismatch, or a candidate that failed
  2  the job could not be done: bad input, unreachable, usage
  3  nothing was checked, some journals stayed inconclusive, or less was covered than required";

/// Rehearse a deployment before it meets your journals: will new code replay what is already in flight on Restate?
#[derive(Debug, Parser)]
#[command(name = "rehearse", version, after_help = AFTER_HELP, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Trace(trace::Trace),
    Show(show::Show),
    Record(record::Record),
    Audit(audit::Audit),
    Apply(apply::Apply),
    Explain(explain::Explain),
    Init(init::Init),
    Completions(completions::Completions),
    Man(completions::Man),
}

#[derive(Clone, Debug, Args)]
struct Common {
    /// Colours in the output
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
    /// Say more: every invocation, and what is being done
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Worker threads [default: one a core]
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Which invocations; several conditions must all hold, several values of one are alternatives
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Selection")]
struct Select {
    /// Only this invocation
    #[arg(long, value_name = "ID")]
    invocation: Vec<String>,
    /// Only invocations of this service
    #[arg(long, value_name = "NAME")]
    service: Vec<String>,
    /// Only invocations of this handler
    #[arg(long, value_name = "NAME")]
    handler: Vec<String>,
    /// Only invocations pinned to this deployment
    #[arg(long, value_name = "ID")]
    deployment: Vec<String>,
    /// Only invocations with this status (running, paused, backing-off, suspended, completed, …)
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// At most this many, in the order in which servers store them
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Select {
    fn selection(&self) -> Selection {
        Selection {
            invocations: self.invocation.iter().cloned().collect(),
            services: self.service.clone(),
            handlers: self.handler.clone(),
            deployments: self.deployment.clone(),
            statuses: self.status.clone(),
            limit: self.limit,
        }
    }
}

#[derive(Clone, Copy, Debug, Args)]
struct Redact {
    /// Hide every payload value
    #[arg(long)]
    redact: bool,
}

impl Redact {
    fn redaction(self) -> Redaction {
        if self.redact { Redaction::Hidden } else { Redaction::Shown }
    }
}

/// What ends a run without a verdict.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{0}")]
    Usage(String),
    #[error("{file}: {reason}")]
    Policy { file: String, reason: String },
    #[error("interrupted; what was done until then is reported")]
    Interrupted,
    #[error("interrupted before {0}")]
    InterruptedBefore(&'static str),
    #[error("could not write {to}: {source}")]
    Output { to: String, source: std::io::Error },
    #[error(transparent)]
    Live(Box<LiveError>),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Journals(#[from] JournalsError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}")]
    Stopped(String),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("could not start {0} threads: {1}")]
    Threads(u16, rayon::ThreadPoolBuildError),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Compatible = 0,
    Mismatch = 1,
    Undone = 2,
    Undecided = 3,
}

/// Runs the command line; the exit status is the contract's.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let status = u8::try_from(error.exit_code()).unwrap_or(Status::Undone as u8);
            // A closed pipe is no reason to panic.
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    output::log_to_stderr(&cli.common);
    // Files of journals are open as long as they are read, and many systems allow 1,024 unless asked.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!("no more files may be opened than before: {error}");
    }
    let status = cli.run().unwrap_or_else(|failure| {
        output::complain(&failure);
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
            Command::Check(check) => check.run(&self.common),
            Command::Trace(trace) => trace.run(&self.common),
            Command::Show(show) => show.run(&self.common),
            Command::Audit(audit) => audit.run(&self.common),
            Command::Apply(apply) => apply.run(&self.common),
            Command::Record(record) => record.run(&self.common),
            Command::Explain(explain) => explain.run(&self.common),
            Command::Init(init) => init.run(),
            Command::Completions(completions) => completions.run(),
            Command::Man(man) => man.run(),
        }
    }
}

/// Journals as they are named on the command line; those of a cluster are fetched.
fn journals(names: &[OsString], cluster: &ClusterFlags, select: &Select) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    let urls = names.iter().filter_map(|name| name.to_str()).filter(|name| is_url(name)).count();
    if urls == 0 {
        cluster.reading.check_without_cluster()?;
    }
    for name in names {
        match name.to_str().filter(|name| is_url(name)) {
            Some(url) => inputs.push(Input::Copied(cluster.fetch(url, select)?)),
            None => add_input(&mut inputs, name)?,
        }
    }
    Ok(inputs)
}

/// Traces as they are named on the command line.
fn traces(names: &[OsString]) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    for name in names {
        add_input(&mut inputs, name)?;
    }
    Ok(inputs)
}

fn add_input(inputs: &mut Vec<Input>, name: &OsString) -> Result<(), Failure> {
    if name.to_string_lossy().starts_with("arn:") {
        return Err(Failure::Usage(format!("{} is a deployment, which goes to --against", name.display())));
    }
    let input = if name == "-" { Input::Stdin } else { Input::Path(name.into()) };
    if input == Input::Stdin && inputs.contains(&input) {
        return Err(Failure::Usage("standard input can be read but once".to_owned()));
    }
    inputs.push(input);
    Ok(())
}
