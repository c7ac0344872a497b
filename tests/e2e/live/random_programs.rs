//! Random handler programs, recorded on a real server: the live verdict is what the server said when it resumed each
//! invocation on the candidate, no closure runs, and no candidate dies.

use std::process::Command;

use crate::support::folders::root;
use crate::{provisioning, quiet};

/// Checks every case of a recording; `at_least` cases must be as the server says.
fn as_the_server_says(suite: &str, recording: &str, port: u16, sdk: Option<&str>, at_least: usize) {
    // The script that compares runs on Node, whatever the candidates run on.
    if !provisioning::ready("live::typescript") || !provisioning::ready(suite) {
        return;
    }
    let _guard = quiet::beside_others();
    let folder = root().join("fixtures/record");
    let mut compare = Command::new(folder.join("node_modules/.bin/node"));
    compare
        .args(["--disable-warning=ExperimentalWarning", "programs/compare.ts", env!("CARGO_BIN_EXE_rehearse")])
        .arg(format!("../programs/{recording}.jsonl.gz"))
        .arg("--verbose")
        .env("CANDIDATE_PORT", port.to_string())
        .current_dir(folder);
    if let Some(sdk) = sdk {
        compare.env("RESTATE_SDK", sdk);
    }
    let output = compare.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = format!("{recording}:\n{said}{}", String::from_utf8_lossy(&output.stderr));
    // "1375 asked in 276.8 s, 1354 as the server says (98.5 %)"
    let summary = said.lines().find(|line| line.contains(" as the server says ")).expect(&complaint);
    let numbers: Vec<usize> = summary.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[1] >= at_least, "{complaint}");
    // A candidate that flips a coin may pass where the server was unlucky, and the other way round; no other may.
    let is_row = |line: &&str| line.starts_with("  ") && (line.contains(": said ") || line.contains(": another index"));
    let wrong: Vec<&str> = said.lines().filter(is_row).filter(|line| !line.contains("flaky (")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{complaint}");
    assert!(said.contains("closures run: 0; report"), "{complaint}");
}

#[test]
fn typescript_programs() {
    as_the_server_says("live::typescript", "typescript", 29_181, None, 1_340);
}

#[test]
fn typescript_upgraded_from_1_10() {
    as_the_server_says("live::typescript", "typescript-upgrade", 29_182, None, 55);
}

#[test]
fn typescript_downgraded_to_1_10() {
    as_the_server_says("live::typescript_1_10", "typescript-downgrade", 29_183, Some("restate-sdk-1.10"), 55);
}

#[test]
fn python_programs() {
    as_the_server_says("live::python", "python", 29_184, None, 480);
}
