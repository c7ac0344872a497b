//! Live checks on services of the Rust SDK, served by this process, have the verdicts of the real server.

use rehearsal::transport::Invoke;

use crate::support::live::{self, Candidate, attempt_over_http, recordings};
use crate::support::rust_services::{candidates, serve};

/// Every variant at an address of its own.
struct InProcess;

impl Candidate for InProcess {
    fn address(&self, variant: &str) -> String {
        serve(variant)
    }

    fn attempt(&self, invoke: &Invoke<'_>, body: Vec<u8>) {
        attempt_over_http(&serve("base"), invoke, body);
    }

    /// Every closure that ran in this process. No other test of it lets one run.
    fn closures(&self) -> String {
        candidates::closures_run().iter().map(|(variant, name)| format!("{variant} {name}\n")).collect()
    }
}

#[test]
fn rust() {
    live::check("rust", &InProcess, 100);
}

/// The SDK itself catches a journal with one command changed, and a live candidate says which handlers it has.
#[test]
fn the_gate_can_go_red_on_a_live_candidate() {
    let fixtures = recordings::of_sdk("rust");
    let mut proved = 0;
    for (variant, fixtures) in recordings::by_variant(&fixtures) {
        let report = live::report(&InProcess, &variant, &fixtures, &["--prove", "--require-coverage", "handlers"]);
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
