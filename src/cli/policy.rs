//! `rehearse.toml`, and the flags that override it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::Failure;
use crate::policy::gate::Requirements;
use crate::policy::{Acceptance, Coverage, Date, GateSettings, Policy, Traces, append_acceptances, parse};
use crate::render::Accept;
use crate::rules::Level;

/// The policy's name, looked for upwards from the working directory.
pub const FILE: &str = "rehearse.toml";

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Gate")]
pub struct GateFlags {
    /// The policy file [default: rehearse.toml, here or in a folder above]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The lightest finding that fails the run [default: error]
    #[arg(long, value_enum, value_name = "LEVEL")]
    fail_on: Option<FailOn>,
    /// Report, but end with status 0 whatever was found
    #[arg(long)]
    report_only: bool,
    /// End with status 3 unless at least this much of the candidate is covered: `handlers` for all of them, or a
    /// percentage of them
    #[arg(long, value_name = "handlers|PERCENT")]
    require_coverage: Option<Coverage>,
    /// End with status 3 unless at least so many journals were checked [default: 1]
    #[arg(long, value_name = "N")]
    min_journals: Option<u64>,
    /// Inject a known divergence into each compatible trace, and show that it is caught
    #[arg(long)]
    pub prove: bool,
    /// Accept what fails the run: write it into the policy file, and end as if it had been there
    #[arg(long, requires = "reason")]
    pub accept: bool,
    /// Why it is accepted
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who accepts it [default: who runs this]
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// The last day on which it is accepted, or `never` [default: in 30 days]
    #[arg(long, value_name = "YYYY-MM-DD")]
    expires: Option<Expiry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warn,
    Note,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    Never,
    On(Date),
}

impl std::str::FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        text.parse().map(Self::On).map_err(|_| "write a day like 2026-12-31, or never".to_owned())
    }
}

/// What a run is held to, from the flags and the file.
#[derive(Debug)]
pub struct Gatekeeper {
    pub policy: Policy,
    pub requirements: Requirements,
    pub settings: GateSettings,
    pub accept: Accept,
    /// Where acceptances are written to.
    file: PathBuf,
}

impl GateFlags {
    pub fn gatekeeper(&self, traces: Traces) -> Result<Gatekeeper, Failure> {
        let today = today()?;
        let found = match &self.config {
            Some(file) => Some(file.clone()),
            None => find(),
        };
        let (policy, settings) = match &found {
            // One that is to be written need not be there yet.
            Some(file) if !self.accept || file.exists() => {
                let text = read(file)?;
                parse(&text, today, traces)
                    .map_err(|error| Failure::Policy { file: file.display().to_string(), reason: error.to_string() })?
            }
            _ => (Policy::standard(today, traces), GateSettings::default()),
        };
        let requirements = Requirements {
            fail_on: match self.fail_on {
                Some(FailOn::Error) => Level::Error,
                Some(FailOn::Warn) => Level::Warn,
                Some(FailOn::Note) => Level::Note,
                None => settings.fail_on.unwrap_or(Level::Error),
            },
            report_only: self.report_only || settings.report_only,
            min_journals: self.min_journals.or(settings.min_journals).unwrap_or(0),
            coverage: self.require_coverage.or(settings.require_coverage),
        };
        let accept = Accept {
            reason: self.reason.clone().unwrap_or_default(),
            author: self.author.clone().unwrap_or_else(who),
            expires: match self.expires {
                Some(Expiry::Never) => None,
                Some(Expiry::On(day)) => Some(day),
                None => today.checked_add(30.days()).ok(),
            },
        };
        Ok(Gatekeeper { policy, requirements, settings, accept, file: found.unwrap_or_else(|| FILE.into()) })
    }
}

impl Gatekeeper {
    /// Writes acceptances into the policy file, which is made where there is none.
    pub fn write(&self, acceptances: &[Acceptance]) -> Result<&Path, Failure> {
        let text = if self.file.exists() { read(&self.file)? } else { String::new() };
        let name = || self.file.display().to_string();
        let text = append_acceptances(&text, acceptances)
            .map_err(|error| Failure::Policy { file: name(), reason: error.to_string() })?;
        std::fs::write(&self.file, text).map_err(|source| Failure::Output { to: name(), source })?;
        Ok(&self.file)
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::Policy { file: file.display().to_string(), reason: error.to_string() })
}

fn find() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file())
}

/// `SOURCE_DATE_EPOCH` stands for the clock where runs have to repeat.
fn today() -> Result<Date, Failure> {
    let now = match std::env::var_os("SOURCE_DATE_EPOCH") {
        None => Timestamp::now(),
        Some(epoch) => epoch
            .to_str()
            .and_then(|text| Timestamp::from_second(text.parse().ok()?).ok())
            .ok_or_else(|| Failure::Usage("SOURCE_DATE_EPOCH is no number of seconds".to_owned()))?,
    };
    Ok(now.to_zoned(TimeZone::UTC).date())
}

fn who() -> String {
    let named = |name: &str| std::env::var_os(name).map(OsString::into_string).and_then(Result::ok);
    let names = ["GIT_AUTHOR_NAME", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "USERNAME"];
    names.into_iter().filter_map(named).find(|name| !name.trim().is_empty()).unwrap_or_else(|| "unknown".to_owned())
}
