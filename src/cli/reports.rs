//! `--format` and `--report`: several formats in one run, each to its place.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueEnum;

use super::output::Output;
use super::{Color, Failure};
use crate::render::{
    Accept, GitHub, GitLab, Html, Human, JUnit, Json, JsonLines, Markdown, Render, Sarif, SourceFiles,
};
use crate::report::{Invocation, Report};
use crate::source::Ids;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: groups of one cause, each with one invocation in full
    Human,
    /// One document (schemas/report.v1.json)
    Json,
    /// One line an invocation, as it is known
    Jsonl,
    /// JUnit XML: one test case an invocation, one suite a handler
    Junit,
    /// SARIF 2.1.0, for code scanning: one result a cause
    Sarif,
    /// Annotations of a GitHub Actions step, and its summary where $GITHUB_STEP_SUMMARY is set
    Github,
    /// A GitLab code quality report
    Gitlab,
    /// For a comment on a pull request; bounded in length
    Markdown,
    /// One page that needs nothing else, to look at in a browser
    Html,
    /// What fails the run, as [[accept]] tables for rehearse.toml
    Accept,
}

/// `FORMAT=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportTo {
    format: Format,
    file: PathBuf,
}

impl std::str::FromStr for ReportTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = text.split_once('=').ok_or("write FORMAT=FILE, as in junit=rehearse.xml")?;
        if file.is_empty() {
            return Err("the file's name is missing behind =".to_owned());
        }
        let format = Format::from_str(format, false).map_err(|_| {
            let known: Vec<String> = Format::value_variants()
                .iter()
                .filter_map(|format| format.to_possible_value().map(|value| value.get_name().to_owned()))
                .collect();
            format!("there is no format {format:?} (there are {})", known.join(", "))
        })?;
        Ok(Self { format, file: file.into() })
    }
}

/// What renderers are told beside the report.
pub struct Setup {
    pub verbose: bool,
    pub sources: SourceFiles,
    pub accept: Accept,
}

impl Setup {
    fn renderer(&self, format: Format) -> Box<dyn Render> {
        let sources = || self.sources.clone();
        match format {
            Format::Human => Box::new(Human { verbose: self.verbose }),
            Format::Json => Box::new(Json::default()),
            Format::Jsonl => Box::new(JsonLines),
            Format::Junit => Box::new(JUnit::default()),
            Format::Sarif => Box::new(Sarif { sources: sources() }),
            Format::Github => Box::new(GitHub { sources: sources() }),
            Format::Gitlab => Box::new(GitLab { sources: sources() }),
            Format::Markdown => Box::new(Markdown),
            Format::Html => Box::new(Html::default()),
            Format::Accept => Box::new(self.accept.clone()),
        }
    }
}

/// Every report of a run.
pub struct Reports {
    sinks: Vec<(Box<dyn Render>, Output)>,
    timelines: bool,
}

impl Reports {
    /// `step_summary` is the file to which GitHub wants a step's summary to be appended.
    pub fn open(
        format: Format,
        output: Option<PathBuf>,
        reports: &[ReportTo],
        step_summary: Option<PathBuf>,
        setup: &Setup,
        color: Color,
    ) -> Result<Self, Failure> {
        let stdout = PathBuf::from("-");
        let mut files = BTreeSet::from([output.as_ref().unwrap_or(&stdout)]);
        for file in reports.iter().map(|report| &report.file) {
            if !files.insert(file) {
                let file = if *file == stdout { "standard output".into() } else { file.display().to_string() };
                return Err(Failure::Usage(format!("two reports can not both go to {file}")));
            }
        }
        let mut sinks = vec![(setup.renderer(format), Output::open(output.as_deref(), color)?)];
        for ReportTo { format, file } in reports {
            sinks.push((setup.renderer(*format), Output::open(Some(file), color)?));
        }
        let on_github = format == Format::Github || reports.iter().any(|report| report.format == Format::Github);
        if let (true, Some(summary)) = (on_github, step_summary) {
            sinks.push((Box::new(Markdown), Output::append(&summary)?));
        }
        let timelines = format == Format::Html || reports.iter().any(|report| report.format == Format::Html);
        Ok(Self { sinks, timelines })
    }

    /// Whether a format wants both sides from top to bottom.
    pub fn show_timelines(&self) -> bool {
        self.timelines
    }

    pub fn invocation(&mut self, invocation: &Invocation, ids: &Ids) -> Result<(), Failure> {
        self.sinks
            .iter_mut()
            .try_for_each(|(render, output)| output.write(|out| render.invocation(invocation, ids, out)))
    }

    pub fn finish(self, report: &Report, ids: &Ids) -> Result<(), Failure> {
        for (mut render, mut output) in self.sinks {
            output.write(|out| render.finish(report, ids, out))?;
            output.finish()?;
        }
        Ok(())
    }
}
