//! Figure (c): rows as JSON, from two files to verdicts, next to a naive loop over the rows.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Duration;

use prost::bytes::Bytes;
use rehearsal::journal::EntryKind;

use crate::files::Content;
use crate::machine::Operation;
use crate::process::{Files, checked};
use crate::timing::{Table, alternate, median, ratio};

pub fn run(table: &mut Table) {
    for (payload, size, journals, asked) in [(64, "64 B", 10_000, 3.0), (1024, "1 KiB", 4000, 10.0)] {
        let files = Files::new();
        let paths = [files.path("recorded"), files.path("candidate")];
        Content { journals, payload, commands: &[5, 10, 20, 40], candidate: false }.write_both("json", &paths);
        let rows = naive(&paths[0]).len() + naive(&paths[1]).len();
        let mut ours = || {
            black_box(checked(&paths[0], &paths[1]));
        };
        let mut theirs = || {
            let (recorded, candidate) = rayon::join(|| naive(&paths[0]), || naive(&paths[1]));
            black_box(recorded == candidate);
        };
        let [ours, theirs] = alternate(7, Duration::from_millis(200), [&mut ours, &mut theirs]);
        let per_row = |seconds: &[f64]| median(seconds.to_vec()) * 1e9 / rows as f64;
        let detail = format!("{:.0} ns a row (of either side), naive {:.0}", per_row(&ours), per_row(&theirs));
        table.at_least(format!("(c) rows as JSON, {size}"), asked, ratio(&theirs, &ours), " times", detail);
    }
}

/// The naive loop: parses every row into a `serde_json::Value`, decodes its `raw` with the `hex` crate, and commands
/// also with prost. It does not assemble journals, and judges nothing.
fn naive(path: &Path) -> Vec<Option<Operation>> {
    let lines = BufReader::new(File::open(path).unwrap()).lines();
    lines
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            let raw = Bytes::from(hex::decode(row["raw"].as_str().unwrap()).unwrap());
            match EntryKind::from_entry_type(row["entry_type"].as_str().unwrap()).unwrap() {
                EntryKind::Command(kind) => Operation::decode(kind, raw),
                EntryKind::Notification(_) => Operation::notification(raw),
            }
        })
        .collect()
}
