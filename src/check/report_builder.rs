//! The report builder: applies the policy to each judged invocation, and collects the report of the run.

use crate::check::Selection;
use crate::policy::gate::{Gate, Proofs, Requirements};
use crate::policy::{AcceptanceState, Policy};
use crate::report::{Invocation, Report};

/// Builds the report of one run.
#[derive(Debug)]
pub struct ReportBuilder {
    policy: Policy,
    requirements: Requirements,
    report: Report,
    /// Invocations that fail the run without a finding that could be accepted.
    unacceptable: u64,
}

impl ReportBuilder {
    /// `prove` says whether divergences are injected, so that the report has to say how many were caught.
    pub fn new(policy: Policy, requirements: Requirements, prove: bool) -> Self {
        let mut report = Report::default();
        report.proofs = prove.then(Proofs::default);
        Self { policy, requirements, report, unacceptable: 0 }
    }

    /// Applies the policy to the next invocation, and adds it to the report.
    pub fn add(&mut self, invocation: &mut Invocation) {
        let fail_on = self.requirements.fail_on;
        invocation.judge(&mut self.policy, fail_on);
        if invocation.fails && !invocation.judgement.findings.iter().any(|finding| finding.weighs(fail_on)) {
            self.unacceptable += 1;
        }
        self.report.add(invocation);
    }

    /// States which handlers the candidate has, as (service, handler). `complete` says whether these are all of them.
    pub fn set_handlers(
        &mut self,
        handlers: impl IntoIterator<Item = (String, String)>,
        complete: bool,
        selection: &Selection,
    ) {
        self.report.all_handlers_known = complete;
        self.report.candidate_handlers = handlers.into_iter().filter(|name| selects(selection, name)).collect();
    }

    /// States whether the run was interrupted, and whether rows could not be assigned to an invocation.
    pub fn set_losses(&mut self, interrupted: bool, rows_lost: bool) {
        self.report.interrupted = interrupted;
        self.report.rows_lost = rows_lost;
    }

    /// Decides how the run ended.
    pub fn finish(&mut self, selection: &Selection) -> &Report {
        // An acceptance that some of the journals do not use may be used by the others.
        let everything = selection.is_everything() && selection.limit.is_none();
        let states = self.policy.acceptances();
        let states = states.filter(|(_, state)| everything || *state != AcceptanceState::Unused);
        self.report.acceptances = states.map(|(acceptance, state)| (acceptance.clone(), state)).collect();
        self.report.decide(&self.requirements);
        &self.report
    }

    /// The gate as it would be if every finding that fails the run had been accepted.
    pub fn gate_when_accepted(&self) -> Gate {
        Gate { failing: self.unacceptable, ..self.report.gate.clone() }
    }
}

/// Whether a handler's journals are among the selected ones.
fn selects(selection: &Selection, (service, handler): &(String, String)) -> bool {
    let one_of = |wanted: &[String], have: &String| wanted.is_empty() || wanted.contains(have);
    one_of(&selection.services, service) && one_of(&selection.handlers, handler)
}
