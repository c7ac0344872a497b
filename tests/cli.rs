//! The command line as people use it: stdout, stderr and exit status of each run in one snapshot.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const RECORDED: &str = "fixtures/demo/recorded.arrow";
const TRACE: &str = "fixtures/demo/trace.jsonl";

fn rehearse(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rehearse"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("COLUMNS", "100")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn session(arguments: &[&str]) -> String {
    let output = rehearse(arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!(
        "$ rehearse {}\n{}--- stderr ---\n{}--- exit status {} ---",
        arguments.join(" "),
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap()
    )
}

fn status(arguments: &[&str]) -> i32 {
    rehearse(arguments).status.code().unwrap()
}

#[test]
fn check_for_people() {
    insta::assert_snapshot!(session(&["check", RECORDED, "--against", TRACE]));
}

#[test]
fn check_with_redacted_payloads() {
    let shown = session(&["check", RECORDED, "--against", TRACE, "--redact", "--format", "json"]);
    assert!(!shown.contains("book") && !shown.contains("\"qty\""), "{shown}");
    insta::assert_snapshot!(session(&["check", RECORDED, "--against", TRACE, "--redact"]));
}

#[test]
fn check_one_invocation() {
    let id = "inv_1b4qnJ3WFrrI4cnNrLtDvyxhaOvqQSW3EU";
    insta::assert_snapshot!(session(&["check", RECORDED, "--against", TRACE, "--invocation", id, "--format", "jsonl"]));
}

#[test]
fn check_in_colour() {
    insta::assert_snapshot!(session(&[
        "check",
        RECORDED,
        "--against",
        TRACE,
        "--service",
        "Signup",
        "--color",
        "always"
    ]));
}

#[test]
fn check_says_why_it_is_inconclusive() {
    insta::assert_snapshot!(session(&[
        "check",
        RECORDED,
        "--against",
        "fixtures/clean/process/trace.jsonl",
        "--limit",
        "3"
    ]));
}

#[test]
fn show_for_people() {
    insta::assert_snapshot!(session(&["show", RECORDED, "--handler", "process", "--limit", "1"]));
}

#[test]
fn show_in_the_readable_form() {
    insta::assert_snapshot!(session(&["show", RECORDED, "--service", "Signup", "--limit", "1", "--format", "json"]));
}

#[test]
fn explain_lists_the_rules() {
    insta::assert_snapshot!(session(&["explain"]));
}

#[test]
fn explain_one_rule() {
    insta::assert_snapshot!(session(&["explain", "call-payload-changed"]));
}

#[test]
fn errors_say_what_to_do() {
    let runs = [
        session(&["explain", "call-payload-change"]),
        session(&["check", "fixtures/nowhere.arrow", "--against", TRACE]),
        session(&["check", "Cargo.toml", "--against", TRACE]),
        session(&["check", RECORDED]),
        session(&["check", "-", "--against", "-"]),
    ];
    insta::assert_snapshot!(runs.join("\n\n"));
}

#[test]
fn help_teaches() {
    insta::assert_snapshot!(
        [session(&["--help"]), session(&["check", "--help"]), session(&["show", "--help"])].join("\n\n")
    );
}

#[test]
fn help_says_what_a_live_candidate_runs() {
    for command in ["check", "trace"] {
        let help = session(&[command, "--help"]).split_whitespace().collect::<Vec<_>>().join(" ");
        for sentence in [
            "No ctx.run closure runs, ever; but handler code outside of ctx.run does run, as on any retry",
            "Use an instance that takes no traffic.",
        ] {
            assert!(help.contains(sentence), "{command}: {help}");
        }
    }
}

#[test]
fn exit_statuses_are_the_contracts() {
    assert_eq!(status(&["check", RECORDED, "--against", RECORDED]), 0);
    assert_eq!(status(&["check", RECORDED, "--against", TRACE]), 1);
    assert_eq!(
        status(&[
            "check",
            "fixtures/failed/process-throws/recorded.jsonl",
            "--against",
            "fixtures/failed/process-throws/trace.json"
        ]),
        1
    );
    assert_eq!(status(&["check", RECORDED, "--against", "fixtures/nowhere"]), 2);
    assert_eq!(status(&["chekc"]), 2);
    // Nothing selected, nothing known of the candidate, an empty set: never green.
    assert_eq!(status(&["check", RECORDED, "--against", TRACE, "--service", "Nobody"]), 3);
    assert_eq!(status(&["check", RECORDED, "--against", TRACE, "--limit", "0"]), 3);
    assert_eq!(status(&["check", RECORDED, "--against", "fixtures/clean/process/trace.jsonl"]), 3);
    assert_eq!(status(&["check", "/dev/null", "--against", TRACE]), 3);
}

#[test]
fn json_fits_its_schema() {
    let schema = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/report.v1.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for candidate in [TRACE, RECORDED, "fixtures/clean/process/trace.jsonl"] {
        let output = rehearse(&["check", RECORDED, "--against", candidate, "--format", "json"]);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(document["summary"]["checked"], 12);

        // jsonl is the same invocations, a line each.
        let lines = rehearse(&["check", RECORDED, "--against", candidate, "--format", "jsonl"]).stdout;
        let lines: Vec<serde_json::Value> =
            String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(serde_json::Value::from(lines), document["invocations"]);
    }
    // An empty run is a document too.
    let output = rehearse(&["check", RECORDED, "--against", TRACE, "--limit", "0", "--format", "json"]);
    assert!(validator.is_valid(&serde_json::from_slice(&output.stdout).unwrap()));
}

#[test]
fn what_show_prints_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let readable = folder.path().join("readable.jsonl");
    let readable = readable.to_str().unwrap();
    assert_eq!(status(&["show", RECORDED, "--format", "json", "-o", readable]), 0);
    for (journals, against) in [(RECORDED, readable), (readable, RECORDED), (readable, readable)] {
        let output = rehearse(&["check", journals, "--against", against, "--format", "jsonl"]);
        assert_eq!(output.status.code(), Some(0), "{journals} against {against}");
        assert!(String::from_utf8(output.stdout).unwrap().lines().all(|line| line.contains("\"findings\":[]")));
    }
}

#[test]
fn a_hyphen_is_standard_output() {
    let shown = rehearse(&["show", RECORDED, "--format", "json"]).stdout;
    assert!(!shown.is_empty());
    assert_eq!(rehearse(&["show", RECORDED, "--format", "json", "-o", "-"]).stdout, shown);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("human");
    let flags = ["check", RECORDED, "--against", TRACE, "--report", "json=-"];
    let refused = rehearse(&flags);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && said.contains("cannot both go to standard output"), "{said}");
    let output = rehearse(&[&flags[..], &["-o", file.to_str().unwrap()]].concat());
    assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok());
}
