//! The command line as people use it: one snapshot of each run has its output, its errors and its exit status.

use crate::support::folders::{read, scratch, text};
use crate::support::runner::rehearse;

const RECORDED: &str = "fixtures/demo/recorded.arrow";
const TRACE: &str = "fixtures/demo/trace.jsonl";

/// The command and everything it does, as one text.
fn session(arguments: &[&str]) -> String {
    let run = rehearse(arguments);
    format!(
        "$ rehearse {}\n{}--- stderr ---\n{}--- exit status {} ---",
        arguments.join(" "),
        run.stdout,
        run.stderr,
        run.status
    )
}

fn status(arguments: &[&str]) -> i32 {
    rehearse(arguments).status
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
    // A selection of nothing, a candidate of which nothing is known, or an empty file never passes.
    assert_eq!(status(&["check", RECORDED, "--against", TRACE, "--service", "Nobody"]), 3);
    assert_eq!(status(&["check", RECORDED, "--against", TRACE, "--limit", "0"]), 3);
    assert_eq!(status(&["check", RECORDED, "--against", "fixtures/clean/process/trace.jsonl"]), 3);
    assert_eq!(status(&["check", "/dev/null", "--against", TRACE]), 3);
}

#[test]
fn json_fits_its_schema() {
    let schema: serde_json::Value = serde_json::from_str(&read("schemas/report.v1.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for candidate in [TRACE, RECORDED, "fixtures/clean/process/trace.jsonl"] {
        let document = rehearse(&["check", RECORDED, "--against", candidate, "--format", "json"]).json();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(document["summary"]["checked"], 12);

        // jsonl has the same invocations, one a line.
        let lines = rehearse(&["check", RECORDED, "--against", candidate, "--format", "jsonl"]).stdout;
        let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(serde_json::Value::from(lines), document["invocations"]);
    }
    // A run of nothing is a valid document as well.
    let run = rehearse(&["check", RECORDED, "--against", TRACE, "--limit", "0", "--format", "json"]);
    assert!(validator.is_valid(&run.json()));
}

#[test]
fn what_show_prints_is_read_back() {
    let folder = scratch();
    let readable = folder.path().join("readable.jsonl");
    let readable = readable.to_str().unwrap();
    assert_eq!(status(&["show", RECORDED, "--format", "json", "-o", readable]), 0);
    for (journals, against) in [(RECORDED, readable), (readable, RECORDED), (readable, readable)] {
        let run = rehearse(&["check", journals, "--against", against, "--format", "jsonl"]);
        assert_eq!(run.status, 0, "{journals} against {against}");
        assert!(run.stdout.lines().all(|line| line.contains("\"findings\":[]")));
    }
}

#[test]
fn a_hyphen_is_standard_output() {
    let shown = rehearse(&["show", RECORDED, "--format", "json"]).stdout;
    assert!(!shown.is_empty());
    assert_eq!(rehearse(&["show", RECORDED, "--format", "json", "-o", "-"]).stdout, shown);
    let folder = scratch();
    let file = folder.path().join("human");
    let flags = ["check", RECORDED, "--against", TRACE, "--report", "json=-"];
    let refused = rehearse(&flags);
    let said = refused.stderr;
    assert!(refused.status == 2 && said.contains("cannot both go to standard output"), "{said}");
    assert!(rehearse(&[&flags[..], &["-o", text(&file)]].concat()).json().is_object());
}
