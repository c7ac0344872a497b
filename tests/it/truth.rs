//! Our verdict on every committed fixture is the truth, which was recorded on a real server: what the server said when the
//! invocation was resumed on the variant.

use std::path::{Path, PathBuf};

use rehearsal::check::{Options, check};
use rehearsal::report::{Invocation, Verdict};
use rehearsal::source::{Input, open};
use serde::Deserialize;

use crate::support::folders::root;

#[derive(Debug, Deserialize)]
struct Truth {
    outcome: String,
    command_index: Option<usize>,
    first_rule: Option<String>,
    rules: Vec<String>,
    notes: Vec<String>,
    trace: String,
    commands: usize,
}

fn fixtures() -> Vec<PathBuf> {
    let root = root().join("fixtures");
    let mut found = Vec::new();
    for group in ["rules", "clean", "failed"] {
        collect(&root.join(group), &mut found);
    }
    found.sort();
    assert!(found.len() >= 100, "only {} fixtures found", found.len());
    found
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    if directory.join("truth.json").exists() {
        found.push(directory.to_owned());
        return;
    }
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        }
    }
}

fn check_files(recorded: &Path, candidate: &Path) -> Vec<Invocation> {
    let (recorded, candidate, ids) =
        open(&[Input::Path(recorded.to_owned())], &[Input::Path(candidate.to_owned())]).unwrap();
    let mut invocations = Vec::new();
    check(&recorded, &candidate, &ids, &Options::default(), |invocation| {
        invocations.push(invocation);
        true
    });
    invocations
}

#[test]
fn verdict_rule_and_index_are_those_of_the_server() {
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        let truth: Truth = serde_json::from_slice(&std::fs::read(fixture.join("truth.json")).unwrap()).unwrap();
        let invocations = check_files(&fixture.join("recorded.jsonl"), &fixture.join(&truth.trace));
        let [invocation] = &invocations[..] else { panic!("{}: {} invocations", fixture.display(), invocations.len()) };
        let errors: Vec<_> = invocation.errors().collect();
        let mut rules: Vec<&str> = errors.iter().map(|finding| finding.rule).collect();
        let mut notes: Vec<&str> = invocation.notes().map(|finding| finding.rule).collect();
        notes.sort_unstable();
        notes.dedup();
        let expected = match truth.outcome.as_str() {
            "mismatch" => Verdict::Mismatch,
            "compatible" => Verdict::Compatible,
            "failed" => Verdict::Failed,
            // Completed journals cannot be resumed, so only the rules are known.
            "unknown" if truth.rules.is_empty() => Verdict::Compatible,
            "unknown" => Verdict::Mismatch,
            other => panic!("{}: outcome {other}", fixture.display()),
        };
        let mut complain = |what: String| wrong.push(format!("{}: {what}", fixture.display()));
        if invocation.judgement.verdict != expected {
            complain(format!(
                "verdict {:?} ({:?}), truth {expected:?}",
                invocation.judgement.verdict, invocation.judgement.reason
            ));
        }
        if rules.first().copied() != truth.first_rule.as_deref() {
            complain(format!("first rule {:?}, truth {:?}", rules.first(), truth.first_rule));
        }
        if let Some(index) = truth.command_index
            && errors.first().map(|finding| finding.command_index) != Some(index)
        {
            complain(format!("index {:?}, truth {index}", errors.first().map(|finding| finding.command_index)));
        }
        if invocation.judgement.commands != truth.commands {
            complain(format!("{} commands, truth {}", invocation.judgement.commands, truth.commands));
        }
        let mut meant: Vec<&str> = truth.rules.iter().map(String::as_str).collect();
        rules.sort_unstable();
        meant.sort_unstable();
        if rules != meant {
            complain(format!("rules {rules:?}, truth {meant:?}"));
        }
        for note in &truth.notes {
            if !notes.contains(&note.as_str()) {
                complain(format!("notes {notes:?}, truth {note}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn recorded_against_itself_is_silent() {
    for fixture in fixtures() {
        let recorded = fixture.join("recorded.jsonl");
        for invocation in check_files(&recorded, &recorded) {
            assert_eq!(invocation.judgement.verdict, Verdict::Compatible, "{}", fixture.display());
            assert!(
                invocation.judgement.findings.is_empty(),
                "{}: {:?}",
                fixture.display(),
                invocation.judgement.findings
            );
            assert!(invocation.judgement.frontier_reached);
        }
    }
}
