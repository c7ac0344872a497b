//! (e) One long journal.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rehearsal::check::check_journal;
use rehearsal::diff::Replayed;
use rehearsal::journal::{EntryBuffer, InvocationInfo};
use rehearsal::report::Verdict;
use rehearsal::rules::Redaction;

use crate::generate::{Edit, Make};
use crate::machine;
use crate::timing::{Table, alternate, median};

/// Both sides of one journal.
struct Sides {
    recorded: EntryBuffer,
    replayed: EntryBuffer,
}

impl Sides {
    fn new(make: Make) -> Self {
        let (mut recorded, mut replayed) = (EntryBuffer::default(), EntryBuffer::default());
        make.with(Edit::None).write(1, &mut recorded);
        make.write(1, &mut replayed);
        Self { recorded, replayed }
    }

    fn check(&self) -> (Verdict, usize) {
        let replays = [Replayed::Entries(self.replayed.view())];
        let judgement = check_journal(self.recorded.view(), &replays, &InvocationInfo::default(), Redaction::Shown);
        (judgement.verdict, judgement.findings.len())
    }
}

pub fn run(table: &mut Table) {
    // Wake-up times differ, so that every entry is looked at and none is passed over as part of equal bytes.
    growth(table, "steps", Make::new(1_000, 64).with(Edit::Timing), Make::new(100_000, 64).with(Edit::Timing));
    let parallel = |commands| Make { parallel_runs: true, ..Make::new(commands, 64) };
    growth(table, "parallel runs", parallel(1_000), parallel(10_000));

    let sides = Sides::new(parallel(10_000));
    let frames = machine::frames_of(sides.recorded.view());
    let operations = machine::operations_of(sides.replayed.view());
    let from = Instant::now();
    assert!(machine::replay_parallel(frames, operations));
    let theirs = from.elapsed();
    table.shown("(e) CoreVM on 10,000 parallel runs", theirs.as_secs_f64() * 1e3, " ms", String::new());

    let make = Make { edits: 1_000, ..Make::new(100_000, 64).with(Edit::Mismatch) };
    let sides = Sides::new(make);
    let from = Instant::now();
    let (verdict, findings) = sides.check();
    let time = from.elapsed().as_secs_f64();
    assert_eq!(verdict, Verdict::Mismatch);
    table.at_most("(e) 100,000 commands, 1,000 scattered edits", 2.0, time, " s", format!("{findings} findings"));
}

fn growth(table: &mut Table, what: &str, small: Make, large: Make) {
    let (small_sides, large_sides) = (Sides::new(small), Sides::new(large));
    let mut on_small = || {
        black_box(small_sides.check());
    };
    let mut on_large = || {
        black_box(large_sides.check());
    };
    let [small_times, large_times] = alternate(11, Duration::from_millis(20), [&mut on_small, &mut on_large]);
    let per_entry = |times: &[f64], sides: &Sides| median(times.to_vec()) * 1e9 / sides.recorded.view().len() as f64;
    let (few, many) = (per_entry(&small_times, &small_sides), per_entry(&large_times, &large_sides));
    let name = format!("(e) {} commands beside {}, {what}", large.commands, small.commands);
    table.at_most(name, 1.3, many / few, " times", format!("{many:.1} ns an entry, {few:.1}"));
}
