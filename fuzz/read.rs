//! A fuzzed read: a file with arbitrary bytes is opened and checked against itself.
//!
//! The fuzz targets `arrow` and `json`, and `tests/it/fuzz.rs`, use it.

use std::io::Write;

use rehearsal::check::{Options, Selection, check, load_each};
use rehearsal::render::{Human, Json, Render, show_readable};
use rehearsal::report::Report;
use rehearsal::rules::Redaction;
use rehearsal::source::{Input, open};

pub fn read(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let input = [Input::Path(file.path().to_owned())];
    let Ok((recorded, candidate, ids)) = open(&input, &input) else { return };
    let mut report = Report::default();
    let mut out = std::io::sink();
    let mut json = Json::default();
    check(&recorded, &candidate, &ids, &Options::default(), |invocation| {
        let unexpected = invocation.judgement.reason.as_deref().is_some_and(|reason| reason.contains("unexpectedly"));
        assert!(!unexpected, "a panic while checking {}", ids.id(invocation.order));
        report.add(&invocation);
        json.invocation(&invocation, &ids, &mut out).unwrap();
        true
    });
    Human { verbose: true }.finish(&report, &ids, &mut out).unwrap();
    json.finish(&report, &ids, &mut out).unwrap();
    load_each(&recorded, &ids, &Selection::default(), |id, info, entries| {
        if let Ok(entries) = entries {
            show_readable(id, info, entries, Redaction::Shown, &mut std::io::sink()).unwrap();
        }
        true
    });
}
