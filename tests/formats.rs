//! Every format over one sample report (`tests/sample`): as it was, valid by its published schema, and with nothing in
//! it that a payload could have put there.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::Instant;

use common::many::{huge, many};

const FORMATS: [&str; 10] =
    ["human", "json", "jsonl", "junit", "sarif", "github", "gitlab", "markdown", "html", "accept"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rehearse(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(root())
        // 2026-11-22.
        .env("SOURCE_DATE_EPOCH", "1795305600")
        .env("GIT_AUTHOR_NAME", "dave")
        .env_remove("GITHUB_STEP_SUMMARY")
        .output()
        .unwrap()
}

fn built() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_rehearse"))
}

/// Every format of one run.
fn reports(program: &Path, folder: &Path, arguments: &[&str]) -> Reports {
    let file = |format: &str| folder.join(format).to_str().unwrap().to_owned();
    let flags: Vec<String> = FORMATS[1..].iter().map(|format| format!("--report={format}={}", file(format))).collect();
    let human = file("human");
    let mut all = vec!["check"];
    all.extend(arguments);
    all.extend(["-o", human.as_str()]);
    all.extend(flags.iter().map(String::as_str));
    let output = rehearse(program, &all);
    assert!(output.stdout.is_empty(), "everything went to files");
    let read = |format: &&'static str| (*format, std::fs::read_to_string(folder.join(format)).unwrap());
    FORMATS.iter().map(read).collect()
}

fn sample(more: &[&str]) -> Reports {
    let folder = tempfile::tempdir().unwrap();
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
    reports(built(), folder.path(), &arguments)
}

#[test]
fn every_format_is_as_it_was() {
    for (format, text) in &RUNS[0] {
        // Pages of rules are snapshots of their own.
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(r#""rules":\[\{.*?\}\]\}\},"#, r#""rules":"…"}},"#);
        settings.bind(|| insta::assert_snapshot!(*format, text));
    }
}

#[test]
fn same_input_same_bytes() {
    for jobs in ["1", "7"] {
        assert_eq!(RUNS[0], sample(&["--prove", "--jobs", jobs]));
    }
}

fn validate(schema: &str, document: &str) {
    // The published SARIF schema has a stray bracket in the pattern of a language, which we do not write.
    let text = std::fs::read_to_string(root().join(schema)).unwrap().replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$");
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}");
}

type Reports = BTreeMap<&'static str, String>;

/// A run with something of everything, one where all is well, and one of nothing.
static RUNS: LazyLock<[Reports; 3]> = LazyLock::new(|| {
    [sample(&["--prove"]), sample(&["--invocation", "compatible"]), sample(&["--invocation", "nobody"])]
});

#[test]
fn json_and_sarif_fit_their_schemas() {
    for run in &*RUNS {
        validate("schemas/report.v1.json", &run["json"]);
        validate("tests/schemas/sarif-2.1.0.json", &run["sarif"]);
    }
}

#[test]
fn a_run_that_checked_nothing_is_green_in_no_format() {
    let [_, good, nothing] = &*RUNS;
    // 1 of 3 handlers and 5 journals: the good run is held to more than it covers.
    for run in [good, nothing] {
        assert!(run["junit"].contains("errors=\"1\""), "{}", run["junit"]);
        assert!(run["sarif"].contains("\"executionSuccessful\":false"));
        assert!(run["github"].starts_with("::error title=rehearse undecided::"), "{}", run["github"]);
        assert!(run["gitlab"].contains("\"check_name\":\"undecided\""));
        assert!(run["markdown"].contains("undecided"));
        assert!(run["html"].contains("undecided"));
        assert!(run["json"].contains("\"outcome\":\"undecided\""));
    }
}

/// By Jenkins' schema, with libxml2's validator (`libxml2-utils`), which CI has to have.
#[test]
fn junit_fits_its_schema() {
    for (at, run) in RUNS.iter().enumerate() {
        let mut reader = quick_xml::Reader::from_str(&run["junit"]);
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("junit.xml");
        std::fs::write(&file, &run["junit"]).unwrap();
        let schema = root().join("tests/schemas/junit-10.xsd");
        match Command::new("xmllint").args(["--noout", "--schema"]).arg(schema).arg(file).output() {
            Ok(output) => assert!(output.status.success(), "run {at}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => assert!(std::env::var_os("CI").is_none(), "xmllint: {error}"),
        }
    }
}

#[test]
fn gitlab_has_all_that_it_needs() {
    for run in &*RUNS {
        let issues: Vec<serde_json::Value> = serde_json::from_str(&run["gitlab"]).unwrap();
        let mut fingerprints: Vec<&str> = Vec::new();
        for issue in &issues {
            for field in ["/description", "/check_name", "/fingerprint", "/severity", "/location/path"] {
                assert!(issue.pointer(field).is_some_and(serde_json::Value::is_string), "{field}: {issue}");
            }
            assert!(issue.pointer("/location/lines/begin").is_some_and(serde_json::Value::is_u64));
            assert!(["info", "minor", "major", "critical", "blocker"].contains(&issue["severity"].as_str().unwrap()));
            fingerprints.push(issue["fingerprint"].as_str().unwrap());
        }
        fingerprints.sort_unstable();
        assert!(fingerprints.is_sorted_by(|a, b| a < b), "GitLab drops issues of equal fingerprints");
    }
}

#[test]
fn nothing_acts_in_any_format() {
    for (format, text) in sample(&["--prove", "-v"]) {
        let acting = text.chars().find(|c| {
            (c.is_control() && *c != '\n')
                || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
        });
        assert_eq!(acting, None, "{format}");
        // What GitHub, Azure and others take for a command, wherever the text is printed.
        for line in text.lines() {
            assert!(!line.contains("##[") && !line.contains("##vso["), "{format}: {line}");
            let ours = ["::error title=", "::warning title=", "::notice title="];
            let command = line.trim_start().starts_with("::");
            assert!(
                !command || (format == "github" && ours.iter().any(|our| line.starts_with(our))),
                "{format}: {line}"
            );
        }
        if format == "github" {
            assert!(text.lines().all(|line| line.starts_with("::")), "{text}");
        }
    }
}

#[test]
fn html_has_only_our_elements() {
    let page = &RUNS[0]["html"];
    // Ours, and the data that it reads.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<img") && !page.contains("<b>") && !page.contains("<!--"));
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
    // No network, no handlers in attributes.
    for forbidden in ["http://", "https://", "url(", "@import", " onclick", " onerror=\"", "javascript:"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn markdown_shows_payloads_as_code_only() {
    let text = &RUNS[0]["markdown"];
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        match fence {
            Some(open) => {
                if line == open {
                    fence = None;
                }
                continue;
            }
            None if ticks.len() >= 3 => {
                fence = Some(ticks);
                continue;
            }
            None => {}
        }
        // What is left outside of code spans.
        let mut outside = String::new();
        let mut rest = line;
        while let Some(at) = rest.find('`') {
            outside.push_str(&rest[..at]);
            let ticks = rest[at..].len() - rest[at..].trim_start_matches('`').len();
            let closing = format!(" {}", "`".repeat(ticks));
            let after = &rest[at + ticks..];
            rest = match after.find(&closing).or_else(|| after.find(&closing[1..])) {
                Some(end) => after[end..].trim_start().trim_start_matches('`'),
                None => panic!("an open code span: {line}"),
            };
        }
        outside.push_str(rest);
        for hostile in ["alert", "@everyone", "<img", "<script", "pwned", "<b>"] {
            assert!(!outside.contains(hostile), "{line}");
        }
    }
    assert_eq!(fence, None, "a fence is left open");
}

/// Where a payload is a mebibyte, no format is.
#[test]
fn long_payloads_are_shown_by_their_beginning() {
    for (format, text) in sample(&["--invocation", "huge"]) {
        assert!(text.len() < 64 << 10, "{format} of {} bytes", text.len());
    }
}

/// The figures that are claimed, on the binary that is released: `REHEARSE_RELEASED` names it, and CI has to. Without it
/// there are fewer, and no time is asked for: a build without optimisation says nothing of speed.
#[test]
fn many_invocations_are_reported_quickly() {
    let released = std::env::var_os("REHEARSE_RELEASED").is_some();
    assert!(released || std::env::var_os("CI").is_none(), "REHEARSE_RELEASED names no binary");
    let program = &common::binary();
    let folder = tempfile::tempdir().unwrap();
    let count = if released { 10_000 } else { 1_000 };
    let [recorded, trace] = many(folder.path(), count);
    let (recorded, trace) = (recorded.to_str().unwrap(), trace.to_str().unwrap());
    let mut took = Vec::new();
    let mut all = BTreeMap::new();
    // The best of three: other tests run beside this one.
    for _ in 0..if released { 3 } else { 1 } {
        let begun = Instant::now();
        all = reports(program, folder.path(), &[recorded, "--against", trace]);
        took.push(begun.elapsed());
    }
    println!("{}: all formats in {took:?}, HTML of {} bytes", program.display(), all["html"].len());
    let summary = format!("\"checked\":{count},\"compatible\":{},\"mismatch\":{},", count / 5 * 4, count / 5);
    assert!(all["json"].contains(&summary), "{summary}");
    assert!(all["html"].len() < 8 << 20, "HTML of {} bytes", all["html"].len());
    assert_eq!(all["html"].matches(" data-page=\"").count(), count / 5, "every mismatch in full");
    assert!(all["markdown"].chars().count() < 65_536, "Markdown of {} characters", all["markdown"].len());
    assert!(all["github"].lines().count() <= 30);
    if released {
        // The check itself included.
        assert!(took.iter().any(|took| took.as_secs_f64() < 2.0), "{took:?}");
    }
}

/// Whatever is in the journals, the page stays one that a browser can show.
#[test]
fn the_page_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let journals = |text: &str, end: &str| -> String {
        let of = |at: usize| {
            let steps: String = (0..40)
                .map(|step| format!(r#"{{"command":"SetState","key":"{at}-{step}{text}","value":"{at}{end}{text}"}},"#))
                .collect();
            format!(
                r#"{{"id":"{at}{text}","target":"Order/{at}{text}/{at}{text}","complete":true,"entries":[{{"command":"Input"}},{steps}{{"command":"Output","value":1}}]}}{}"#,
                "\n"
            )
        };
        (0..300).map(of).collect()
    };
    let hostile = r"\u202e<&".repeat(100);
    let (recorded, trace) = (folder.path().join("recorded"), folder.path().join("trace"));
    std::fs::write(&recorded, journals(&hostile, "1")).unwrap();
    std::fs::write(&trace, journals(&hostile, "2")).unwrap();
    let page = folder.path().join("page.html");
    let arguments =
        ["check", recorded.to_str().unwrap(), "--against", trace.to_str().unwrap(), "--format", "html", "-o"];
    let output = rehearse(built(), &[&arguments[..], &[page.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.len() < 8 << 20, "{} bytes", page.len());
    assert!(page.ends_with("</html>\n") && page.contains("300 invocations fail the run"));
    println!("{} bytes, {} in full", page.len(), page.matches(" data-page=\"").count());
}
