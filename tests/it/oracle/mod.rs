//! The oracle: the SDKs' own replay machine and ours judge the same journals and candidates, and agree.
//!
//! Cases are random but seeded: `REHEARSE_ORACLE_SEED` picks another seed, `REHEARSE_ORACLE_CASES` their number.
//! A disagreement is shrunk and printed.

mod case;
mod choices;
mod generate;
mod machine;
mod mutate;
mod robustness;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use case::{Case, cases};
use generate::Step;
use machine::{Replay, Verdict};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rehearsal::diff::{AddedAwait, Replayed, Shape, Stop, align, replay_entries, replay_trace};
use rehearsal::journal::command::fields;
use rehearsal::journal::{CommandKind, Ending, Trace};
use rehearsal::protocol;

use crate::support::quiet;

/// Runs a property on seeded cases. A failure names the seed, the case, and the case it was shrunk to.
pub fn check<S: proptest::strategy::Strategy>(
    cases: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), String>,
) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seed: u64 = number("REHEARSE_ORACLE_SEED").unwrap_or(20_261_101);
    let cases = number("REHEARSE_ORACLE_CASES").map_or(cases, |cases| u32::try_from(cases).expect("a number of cases"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let (count, failed) = (Cell::new(0), Cell::new(false));
    let result = runner.run(strategy, |value| {
        count.set(count.get() + u32::from(!failed.get()));
        property(value).map_err(|reason| {
            failed.set(true);
            TestCaseError::fail(reason)
        })
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, shrunk)) => {
            panic!("seed {seed}, case {}, shrunk: {shrunk:?}\n{reason}", count.get())
        }
        Err(error) => panic!("seed {seed}: {error}"),
    }
}

#[test]
fn judges_as_the_sdks_machine_does() {
    let _guard = quiet::beside_others();
    let seen = RefCell::new(BTreeMap::new());
    check(12_000, &cases(), |case| if case.has_misnumbered_read() { Ok(()) } else { judge(&case, &seen) });
    let seen = seen.into_inner();
    if std::env::var("REHEARSE_ORACLE_CASES").is_err() {
        assert_covered(&seen);
    }
}

/// Checks one case in every way, and counts in `seen` what it contained.
fn judge(case: &Case, seen: &RefCell<BTreeMap<String, usize>>) -> Result<(), String> {
    let agree = |what: &str, ours: String, machine: String| {
        if ours == machine { Ok(()) } else { Err(format!("{what}\n     ours: {ours}\n  machine: {machine}")) }
    };
    let (recorded, replayed) = (case.recorded.view(), case.replayed.view());

    // The candidate as a trace, with awaits and ending.
    let machine = machine::replay(case.version, &case.recorded, &case.steps);
    let mut commands = case::commands_of(&case.replayed).into_iter().map(|(kind, raw)| {
        let command = protocol::decode(kind, &raw).expect("written by the machine");
        assert_eq!(protocol::encode(&command), raw, "{command:?}");
        rehearsal::journal::Step::Command(command.into_owned())
    });
    let mut trace = Trace { steps: commands.by_ref().take(1).collect(), ending: case.ending };
    for (step, waited) in case.steps.iter().zip(&machine.awaits) {
        match step {
            Step::Issue(_) => trace.steps.extend(commands.next()),
            Step::Await(_) => trace.steps.extend(waited.clone().map(rehearsal::journal::Step::Await)),
        }
    }
    let expected = stop(&machine, case.ending)?;
    let ours = replay_trace(recorded, &trace).map_err(|error| error.to_string())?;
    let suspended = machine.verdict == Verdict::Ended && case.ending == Ending::Suspended;
    agree("replay_trace", format!("{:?}", plain(ours.stop.clone(), suspended)), format!("{expected:?}"))?;
    check_divergences(case, Replayed::Trace(&trace), &ours.stop).map_err(|error| format!("align(trace): {error}"))?;

    // The candidate as a journal, which has commands alone.
    let machine = if trace.steps.len() == replayed.command_count() {
        machine
    } else {
        let steps: Vec<Step> = case.steps.iter().filter(|step| matches!(step, Step::Issue(_))).cloned().collect();
        machine::replay(case.version, &case.recorded, &steps)
    };
    let expected_of_entries = stop(&machine, Ending::Unknown)?;
    let ours = replay_entries(recorded, replayed).map_err(|error| error.to_string())?;
    agree("replay_entries", format!("{:?}", ours.stop), format!("{expected_of_entries:?}"))?;
    check_divergences(case, Replayed::Entries(replayed), &ours.stop)
        .map_err(|error| format!("align(entries): {error}"))?;

    let see = |what: String| *seen.borrow_mut().entry(what).or_insert(0) += 1;
    see("a case".to_owned());
    for at in recorded.commands() {
        see(format!("recorded {}", recorded.command_kind(at).expect("a command").name()));
    }
    for mutation in &case.mutations {
        see(mutation.trim_end_matches(|c: char| !c.is_alphabetic()).to_owned());
    }
    let stop = format!("{expected:?}");
    see(stop.split_once(['(', '{']).map_or(&stop[..], |(name, _)| name).to_owned());
    if let Stop::Await(AddedAwait { run: Some(_), .. }) = expected {
        see("Await of a run".to_owned());
    }
    Ok(())
}

/// The machine's verdict as ours would be.
fn stop(machine: &Replay, ending: Ending) -> Result<Stop, String> {
    let consumed = machine.consumed;
    let related = machine.related.map(|index| index as usize);
    Ok(match &machine.verdict {
        Verdict::Frontier => Stop::Frontier,
        Verdict::Mismatch if related == Some(consumed) => Stop::Divergence(consumed),
        Verdict::Mismatch => return Err(format!("the machine reports {related:?}, but consumed {consumed}")),
        Verdict::Await => Stop::Await(AddedAwait { before: consumed, run: related, awaited: Default::default() }),
        Verdict::Ended => match ending {
            Ending::Returned => Stop::Returned(consumed),
            Ending::Failed => Stop::Failed(consumed),
            Ending::Unknown => Stop::TraceEnds(consumed),
            // The machine does not report what the candidate waits for.
            Ending::Suspended => Stop::Await(AddedAwait { before: consumed, run: None, awaited: Default::default() }),
        },
        Verdict::Broken { code, message } => return Err(format!("the machine breaks at {consumed}: {code} {message}")),
    })
}

/// A verdict without what the machine does not report: what is awaited, and the run that a suspended candidate awaits.
fn plain(stop: Stop, suspended: bool) -> Stop {
    match stop {
        Stop::Await(AddedAwait { before, run, .. }) => {
            let run = run.filter(|_| !suspended);
            Stop::Await(AddedAwait { before, run, awaited: Default::default() })
        }
        other => other,
    }
}

/// Asserts that the first divergence explained is the one that the machine objects to.
fn check_divergences(case: &Case, replayed: Replayed<'_>, stop: &Stop) -> Result<(), String> {
    let divergences = align(case.recorded.view(), replayed, stop).map_err(|error| error.to_string())?.divergences();
    let first = divergences.first().map(|divergence| (divergence.shape, divergence.command_index));
    let fine = match stop {
        Stop::Frontier => first.is_none(),
        Stop::Divergence(at) | Stop::Violation(at) => first.is_some_and(|(_, index)| index == *at),
        Stop::Await(added) => first == Some((Shape::Awaited, added.run.unwrap_or(added.before))),
        Stop::Returned(at) => first == Some((Shape::ReturnedEarly, *at)),
        Stop::Failed(_) | Stop::TraceEnds(_) | Stop::Undecided(_) => first.is_none(),
    };
    if fine { Ok(()) } else { Err(format!("{stop:?}, but the first divergence is {first:?} of {divergences:?}")) }
}

/// Panics where the cases no longer cover every command, field and kind of mutation.
fn assert_covered(seen: &BTreeMap<String, usize>) {
    let kinds = CommandKind::ALL.iter().map(|kind| format!("recorded {}", kind.name()));
    let changed = CommandKind::ALL
        .iter()
        .flat_map(|kind| fields(*kind).iter().map(|field| format!("change field {}.{}", kind.name(), field.name)));
    let others = [
        "none",
        "insert at step",
        "await at step",
        "append beyond the frontier",
        "end before step",
        "output at step",
        "record a second input",
        "remove step",
        "move step",
        "duplicate step",
        "replace step",
        "Frontier",
        "Divergence",
        "Await",
        "Await of a run",
        "Returned",
        "Failed",
        "TraceEnds",
    ];
    let others = others.into_iter().map(str::to_owned);
    let missing: Vec<String> =
        kinds.chain(changed).chain(others).filter(|what| !seen.keys().any(|key| key.starts_with(what))).collect();
    assert!(seen["a case"] >= 10_000, "only {} cases were judged", seen["a case"]);
    assert!(missing.is_empty(), "no case has: {missing:?}\nseen: {seen:#?}");
}
