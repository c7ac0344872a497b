//! `rehearse init`: writes a commented policy file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::failure::{Failure, Status};
use super::policy::FILE;

/// Write a commented rehearse.toml: what fails the gate, what is ignored, and what was accepted
///
/// Every setting in it is commented out, so the file changes nothing until you edit it. `rehearse check` finds it in
/// the working directory, or in a folder above it.
#[derive(Debug, Args)]
pub struct InitCommand {
    /// The folder to write the file into
    #[arg(default_value = ".", value_name = "FOLDER")]
    folder: PathBuf,
}

const TEMPLATE: &str = include_str!("rehearse.toml");

impl InitCommand {
    #[expect(clippy::print_stderr, reason = "says where the file is, which is neither data nor a log line")]
    pub fn run(&self) -> Result<Status, Failure> {
        let file = self.folder.join(FILE);
        let to = file.display().to_string();
        // Never overwrite a file that exists: it may hold acceptances.
        let opened = OpenOptions::new().write(true).create_new(true).open(&file);
        let written = opened.and_then(|mut file| file.write_all(TEMPLATE.as_bytes()));
        written.map_err(|source| Failure::Output { to: to.clone(), source })?;
        eprintln!("wrote {to}");
        Ok(Status::Compatible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Traces, parse};

    /// The template parses as it is, and with every setting uncommented.
    #[test]
    fn the_template_is_a_policy() {
        let today = "2026-11-22".parse().unwrap();
        parse(TEMPLATE, today, Traces::OfAReplay).unwrap();
        let lines = TEMPLATE.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line));
        let all: String = lines.flat_map(|line| [line, "\n"]).collect();
        assert_ne!(all, TEMPLATE);
        parse(&all, today, Traces::OfAReplay).unwrap();
    }
}
