//! The scripts of the GitHub action do what its documentation says, run as a workflow's step runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::provisioning;
use crate::support::folders::{read, root};

struct Step {
    folder: tempfile::TempDir,
}

impl Step {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    fn run(&self, script: &str, inputs: &[(&str, &str)]) -> Output {
        let binary = Path::new(env!("CARGO_BIN_EXE_rehearse")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command
            .arg(root().join(script))
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("GITHUB_OUTPUT", self.file("output"))
            .env("GITHUB_STEP_SUMMARY", self.file("summary"))
            .env("GITHUB_PATH", self.file("path"));
        for (name, value) in inputs {
            command.env(format!("INPUT_{name}"), value);
        }
        command.output().unwrap()
    }

    fn outputs(&self) -> Vec<String> {
        self.read("output").lines().map(str::to_owned).collect()
    }
}

fn sample(name: &str) -> String {
    root().join("tests/sample").join(name).display().to_string()
}

#[test]
fn a_mismatch_fails_the_step_and_leaves_every_report() {
    if !provisioning::ready("action") {
        return;
    }
    let step = Step::new();
    let (journals, against) = (sample("recorded.jsonl"), sample("trace.jsonl"));
    let inputs = [("JOURNALS", journals.as_str()), ("AGAINST", &against), ("PROVE", "true"), ("REPORT_ONLY", "false")];
    let output = step.run("ci/check.sh", &inputs);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.starts_with("::error title=rehearse failed::12 invocations checked"), "{shown}");
    let outputs = step.outputs();
    for wanted in ["exit-status=1", "status=failed", "checked=12", "failing=9", "sarif=rehearse-report/rehearse.sarif"]
    {
        assert!(outputs.iter().any(|line| line == wanted), "{wanted}: {outputs:?}");
    }
    for name in ["xml", "sarif", "html", "json", "md"] {
        assert!(!step.read(&format!("rehearse-report/rehearse.{name}")).is_empty(), "{name}");
    }
    assert!(step.read("summary").starts_with("### ❌ rehearse: failed"));
}

#[test]
fn what_passes_passes_and_what_can_not_be_made_is_an_error() {
    if !provisioning::ready("action") {
        return;
    }
    let step = Step::new();
    let (journals, against) = (sample("recorded.jsonl"), sample("trace.jsonl"));
    let only = [("JOURNALS", journals.as_str()), ("AGAINST", &against), ("ARGS", "--invocation\ncompatible\n")];
    let output = step.run("ci/check.sh", &only);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(step.outputs().contains(&"status=passed".to_owned()));

    // The report of an earlier run must not be taken for one that could not be made.
    let step = Step { folder: step.folder };
    std::fs::remove_file(step.file("output")).unwrap();
    let nowhere = [("JOURNALS", "nowhere.arrow"), ("AGAINST", against.as_str())];
    assert_eq!(step.run("ci/check.sh", &nowhere).status.code(), Some(2));
    assert_eq!(step.outputs(), ["exit-status=2", "status=error"]);

    let step = Step::new();
    let few = [only[0], only[1], only[2], ("MIN_JOURNALS", "2")];
    assert_eq!(step.run("ci/check.sh", &few).status.code(), Some(3));
    assert!(step.outputs().contains(&"status=undecided".to_owned()));

    let step = Step::new();
    let report_only = [only[0], only[1], ("REPORT_ONLY", "true")];
    assert_eq!(step.run("ci/check.sh", &report_only).status.code(), Some(0));
    assert!(step.outputs().contains(&"status=failed".to_owned()));

    assert_eq!(Step::new().run("ci/check.sh", &[only[0], only[1], ("PROVE", "yes")]).status.code(), Some(2));
}

#[test]
fn inputs_are_no_shell_and_no_flags() {
    if !provisioning::ready("action") {
        return;
    }
    let step = Step::new();
    let against = sample("trace.jsonl");
    for hostile in
        ["$(touch pwned)", "`touch pwned`", "x; touch pwned", "x' \" && touch pwned #", "--report-only", "-o"]
    {
        for name in ["JOURNALS", "AGAINST", "CONFIG", "FAIL_ON", "REQUIRE_COVERAGE", "MIN_JOURNALS"] {
            let mut inputs = vec![("JOURNALS", "nowhere"), ("AGAINST", against.as_str())];
            inputs.retain(|(other, _)| *other != name);
            inputs.push((name, hostile));
            assert_eq!(step.run("ci/check.sh", &inputs).status.code(), Some(2), "{name} {hostile}");
        }
    }
    assert!(!step.file("pwned").exists());
}

#[test]
fn what_is_on_the_path_is_not_installed_again() {
    if !provisioning::ready("action") {
        return;
    }
    let step = Step::new();
    let output = step.run("ci/install.sh", &[]);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("rehearse "));
    assert!(!step.file("path").exists());
}

/// Every input that the action names reaches the script, and no other.
#[test]
fn the_action_and_its_script_agree() {
    let action = read("action.yml");
    let script = read("ci/check.sh");
    let inputs: Vec<&str> =
        action.lines().filter_map(|line| line.trim().strip_prefix("INPUT_")?.split(':').next()).collect();
    assert!(inputs.len() > 8);
    for input in &inputs {
        assert!(script.contains(&format!("INPUT_{input}")), "{input} is not read");
    }
    for read in script.split("INPUT_").skip(1) {
        let name: String = read.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
        assert!(inputs.contains(&name.as_str()), "{name} is not given");
    }
    // An expression in the text of a script would be run by the shell.
    assert!(action.lines().filter(|line| line.contains("run:")).all(|line| !line.contains("${{")));
}
