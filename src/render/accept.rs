//! The `accept` format: acceptances for the findings that fail the run, to be reviewed and put into `rehearse.toml`.

use std::io::{self, Write};

use super::text::truncate;
use super::{Render, escaped, words};
use crate::policy::{Acceptance, Date, write_acceptances};
use crate::report::{Invocation, Report};
use crate::source::Ids;

/// The renderer of the `accept` format: who accepts, why and until when.
#[derive(Clone, Debug)]
pub struct Accept {
    /// May be empty in printed tables. `rehearse.toml` with an empty reason is an error, so a person has to fill it in.
    pub reason: String,
    pub author: String,
    pub expires: Option<Date>,
}

impl Accept {
    /// One acceptance for each fingerprint that fails the run.
    pub fn acceptances(&self, report: &Report) -> Vec<Acceptance> {
        let failing = report.fingerprints().into_iter().filter(|tally| tally.finding.weighs(report.gate.fail_on));
        failing
            .map(|tally| Acceptance {
                fingerprint: tally.finding.fingerprint.clone(),
                rule: Some(tally.finding.rule.to_owned()),
                target: Some(format!(
                    "{} {}",
                    words::handler_of(&tally.info),
                    step(tally.finding.context.finding().as_ref())
                )),
                reason: escaped(&self.reason).into_owned(),
                author: escaped(&self.author).into_owned(),
                expires: self.expires,
            })
            .collect()
    }
}

/// The step in words, so that readers of the file need not look the fingerprint up.
fn step(row: Option<&crate::rules::ContextRow>) -> String {
    let text = row.and_then(|row| row.recorded.as_deref().or(row.replayed.as_deref())).unwrap_or_default();
    truncate(&escaped(text), 100)
}

impl Render for Accept {
    fn invocation(&mut self, _invocation: &Invocation, _ids: &Ids, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, report: &Report, _ids: &Ids, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(write_acceptances(&self.acceptances(report)).as_bytes())
    }
}
