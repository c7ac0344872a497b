//! The committed table of results of an SDK by variant, in `docs/live`. `REHEARSE_LIVE_TABLE=write` rewrites it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::recordings::Fixture;
use crate::support::folders::root;

pub struct Row {
    sdk: String,
    variant: String,
    said: String,
    verdict: String,
    agrees: bool,
}

impl Row {
    pub fn new(fixture: &Fixture, agrees: bool) -> Self {
        Self {
            sdk: fixture.truth.sdk.clone(),
            variant: fixture.truth.variant.clone(),
            said: fixture.said(),
            verdict: fixture.expected().to_owned(),
            agrees,
        }
    }
}

/// Compares a suite's results with its table. Each suite has a file of its own, so that suites can run in parallel.
pub fn compare(sdk: &str, rows: &[Row]) {
    let path = root().join("docs/live").join(format!("{sdk}.md"));
    let table = table(sdk, rows);
    if std::env::var("REHEARSE_LIVE_TABLE").as_deref() == Ok("write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, table).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == table,
        "{} is not what was found; REHEARSE_LIVE_TABLE=write rewrites it:\n{table}",
        path.display()
    );
}

fn table(sdk: &str, rows: &[Row]) -> String {
    let mut versions: Vec<&str> = rows.iter().map(|row| row.sdk.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let mut lines: BTreeMap<[&str; 3], (usize, usize)> = BTreeMap::new();
    for row in rows {
        let (agree, all) = lines.entry([&row.variant, &row.said, &row.verdict]).or_default();
        *agree += usize::from(row.agrees);
        *all += 1;
    }
    let agree = rows.iter().filter(|row| row.agrees).count();
    let mut table = format!(
        "# {sdk}\n\nWritten by `tests/support/live`. Journals recorded by {} on a real server, checked on each variant: verdict, first rule \
         and index are right in {agree} of {}; no closure ran.\n\n| variant | the server says | right is | found |\n|---|---|---|---|\n",
        versions.join(", "),
        rows.len()
    );
    for ([variant, said, verdict], (agree, all)) in lines {
        let _ = writeln!(table, "| `{variant}` | {said} | {verdict} | {agree} of {all} |");
    }
    table
}
