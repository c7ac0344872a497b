//! The cost of live checks, next to a plain load generator on the same candidate. See ../README.md.

mod candidate;
mod corpus;
mod generators;
#[path = "../../tests/support/rust_services.rs"]
mod rust_services;
#[path = "../claims/timing.rs"]
#[expect(dead_code, reason = "only claims/ shows figures without a requirement")]
mod timing;

use candidate::TypeScript;
use corpus::Corpus;
use timing::{Table, median, ratio};

// `rehearse` uses this allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 7;

/// Number of requests in flight, on two connections, which is the default of `rehearse`.
const CONCURRENCY: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let wanted = |section: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == section);
    let mut table = Table::default();
    if wanted("throughput") {
        match TypeScript::start() {
            Ok(candidate) => {
                for (scenario, journals) in [("refund", 4000), ("restock", 6000)] {
                    throughput(&mut table, &candidate, scenario, journals);
                }
            }
            Err(missing) => println!("skipped: the TypeScript candidate: {missing}"),
        }
    }
    if wanted("latency") {
        latency(&mut table);
    }
    table.print();
}

/// Compares the requests per second of whole runs with those of a generator, in turn, on one TypeScript candidate, and
/// the share of the CPU that each takes.
fn throughput(table: &mut Table, candidate: &TypeScript, scenario: &str, journals: usize) {
    let corpus = Corpus::of("fixtures/clean", scenario, journals);
    let name = format!("{scenario}, {} commands", corpus.commands());
    let url = candidate.url();
    let (mut ours, mut plain, mut h2load, mut shares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let each = generators::requests_each(&corpus, &url);
    let has_h2load = generators::has_h2load();
    if !has_h2load {
        println!("skipped: h2load is not installed (package nghttp2-client)");
    }
    // The first round warms up the candidate's just-in-time compiler.
    for round in 0..=ROUNDS {
        let before = (candidate::cpu_of_children(), candidate.cpu());
        let checked = generators::rehearse(&corpus, &url);
        let (mine, theirs) = (candidate::cpu_of_children() - before.0, candidate.cpu() - before.1);
        let plainly = generators::plain(&corpus, &url, each, CONCURRENCY);
        let loaded = has_h2load.then(|| generators::h2load(&corpus, &url, each, CONCURRENCY));
        if round > 0 {
            ours.push(checked.as_secs_f64());
            plain.push(plainly.as_secs_f64());
            h2load.extend(loaded.map(|time| time.as_secs_f64()));
            shares.push(100.0 * mine / (mine + theirs));
        }
    }
    let rate = |times: &[f64]| (journals * each) as f64 / median(times.to_vec());
    let beside = |times: &[f64]| format!("{:.0} beside {:.0} requests/s, {each} a journal", rate(&ours), rate(times));
    table.at_least(format!("{name}: of a plain client"), 0.8, ratio(&plain, &ours), " times", beside(&plain));
    if has_h2load {
        table.at_least(format!("{name}: of h2load"), 0.8, ratio(&h2load, &ours), " times", beside(&h2load));
    }
    table.at_most(format!("{name}: our share of the CPU"), 15.0, median(shares), " %", "whole processes".to_owned());
}

/// Measures the time of each verdict, one journal at a time, on the Rust SDK's own server.
fn latency(table: &mut Table) {
    let corpus = Corpus::of("fixtures/sdks/rust/clean", "refund", 3000);
    let url = rust_services::serve("base");
    let mut times = generators::one_by_one(&corpus, &url);
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize] * 1e3;
    let detail = format!("median {:.2} ms, slowest {:.2} ms", at(0.5), at(1.0));
    table.at_most("one stream, Rust SDK: 99th percentile", 5.0, at(0.99), " ms", detail);
}
