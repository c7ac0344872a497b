//! `rehearse explain`: prints the page of a rule, or the list of rules.

use anstyle::Style;
use clap::Args;

use super::failure::{Failure, Status};
use super::flags::Common;
use super::output::Output;
use crate::rules;

/// Explain a rule: what it detects, why replay breaks, what to do. Without a rule, list all rules
#[derive(Debug, Args)]
pub struct ExplainCommand {
    /// The rule's name, as findings show it
    #[arg(value_name = "RULE")]
    rule: Option<String>,
}

const BOLD: Style = Style::new().bold();

impl ExplainCommand {
    pub fn run(&self, common: &Common) -> Result<Status, Failure> {
        let mut output = Output::open(None, common.color)?;
        match &self.rule {
            None => output.write(|out| {
                let width = rules::all().map(|rule| rule.id.len()).max().unwrap_or(0);
                rules::all().try_for_each(|rule| {
                    writeln!(out, "{BOLD}{:<width$}{BOLD:#}  {:<5}  {}", rule.id, rule.level.name(), rule.title())
                })
            })?,
            Some(name) => {
                let rule = rules::find(name).ok_or_else(|| {
                    let hint = nearest(name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                    Failure::Usage(format!("there is no rule {name:?}{hint} (`rehearse explain` lists them)"))
                })?;
                output.write(|out| {
                    writeln!(out, "{BOLD}{}{BOLD:#} ({})\n\n{}", rule.id, rule.level.name(), rule.page())
                })?;
            }
        }
        output.finish()?;
        Ok(Status::Compatible)
    }
}

/// The rule with the most similar name, if one is similar.
fn nearest(name: &str) -> Option<&'static str> {
    let names: Vec<&'static str> = rules::all().map(|rule| rule.id).collect();
    similar::get_close_matches(name, &names, 1, 0.6).into_iter().next()
}
