//! Every format of the sample report stays as it was, fits its published schema, and contains nothing that a payload
//! could have put there.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Instant;

use crate::support::folders::{read, scratch, text};
use crate::support::large_reports::many;
use crate::support::quiet;
use crate::support::runner::{rehearse, released};
use crate::support::sample_report::{Reports, reports, runs, sample};

static RUNS: LazyLock<[Reports; 3]> = LazyLock::new(runs);

#[test]
fn every_format_is_as_it_was() {
    for (format, text) in &RUNS[0] {
        // The pages of the rules have snapshots of their own.
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(r#""rules":\[\{.*\}\],"semanticVersion""#, r#""rules":"…","semanticVersion""#);
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
    // The published SARIF schema has a stray bracket in the pattern of a language, a field that we do not write.
    let text = read(schema).replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$");
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}");
}

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
    // The good run covers 1 of 3 handlers and 1 of 5 journals that are asked for.
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

#[test]
fn junit_is_well_formed() {
    for run in &*RUNS {
        let mut reader = quick_xml::Reader::from_str(&run["junit"]);
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
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
        // Text that GitHub, Azure and others take for a command wherever it is printed.
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
    // Our script, and the data that it reads.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<img") && !page.contains("<b>") && !page.contains("<!--"));
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
    // The page uses no network, and no handlers in attributes.
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
        // The text outside of code spans.
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

/// No format grows to a mebibyte because a payload does.
#[test]
fn long_payloads_are_shown_by_their_beginning() {
    for (format, text) in sample(&["--invocation", "huge"]) {
        assert!(text.len() < 64 << 10, "{format} of {} bytes", text.len());
    }
}

/// The published figures hold for the released binary: `REHEARSE_RELEASED` names it, and CI must set it. Without it the
/// report is smaller and no time is measured, because a debug build says nothing about speed.
#[test]
fn many_invocations_are_reported_quickly() {
    let measured = std::env::var_os("REHEARSE_RELEASED").is_some();
    assert!(measured || std::env::var_os("CI").is_none(), "REHEARSE_RELEASED names no binary");
    let program = &released();
    let folder = scratch();
    let count = if measured { 10_000 } else { 1_000 };
    let [recorded, trace] = many(folder.path(), count);
    let mut took = Vec::new();
    let mut all = BTreeMap::new();
    // The best of three runs, because small tests still run beside this one.
    let _quiet = measured.then(quiet::alone);
    for _ in 0..if measured { 3 } else { 1 } {
        let started = Instant::now();
        all = reports(program, folder.path(), &[text(&recorded), "--against", text(&trace)]);
        took.push(started.elapsed());
    }
    println!("{}: all formats in {took:?}, HTML of {} bytes", program.display(), all["html"].len());
    let summary = format!("\"checked\":{count},\"compatible\":{},\"mismatch\":{},", count / 5 * 4, count / 5);
    assert!(all["json"].contains(&summary), "{summary}");
    assert!(all["html"].len() < 8 << 20, "HTML of {} bytes", all["html"].len());
    assert_eq!(all["html"].matches(" data-page=\"").count(), count / 5, "every mismatch in full");
    assert!(all["markdown"].chars().count() < 65_536, "Markdown of {} characters", all["markdown"].len());
    assert!(all["github"].lines().count() <= 30);
    if measured {
        // This includes the check itself.
        assert!(took.iter().any(|took| took.as_secs_f64() < 2.0), "{took:?}");
    }
}

/// The page stays small enough for a browser, whatever is in the journals.
#[test]
fn the_page_is_bounded() {
    let folder = scratch();
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
    let run = rehearse(&["check", text(&recorded), "--against", text(&trace), "--format", "html", "-o", text(&page)]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.len() < 8 << 20, "{} bytes", page.len());
    assert!(page.ends_with("</html>\n") && page.contains("300 invocations fail the run"));
    println!("{} bytes, {} in full", page.len(), page.matches(" data-page=\"").count());
}
