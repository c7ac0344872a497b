//! Figure (e): one long journal, whose time may grow only in proportion to its length.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rehearsal::report::Verdict;

use crate::corpus::Corpus;
use crate::generate::{Edit, Make};
use crate::machine;
use crate::timing::{Table, alternate, median, ratio};

pub fn run(table: &mut Table) {
    // Wake-up times differ, so that every entry is compared and none is skipped as part of equal bytes.
    growth(table, "steps", Make::new(1_000, 64).with(Edit::Timing), Make::new(100_000, 64).with(Edit::Timing));
    let parallel = |commands| Make { parallel_runs: true, ..Make::new(commands, 64) };
    let [short, long] = [1_000, 10_000].map(|commands| parallel(commands).with(Edit::Results));
    growth(table, "parallel runs with other results", short, long);
    growth(table, "equal parallel runs", parallel(1_000), parallel(10_000));
    growth_of_memcmp(table, parallel(1_000), parallel(10_000));

    let corpus = Corpus::new(parallel(10_000), 1);
    let frames = machine::frames_of(corpus.recorded.view());
    let operations = machine::operations_of(corpus.replayed.view());
    let from = Instant::now();
    assert!(machine::replay_parallel(frames, operations));
    let theirs = from.elapsed();
    table.shown("(e) CoreVM on 10,000 parallel runs", theirs.as_secs_f64() * 1e3, " ms", String::new());

    let make = Make { edits: 1_000, ..Make::new(100_000, 64).with(Edit::Mismatch) };
    let corpus = Corpus::new(make, 1);
    let mut findings = 0;
    let from = Instant::now();
    corpus.check_each(|judgement| {
        assert_eq!(judgement.verdict, Verdict::Mismatch);
        findings += judgement.findings.len();
    });
    let time = from.elapsed().as_secs_f64();
    table.at_most("(e) 100,000 commands, 1,000 scattered edits", 2.0, time, " s", format!("{findings} findings"));
}

/// The growth of one memcmp, which is the limit for equal sides: the short journal fits into the second-level cache,
/// and the long one does not.
fn growth_of_memcmp(table: &mut Table, small: Make, large: Make) {
    let corpora = [large, small].map(|make| Corpus::new(make, 1));
    let [mut on_large, mut on_small] = corpora.each_ref().map(|corpus| {
        || {
            black_box(black_box(corpus.recorded.view()).identical(black_box(&corpus.replayed.view())));
        }
    });
    let [many, few] = alternate(11, Duration::from_millis(20), [&mut on_large, &mut on_small]);
    let entries = corpora.each_ref().map(|corpus| corpus.entries() as f64);
    let growth = ratio(&many, &few) * entries[1] / entries[0];
    table.shown("(e) one memcmp of the equal parallel runs", growth, " times", String::new());
}

/// Measures one long journal next to a short one, in turn. A second figure compares it with as many short journals as
/// have the same number of commands in all, so that both sides read the same amount of memory.
fn growth(table: &mut Table, what: &str, small: Make, large: Make) {
    let journals = large.commands / small.commands;
    let corpora = [Corpus::new(large, 1), Corpus::new(small, journals), Corpus::new(small, 1)];
    let [mut on_large, mut on_small, mut on_one] = corpora.each_ref().map(|corpus| {
        || {
            corpus.check_each(|judgement| {
                black_box(judgement);
            });
        }
    });
    let mut sides = corpora.iter();
    let times = alternate(11, Duration::from_millis(20), [&mut on_large, &mut on_small, &mut on_one]);
    let [many, few, again] = times.map(|times| {
        let entries = sides.next().expect("as many as there are times").entries();
        times.into_iter().map(|time| time * 1e9 / entries as f64).collect::<Vec<f64>>()
    });
    let per_entry =
        |one: &[f64], other: &[f64]| format!("{:.1} ns an entry, {:.1}", median(one.to_vec()), median(other.to_vec()));
    let name = |beside: &str| format!("(e) {} commands beside {beside}, {what}", large.commands);
    let short = small.commands;
    table.at_most(name(&short.to_string()), 1.3, ratio(&many, &again), " times", per_entry(&many, &again));
    let detail = per_entry(&many, &few);
    table.shown(name(&format!("{journals} times {short}")), ratio(&many, &few), " times", detail);
}
