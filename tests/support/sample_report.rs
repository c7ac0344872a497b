//! The sample report: every format of a run over `tests/sample`, which has each verdict and hostile text in it.

use std::collections::BTreeMap;
use std::path::Path;

use super::folders::scratch;
use super::large_reports::huge;
use super::runner::Rehearse;

pub const FORMATS: [&str; 10] =
    ["human", "json", "jsonl", "junit", "sarif", "github", "gitlab", "markdown", "html", "accept"];

/// The text of each format.
pub type Reports = BTreeMap<&'static str, String>;

/// The report of one run, in every format.
pub fn reports(program: &Path, folder: &Path, arguments: &[&str]) -> Reports {
    let file = |format: &str| folder.join(format).to_str().unwrap().to_owned();
    let flags: Vec<String> = FORMATS[1..].iter().map(|format| format!("--report={format}={}", file(format))).collect();
    let human = file("human");
    let mut all = vec!["check"];
    all.extend(arguments);
    all.extend(["-o", human.as_str()]);
    all.extend(flags.iter().map(String::as_str));
    let run = Rehearse::of(program, all)
        .with(|command| {
            // 2026-11-22.
            command.env("SOURCE_DATE_EPOCH", "1795305600");
            command.env("GIT_AUTHOR_NAME", "dave").env_remove("GITHUB_STEP_SUMMARY");
        })
        .run();
    assert!(run.stdout.is_empty(), "everything went to files");
    let read = |format: &&'static str| (*format, std::fs::read_to_string(folder.join(format)).unwrap());
    FORMATS.iter().map(read).collect()
}

/// The report of the sample and of one invocation with huge payloads, checked with these flags.
pub fn sample(more: &[&str]) -> Reports {
    let folder = scratch();
    let huge = huge(folder.path());
    let mut arguments = vec![
        "tests/sample/recorded.jsonl",
        huge[0].to_str().unwrap(),
        "--against",
        "tests/sample/trace.jsonl",
        "--against",
        huge[1].to_str().unwrap(),
        "--config",
        "tests/sample/rehearse.toml",
        "--reason",
        "because",
    ];
    arguments.extend(more);
    reports(Path::new(env!("CARGO_BIN_EXE_rehearse")), folder.path(), &arguments)
}

/// Three runs: the whole sample, the invocation that is compatible, and a selection of nothing.
pub fn runs() -> [Reports; 3] {
    [sample(&["--prove"]), sample(&["--invocation", "compatible"]), sample(&["--invocation", "nobody"])]
}
