//! Live checks on deployments of each SDK, in its own runtime, have the verdicts of the real server.

mod program;
mod random_programs;

use crate::support::live::{self, Candidate, recordings};
use crate::support::runner::with_all_features;
use crate::{provisioning, quiet};
use program::{Program, Reached};

/// Provisions an SDK, starts its candidates and checks every fixture on them.
fn suite(sdk: &str, machine: &[&str], reached: Reached, at_least: usize) {
    if provisioning::ready(&format!("live::{}", sdk.replace(['-', '.'], "_"))) {
        let _guard = quiet::beside_others();
        let arguments = [&["base"], machine].concat();
        live::check(sdk, &Program::start(sdk, &arguments, reached), at_least);
    }
}

#[test]
fn typescript() {
    suite("typescript", &[], Reached::ByUrl, 100);
}

/// An older version of the shared core.
#[test]
fn typescript_1_10() {
    suite("typescript-1.10", &[], Reached::ByUrl, 100);
}

/// The TypeScript deployments as Lambda functions. The SDK's own handler runs; the API in front of it is a stand-in,
/// through which the real server recorded these journals.
#[test]
fn lambda() {
    if with_all_features().is_some() {
        suite("lambda", &[], Reached::ByArn, 80);
    }
}

#[test]
fn python() {
    suite("python", &[], Reached::ByUrl, 100);
}

/// Hypercorn speaks HTTP/1.1 as well: the verdicts and the explanations are the same.
#[test]
fn python_over_http1() {
    if !provisioning::ready("live::python") {
        return;
    }
    let _guard = quiet::beside_others();
    let fixtures = recordings::of_sdk("python");
    let candidate = Program::start("python", &["base"], Reached::ByUrl);
    let mut compared = 0;
    for (variant, fixtures) in recordings::by_variant(&fixtures) {
        if !["base", "qty", "swap-parallel-calls", "throws"].contains(&variant.as_str()) {
            continue;
        }
        let report = live::report(&candidate, &variant, &fixtures, &["--http1.1"]);
        for fixture in fixtures {
            let invocations = report["invocations"].as_array().unwrap();
            let found = invocations.iter().find(|found| found["id"] == fixture.id.as_str()).unwrap();
            assert_eq!(fixture.complaint(found), None, "{}", fixture.name);
            compared += 1;
        }
    }
    assert!(compared >= 15, "only {compared}");
    assert_eq!(candidate.closures(), "");
}

#[test]
fn go() {
    suite("go", &[], Reached::ByUrl, 100);
}

#[test]
fn java() {
    suite("java", &["legacy"], Reached::ByUrl, 90);
}
