//! Every run ends with the exit status of the contract, case by case, with each policy that affects it.

use std::path::Path;

use crate::support::folders::{root, scratch, text};
use crate::support::quiet;
use crate::support::runner::{Rehearse, Run};

/// Invocations of the sample (`tests/sample`), by their verdict.
const COMPATIBLE: &str = "compatible";
const MISMATCH: &str = "payload-bob";
const ACCEPTED: &str = "accepted";
const IGNORED: &str = "ignored-header";
const FAILED: &str = "failed";
const INCONCLUSIVE: &str = "unknown";
const NOTE: &str = "delayed";

/// The fingerprint of [`MISMATCH`]'s finding.
const FINGERPRINT: &str = "2dafb10b3e25";

struct Gate<'r> {
    policy: &'r str,
    cases: &'r [&'r str],
    flags: &'r [&'r str],
}

fn rehearse(folder: &Path, arguments: &[&str]) -> Run {
    let run = Rehearse::new(arguments).with(|command| {
        // 2026-11-22.
        command.env("SOURCE_DATE_EPOCH", "1795305600");
        command.env("GIT_AUTHOR_NAME", "dave").current_dir(folder);
    });
    run.run()
}

fn sample(name: &str) -> String {
    text(&root().join("tests/sample").join(name)).to_owned()
}

impl Gate<'_> {
    fn output(&self) -> Run {
        let folder = scratch();
        self.output_in(folder.path())
    }

    fn output_in(&self, folder: &Path) -> Run {
        // Even an empty policy keeps one in a parent folder from being found.
        if !folder.join("rehearse.toml").exists() {
            std::fs::write(folder.join("rehearse.toml"), self.policy).unwrap();
        }
        let (recorded, trace) = (sample("recorded.jsonl"), sample("trace.jsonl"));
        let mut arguments = vec!["check", &recorded, "--against", &trace];
        for case in self.cases {
            arguments.extend(["--invocation", case]);
        }
        arguments.extend(self.flags);
        rehearse(folder, &arguments)
    }

    fn status(&self) -> i32 {
        self.output().status
    }
}

#[test]
fn every_status_with_every_policy() {
    let accept = |expires: &str| {
        format!(
            "[[accept]]\nfingerprint = \"{FINGERPRINT}\"\nreason = \"r\"\nauthor = \"a\"\nexpires = \"{expires}\"\n"
        )
    };
    let (valid, last_day, expired) = (accept("2027-01-01"), accept("2026-11-22"), accept("2026-11-21"));
    let warn = "[levels]\ncall-payload-changed = \"warn\"\n";
    let note = "[levels]\ncall-payload-changed = \"note\"\n";
    let off = "[levels]\ncall-payload-changed = \"off\"\n";
    let ignore = "[ignore]\npaths = [\"parameter.qty\"]\n";
    let elsewhere = "[ignore]\npaths = [\"parameter.to\"]\n";
    let scoped = "[[override]]\nservice = \"Order\"\nstep = \"Mail/*\"\nlevels = { call-payload-changed = \"warn\" }\n";
    let unfit = "[[override]]\nservice = \"Order\"\nstep = \"Stock/*\"\nlevels = { call-payload-changed = \"warn\" }\n";
    let ignored_here = "[[override]]\nhandler = \"process\"\nignore-paths = [\"*.qty\"]\n";
    let handlers = "handlers = [\"Order/process\", \"Mail/send\"]\n";
    let all_handlers = "handlers = [\"Order/process\"]\n";
    let one = &[MISMATCH][..];
    let good = &[COMPATIBLE][..];
    #[rustfmt::skip]
    let table: &[(i32, &str, &[&str], &[&str])] = &[
        // Verdicts alone, and which one outranks which.
        (0, "", good, &[]),
        (1, "", one, &[]),
        (1, "", &[FAILED], &[]),
        (3, "", &[INCONCLUSIVE], &[]),
        (3, "", &["nobody"], &[]),
        (1, "", &[MISMATCH, INCONCLUSIVE], &[]),
        (1, "", &[FAILED, INCONCLUSIVE, COMPATIBLE], &[]),
        (3, "", &[COMPATIBLE, INCONCLUSIVE], &[]),
        (1, "", &[COMPATIBLE, MISMATCH], &[]),
        // Levels.
        (0, warn, one, &[]),
        (0, note, one, &[]),
        (0, off, one, &[]),
        (1, warn, one, &["--fail-on", "warn"]),
        (1, warn, one, &["--fail-on", "note"]),
        (0, note, one, &["--fail-on", "warn"]),
        (1, note, one, &["--fail-on", "note"]),
        (0, off, one, &["--fail-on", "note"]),
        (1, "", one, &["--fail-on", "warn"]),
        (1, "fail-on = \"warn\"\n[levels]\ncall-payload-changed = \"warn\"", one, &[]),
        (0, "fail-on = \"warn\"\n[levels]\ncall-payload-changed = \"warn\"", one, &["--fail-on", "error"]),
        (3, warn, &[MISMATCH, INCONCLUSIVE], &[]),
        (1, warn, &[MISMATCH, FAILED], &[]),
        // A compatible one with a note.
        (0, "", &[NOTE], &[]),
        (0, "", &[NOTE], &["--fail-on", "warn"]),
        (1, "", &[NOTE], &["--fail-on", "note"]),
        (1, "[levels]\nsend-delay-changed = \"error\"", &[NOTE], &[]),
        (0, "[levels]\nsend-delay-changed = \"off\"", &[NOTE], &["--fail-on", "note"]),
        // Scopes.
        (0, scoped, one, &[]),
        (1, scoped, one, &["--fail-on", "warn"]),
        (1, unfit, one, &[]),
        (0, ignored_here, one, &[]),
        // Ignored places.
        (0, ignore, one, &[]),
        (0, ignore, one, &["--fail-on", "note"]),
        (1, elsewhere, one, &[]),
        // A trace of the same invocation got the recorded headers, so that its tracing headers count.
        (1, "", &[IGNORED], &[]),
        (0, "[ignore]\ntracing-headers = true", &[IGNORED], &[]),
        (1, "[ignore]\ntracing-headers = false", &[IGNORED], &[]),
        (0, "[ignore]\ntracing-headers = false\nheaders = [\"Trace*\"]", &[IGNORED], &[]),
        // Acceptances.
        (0, &valid, one, &[]),
        (0, &last_day, one, &[]),
        (1, &expired, one, &[]),
        (0, &valid, one, &["--fail-on", "note"]),
        (1, &valid, &[MISMATCH, ACCEPTED], &[]),
        (3, &valid, &[MISMATCH, INCONCLUSIVE], &[]),
        (1, &valid, &[MISMATCH, FAILED], &[]),
        (0, &valid, good, &[]),
        // --report-only: 0 whatever was found, unless the run could not be made.
        (0, "", one, &["--report-only"]),
        (0, "", &[FAILED], &["--report-only"]),
        (0, "", &[INCONCLUSIVE], &["--report-only"]),
        (0, "", &["nobody"], &["--report-only"]),
        (0, "report-only = true", one, &[]),
        (2, "", one, &["--report-only", "--against", "nowhere.jsonl"]),
        // How much has to be checked.
        (0, "", good, &["--min-journals", "1"]),
        (3, "", good, &["--min-journals", "2"]),
        (3, "min-journals = 2", good, &[]),
        (0, "min-journals = 2", good, &["--min-journals", "1"]),
        (3, "", &[COMPATIBLE, INCONCLUSIVE], &["--min-journals", "1"]),
        (1, "", one, &["--min-journals", "2"]),
        (0, &valid, one, &["--min-journals", "1"]),
        // How much of the candidate.
        (3, "", good, &["--require-coverage", "handlers"]),
        (3, handlers, good, &["--require-coverage", "handlers"]),
        (3, handlers, good, &["--require-coverage", "51"]),
        (0, handlers, good, &["--require-coverage", "50%"]),
        (0, all_handlers, good, &["--require-coverage", "handlers"]),
        (0, handlers, good, &["--require-coverage", "handlers", "--service", "Order"]),
        (3, &format!("require-coverage = \"handlers\"\n{handlers}"), good, &[]),
        (1, handlers, one, &["--require-coverage", "handlers"]),
        (3, all_handlers, &[INCONCLUSIVE], &["--require-coverage", "handlers"]),
        (0, handlers, good, &["--require-coverage", "handlers", "--report-only"]),
        // Proof.
        (0, "", good, &["--prove"]),
        (1, "", one, &["--prove"]),
        (3, &valid, one, &["--prove"]),
        (0, &valid, &[MISMATCH, COMPATIBLE], &["--prove"]),
        (3, "[levels]\ncommand-added = \"off\"\ncommand-replaced = \"off\"\nname-changed = \"off\"\nrun-renamed = \"off\"", good, &["--prove"]),
        // Accepting.
        (0, "", one, &["--accept", "--reason", "r"]),
        (0, "", good, &["--accept", "--reason", "r"]),
        (1, "", &[FAILED], &["--accept", "--reason", "r"]),
        (3, "", &[MISMATCH, INCONCLUSIVE], &["--accept", "--reason", "r"]),
        (2, "", one, &["--accept"]),
        // A policy that cannot be read is an error.
        (2, "levls = 1", good, &[]),
        (2, "levls = 1", good, &["--report-only"]),
        (2, "", good, &["--config", "nowhere.toml"]),
        (2, "", good, &["--require-coverage", "most"]),
        (2, "", good, &["--report", "junit"]),
        (2, "", good, &["--report", "jnuit=x"]),
        (2, "", good, &["--report", "junit=x", "--report", "json=x"]),
        (2, "", good, &["--report", "junit=no/such/folder.xml"]),
    ];
    let mut wrong = Vec::new();
    for (expected, policy, cases, flags) in table {
        let run = Gate { policy, cases, flags };
        let status = run.status();
        if status != *expected {
            wrong.push(format!("{status} instead of {expected}: {cases:?} {flags:?} with {policy:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the policy says about a finding.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bearing {
    Error,
    Warn,
    Note,
    Off,
    Accepted,
    Expired,
    Ignored,
}

/// What the policy asks for besides verdicts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Nothing,
    MoreJournals,
    MoreHandlers,
    /// Coverage of a candidate whose handlers are not known.
    Unknowable,
}

#[derive(Clone, Copy, Debug)]
struct Combination {
    cases: &'static [&'static str],
    bearing: Bearing,
    fail_on: usize,
    asked: Asked,
    report_only: bool,
}

const FAIL_ON: [&str; 3] = ["error", "warn", "note"];

impl Combination {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        let sets: [&[&str]; 8] = [
            &[COMPATIBLE],
            &[MISMATCH],
            &[FAILED],
            &[INCONCLUSIVE],
            &[NOTE],
            &["nobody"],
            &[MISMATCH, INCONCLUSIVE],
            &[COMPATIBLE, MISMATCH],
        ];
        use Bearing::*;
        for cases in sets {
            for bearing in [Error, Warn, Note, Off, Accepted, Expired, Ignored] {
                // A policy for a finding that is not there changes nothing, so that one of them is enough.
                if !cases.contains(&MISMATCH) && !matches!(bearing, Error | Accepted) {
                    continue;
                }
                for fail_on in 0..FAIL_ON.len() {
                    for asked in [Asked::Nothing, Asked::MoreJournals, Asked::MoreHandlers, Asked::Unknowable] {
                        for report_only in [false, true] {
                            all.push(Self { cases, bearing, fail_on, asked, report_only });
                        }
                    }
                }
            }
        }
        all
    }

    /// The exit status that the contract asks for.
    fn expected(self) -> i32 {
        let has = |case: &str| self.cases.contains(&case);
        let weight = match self.bearing {
            Bearing::Error | Bearing::Expired => Some(0),
            Bearing::Warn => Some(1),
            Bearing::Note => Some(2),
            Bearing::Off | Bearing::Accepted | Bearing::Ignored => None,
        };
        let mismatch = has(MISMATCH) && weight.is_some_and(|weight| weight <= self.fail_on);
        let noted = has(NOTE) && FAIL_ON[self.fail_on] == "note";
        if self.report_only {
            0
        } else if mismatch || has(FAILED) || noted {
            1
        } else if has("nobody") || has(INCONCLUSIVE) || self.asked != Asked::Nothing {
            3
        } else {
            0
        }
    }

    fn status(self) -> i32 {
        let accept = |expires: &str| {
            format!(
                "[[accept]]\nfingerprint = \"{FINGERPRINT}\"\nreason = \"r\"\nauthor = \"a\"\nexpires = \"{expires}\"\n"
            )
        };
        let level = |level: &str| format!("[levels]\ncall-payload-changed = \"{level}\"\n");
        let bearing = match self.bearing {
            Bearing::Error => String::new(),
            Bearing::Warn => level("warn"),
            Bearing::Note => level("note"),
            Bearing::Off => level("off"),
            Bearing::Accepted => accept("2027-01-01"),
            Bearing::Expired => accept("2026-11-21"),
            Bearing::Ignored => "[ignore]\npaths = [\"parameter.qty\"]\n".to_owned(),
        };
        let asked = match self.asked {
            Asked::Nothing => "",
            Asked::MoreJournals => "min-journals = 3\n",
            Asked::MoreHandlers => {
                "require-coverage = \"handlers\"\nhandlers = [\"Order/process\", \"Billing/remind\", \"Mail/send\"]\n"
            }
            Asked::Unknowable => "require-coverage = \"1%\"\n",
        };
        let policy =
            format!("fail-on = \"{}\"\nreport-only = {}\n{asked}{bearing}", FAIL_ON[self.fail_on], self.report_only);
        Gate { policy: &policy, cases: self.cases, flags: &[] }.status()
    }
}

#[test]
fn every_combination_ends_as_the_contract_says() {
    let _guard = quiet::beside_others();
    let all = Combination::all();
    assert_eq!(all.len(), (3 * 7 + 5 * 2) * 3 * 4 * 2);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let check = |part: &[Combination]| -> Vec<String> {
            let ended = part.iter().map(|one| (one, one.status()));
            let wrong = ended.filter(|(one, status)| *status != one.expected());
            wrong.map(|(one, status)| format!("{status} instead of {}: {one:?}", one.expected())).collect()
        };
        let parts: Vec<_> = all.chunks(all.len().div_ceil(4)).map(|part| scope.spawn(move || check(part))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_policy_never_changes_a_verdict() {
    for policy in ["", "[levels]\ncall-payload-changed = \"off\"", "[ignore]\npaths = [\"*\"]"] {
        let output = Gate { policy, cases: &[MISMATCH], flags: &["--format", "json"] }.output();
        let report = output.json();
        assert_eq!(report["invocations"][0]["verdict"], "mismatch", "{policy}");
        assert_eq!(report["summary"]["mismatch"], 1);
        assert_eq!(report["summary"]["excused"], u64::from(!policy.is_empty()));
    }
}

#[test]
fn what_is_accepted_stays_accepted_and_comments_stay() {
    let folder = scratch();
    let policy = "# ours\n[levels] # here too\nrun-renamed = \"warn\"\n";
    let run = |flags: &[&str]| Gate { policy, cases: &[MISMATCH], flags }.output_in(folder.path());
    assert_eq!(run(&[]).status, 1);
    assert_eq!(run(&["--accept", "--reason", "drained by Friday"]).status, 0);
    let file = || std::fs::read_to_string(folder.path().join("rehearse.toml")).unwrap();
    insta::assert_snapshot!("accepted", file());
    assert_eq!(run(&[]).status, 0);
    // There is nothing more to accept. An expired acceptance is replaced and not added again.
    let again = file();
    assert_eq!(run(&["--accept", "--reason", "again"]).status, 0);
    assert_eq!(file(), again);
    std::fs::write(folder.path().join("rehearse.toml"), again.replace("2026-12-22", "2026-01-01")).unwrap();
    assert_eq!(run(&[]).status, 1);
    assert_eq!(run(&["--accept", "--reason", "again", "--expires", "never", "--author", "eve"]).status, 0);
    assert_eq!(file().matches("[[accept]]").count(), 1);
    assert!(file().contains("eve") && !file().contains("expires"));
}

#[test]
fn what_is_printed_for_acceptance_is_read_once_a_reason_is_given() {
    let printed = Gate { policy: "", cases: &[MISMATCH], flags: &["--format", "accept"] }.output();
    let printed = printed.stdout;
    let status = |policy: &str| Gate { policy, cases: &[MISMATCH], flags: &[] }.status();
    assert_eq!(status(&printed), 2, "{printed}");
    assert_eq!(status(&printed.replace("reason = \"\"", "reason = \"looked at\"")), 0, "{printed}");
}

#[test]
fn fingerprints_survive_unrelated_edits() {
    let folder = scratch();
    let fingerprint = |id: &str, before: &str, qty: u32, at: u64| {
        let journal = |qty: u32| {
            format!(
                r#"{{"id":"{id}","target":"Order/{id}/process","complete":true,"entries":[{{"command":"Input"}},{before}{{"command":"OneWayCall","service_name":"Mail","handler_name":"send","parameter":{{"qty":{qty},"items":[{{"n":{qty}}}]}},"invoke_time":{at}}}]}}"#
            )
        };
        let (recorded, replayed) = (folder.path().join("recorded"), folder.path().join("replayed"));
        std::fs::write(&recorded, journal(1)).unwrap();
        std::fs::write(&replayed, journal(qty)).unwrap();
        let (recorded, replayed) = (recorded.to_str().unwrap(), replayed.to_str().unwrap());
        let output = rehearse(folder.path(), &["check", recorded, "--against", replayed, "--format", "json"]);
        let report = output.json();
        report["invocations"][0]["findings"][0]["fingerprint"].as_str().unwrap().to_owned()
    };
    let step = r#"{"command":"SetState","key":"x","value":1},"#;
    let first = fingerprint("a", "", 2, 1000);
    // Another invocation, another value and time, another index.
    assert_eq!(first, fingerprint("b", "", 2, 1000));
    assert_eq!(first, fingerprint("a", "", 3, 99000));
    assert_eq!(first, fingerprint("a", &step.repeat(3), 2, 1000));
}

#[test]
fn a_policy_is_found_upwards() {
    let folder = scratch();
    let below = folder.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(folder.path().join("rehearse.toml"), "[ignore]\npaths = [\"parameter.qty\"]").unwrap();
    let (recorded, trace) = (sample("recorded.jsonl"), sample("trace.jsonl"));
    let output = rehearse(&below, &["check", &recorded, "--against", &trace, "--invocation", MISMATCH]);
    assert_eq!(output.status, 0);
}

#[test]
fn init_writes_a_policy_that_changes_nothing_and_overwrites_nothing() {
    let folder = scratch();
    assert_eq!(rehearse(folder.path(), &["init"]).status, 0);
    assert_eq!(rehearse(folder.path(), &["init"]).status, 2);
    let run = |cases: &[&str]| Gate { policy: "", cases, flags: &[] }.output_in(folder.path()).status;
    assert_eq!(run(&[COMPATIBLE]), 0);
    assert_eq!(run(&[MISMATCH]), 1);
    // Accepting keeps the lines that are commented out above, and they can still be enabled.
    let accept = Gate { policy: "", cases: &[MISMATCH], flags: &["--accept", "--reason", "r"] };
    assert_eq!(accept.output_in(folder.path()).status, 0);
    let file = folder.path().join("rehearse.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("#: fail-on = \"error\"", "fail-on = \"warn\"")).unwrap();
    assert_eq!(run(&[MISMATCH]), 0);
}

#[test]
fn a_step_summary_is_appended_on_github() {
    let folder = scratch();
    let summary = folder.path().join("summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let (recorded, trace) = (sample("recorded.jsonl"), sample("trace.jsonl"));
    let run = Rehearse::new(["check", &recorded, "--against", &trace, "--format", "github"])
        .with(|command| {
            command.current_dir(folder.path()).env("GITHUB_STEP_SUMMARY", &summary);
        })
        .run();
    assert_eq!(run.status, 1);
    let summary = std::fs::read_to_string(&summary).unwrap();
    assert!(summary.starts_with("before\n### ❌ rehearse: failed"), "{summary}");
}

#[test]
fn completions_and_the_man_page_know_every_command() {
    let folder = scratch();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = rehearse(folder.path(), &["completions", shell]);
        let script = output.stdout;
        for word in ["check", "explain", "init", "require-coverage", "fail-on"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = rehearse(folder.path(), &["man"]).stdout;
    assert!(page.contains(".TH rehearse 1") && page.contains("require\\-coverage") && page.contains("REHEARSE CHECK"));
}
