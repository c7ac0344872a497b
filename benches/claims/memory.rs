//! Figure (d): peak memory over many journals.

use crate::files::Content;
use crate::process::{Files, child};
use crate::timing::Table;

pub fn run(table: &mut Table) {
    // A journal takes about 5 KB per side, so 1,000,000 journals are 10 GB in all.
    let journals = if crate::full() { 1_000_000 } else { 100_000 };
    for form in ["sorted", "server"] {
        let files = Files::new();
        let paths = [files.path("recorded"), files.path("candidate")];
        Content { journals, payload: 1000, commands: &[5], candidate: false }.write_both(form, &paths);
        let bytes: u64 = paths.iter().map(|path| path.metadata().unwrap().len()).sum();
        let (time, printed) = child("check", &paths);
        let detail = format!("{:.1} GB in {:.2} s", bytes as f64 / 1e9, time.as_secs_f64());
        table.at_most(format!("(d) {journals} journals, {form}"), 128.0, printed[2] as f64 / 1024.0, " MiB", detail);
    }
}
