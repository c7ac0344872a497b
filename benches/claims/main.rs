//! The speed that `rehearse` claims, with each figure next to that of a peer or to a limit. See README.md.

mod cold;
mod comparison;
mod corpus;
mod files;
mod generate;
mod long;
mod machine;
mod memory;
mod peer;
mod process;
mod rows;
mod timing;

use std::path::Path;

// `rehearse` uses this allocator, and the peers get it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whether to use the sizes of the claims, instead of sizes that take a few minutes.
fn full() -> bool {
    std::env::var_os("REHEARSE_BENCH_FULL").is_some()
}

fn scale() -> usize {
    if full() { 4 } else { 1 }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [mode @ ("check" | "peer"), recorded, candidate] =
        &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        return process::be_child(mode, Path::new(recorded), Path::new(candidate));
    }
    // To look closer at one form: `claims write sorted|server|json PAYLOAD JOURNALS DIRECTORY`.
    if let [mode, form, payload, journals, directory] = &arguments[..]
        && mode == "write"
    {
        return process::write(form, payload.parse().unwrap(), journals.parse().unwrap(), Path::new(directory));
    }
    let wanted = |section: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == section);
    let mut table = timing::Table::default();
    if wanted("comparison") {
        comparison::run(&mut table);
    }
    if wanted("process") {
        process::run(&mut table);
    }
    if wanted("rows") {
        rows::run(&mut table);
    }
    if wanted("long") {
        long::run(&mut table);
    }
    if wanted("memory") {
        memory::run(&mut table);
    }
    if wanted("cold") {
        cold::run(&mut table);
    }
    table.print();
}
