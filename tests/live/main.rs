//! Journals that each SDK recorded on a real server, checked on real deployments built with that SDK. Our verdict, first
//! rule and index must be those of the server, and not one closure may run.
//!
//! Every suite provisions itself through its package manager. Where a runtime is missing the suite says so by name; under
//! `CI=true` that is a failure. `REHEARSE_LIVE=python,go` runs just these.

mod candidate;
mod fixtures;
mod in_process;
mod table;

use candidate::{Candidate, Provisioned, Reached};
use fixtures::Fixture;
use table::Row;

/// Provisions an SDK, starts its candidates and checks every fixture on them.
fn suite(sdk: &str, machine: &[&str], reached: Reached, fixtures: &[Fixture], at_least: usize) {
    if let Ok(only) = std::env::var("REHEARSE_LIVE")
        && !only.split(',').any(|only| only == sdk)
    {
        eprintln!("skipped: {sdk} (REHEARSE_LIVE={only})");
        return;
    }
    match candidate::provision(sdk, machine) {
        Provisioned::Ready => {
            let mut arguments = vec!["base"];
            arguments.extend(machine);
            check(sdk, &Candidate::start(sdk, &arguments, reached), fixtures, at_least);
        }
        Provisioned::Missing(what) => {
            assert!(std::env::var("CI").is_err(), "{sdk}: {what}");
            eprintln!("skipped: {sdk}: {what}");
        }
    }
}

fn check(sdk: &str, candidate: &Candidate, fixtures: &[Fixture], at_least: usize) {
    assert!(fixtures.len() >= at_least, "{sdk}: only {} fixtures", fixtures.len());
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (variant, fixtures) in fixtures::by_variant(fixtures) {
        let checked = candidate.check(&variant, &fixtures);
        for fixture in fixtures {
            let found = checked.get(&fixture.id);
            let complaint = found.map_or(Some("it was not checked".to_owned()), |found| fixture.complaint(found));
            rows.push(Row::new(fixture, complaint.is_none()));
            wrong.extend(complaint.map(|complaint| format!("{}: {complaint}", fixture.name)));
        }
    }
    let process = fixtures.iter().find(|fixture| fixture.name == "clean/process").expect("every SDK has it");
    let traced = candidate.trace(process);
    assert_eq!(traced["summary"]["compatible"], 1, "{sdk}: checked against its own trace: {traced}");
    let closures = candidate.closures();
    assert!(closures.is_empty(), "{sdk}: closures ran: {closures}");
    // The same closures do leave a trace when they run.
    candidate.execute(process);
    assert!(!candidate.closures().is_empty(), "{sdk}: closures run unnoticed, so that none ran proves nothing");
    table::compare(sdk, &rows);
    assert!(wrong.is_empty(), "{sdk}: {} of {} wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn typescript() {
    suite("typescript", &[], Reached::ByUrl, &fixtures::typescript(), 100);
}

/// An older core.
#[test]
fn typescript_1_10() {
    suite("typescript-1.10", &[], Reached::ByUrl, &fixtures::of_sdk("typescript-1.10", "truth.json"), 100);
}

/// The same deployments as Lambda functions: the handlers are the SDK's, the API in front of them is a stand-in, through
/// which the real server recorded these journals.
#[cfg(feature = "lambda")]
#[test]
fn lambda() {
    suite("lambda", &[], Reached::ByArn, &fixtures::of_sdk("lambda", "truth.json"), 80);
}

#[test]
fn python() {
    suite("python", &[], Reached::ByUrl, &fixtures::of_sdk("python", "truth.json"), 100);
}

#[test]
fn go() {
    suite("go", &[], Reached::ByUrl, &fixtures::of_sdk("go", "truth.json"), 100);
}

#[test]
fn rust() {
    check("rust", &Candidate::InProcess, &fixtures::of_sdk("rust", "truth.json"), 100);
}

/// A journal with one command changed is caught by the SDK itself, and a live candidate says which handlers it has.
#[test]
fn the_gate_can_go_red_on_a_live_candidate() {
    let fixtures = fixtures::of_sdk("rust", "truth.json");
    let mut proved = 0;
    for (variant, fixtures) in fixtures::by_variant(&fixtures) {
        let report = Candidate::InProcess.report(&variant, &fixtures, &["--prove", "--require-coverage", "handlers"]);
        let proof = &report["proof"];
        assert_eq!(proof["injected"], proof["caught"], "{variant}: {report}");
        assert_eq!(proof["stopped"], proof["caught"], "{variant}: {report}");
        assert_eq!(
            proof["injected"].as_u64().unwrap() + proof["nothing"].as_u64().unwrap(),
            report["summary"]["compatible"].as_u64().unwrap()
        );
        proved += proof["injected"].as_u64().unwrap();
        // No single variant has a fixture of every handler there is.
        let not_covered = report["not_covered"].as_array().unwrap();
        assert!(!not_covered.is_empty(), "{variant}: {report}");
        let reasons = report["gate"]["reasons"].to_string();
        assert!(reasons.contains("handlers of the candidate are covered"), "{variant}: {reasons}");
    }
    assert!(proved >= 10, "only {proved}");
}

#[test]
fn java() {
    suite("java", &["legacy"], Reached::ByUrl, &fixtures::of_sdk("java", "truth.json"), 90);
}
