//! The offline judge: gives the verdict on one journal, and the findings that explain it.

use super::parts::notes_by_parts;
use crate::check::options::Options;
use crate::diff::{Alignment, Lockstep, Replayed, Stop, Undecodable, align, inject, replay_entries, replay_trace};
use crate::journal::{Compared, Entries, IdOrder, InvocationInfo};
use crate::policy::TraceOrigin;
use crate::policy::gate::Proof;
use crate::protocol::possible_seeds;
use crate::report::{Judgement, Verdict};
use crate::rules::{Cause, Findings, Redaction, timeline};

/// Checks one journal against one or several replays of the candidate.
///
/// The replay with the worst verdict counts; of several, the first. With several replays, the findings say whether the
/// code changed (the replays agree) or is not deterministic (they differ).
pub fn check_journal(
    recorded: Entries<'_>,
    replays: &[Replayed<'_>],
    info: &InvocationInfo,
    redaction: Redaction,
) -> Judgement {
    match judge(recorded, replays, info, None, &Options { redaction, ..Options::default() }) {
        Ok(judgement) => judgement,
        Err(undecodable) => Judgement::inconclusive(recorded.command_count(), undecodable.to_string()),
    }
}

pub(super) fn judge(
    recorded: Entries<'_>,
    replays: &[Replayed<'_>],
    info: &InvocationInfo,
    id: Option<IdOrder>,
    options: &Options,
) -> Result<Judgement, Undecodable> {
    let findings = |cause| {
        let wire = id.and_then(IdOrder::id).and_then(|id| id.wire());
        let seeds = wire.map(|wire| possible_seeds(&wire, info.created_at.as_deref()));
        Findings::of_invocation(info, options.redaction, cause).with_seeds(seeds.unwrap_or_default())
    };
    if let [Replayed::Entries(replayed)] = replays
        && let Some(notes) = notes_by_parts(recorded, *replayed, || findings(Cause::Unknown))
    {
        return Ok(Judgement { findings: notes, ..Judgement::compatible(recorded.command_count()) });
    }
    let (lockstep, replayed) = match replays {
        [] => {
            let reason = "the candidate has no trace of this invocation";
            return Ok(Judgement::inconclusive(recorded.command_count(), reason));
        }
        [Replayed::Entries(replayed)] => match replay_entries(recorded, *replayed)? {
            // Nothing is to be reported, which is by far the most frequent case.
            Lockstep { commands, stop: Stop::Frontier, timing_differs: false } => {
                return Ok(Judgement::compatible(commands));
            }
            lockstep => (lockstep, replays[0]),
        },
        [first, others @ ..] => replay_all(recorded, *first, others)?,
    };
    let Lockstep { commands, stop, timing_differs } = lockstep;
    let verdict = stop.verdict();
    let reason = match &stop {
        Stop::Failed(at) => Some(format!("the candidate failed before it issued command {at} of {commands}")),
        Stop::TraceEnds(at) => {
            Some(format!("the trace ends before command {at} of {commands}: how the candidate goes on is not known"))
        }
        _ => None,
    };
    let written_by_hand =
        matches!(replayed, Replayed::Trace(trace) if trace.commands().any(|command| !command.complete));
    let mut lines = Vec::new();
    let findings = if verdict == Verdict::Mismatch || timing_differs || written_by_hand {
        let mut alignment = align(recorded, replayed, &stop)?;
        alignment.invocation = id.and_then(IdOrder::id).and_then(|id| id.wire());
        if options.timelines && verdict != Verdict::Compatible {
            lines = timeline(&alignment);
        }
        findings(cause(recorded, replays, &alignment)?).of(&alignment)
    } else {
        Vec::new()
    };
    let frontier_reached = stop == Stop::Frontier;
    Ok(Judgement {
        verdict,
        commands,
        frontier_reached,
        findings,
        reason,
        path: 0,
        timeline: lines,
        proof: None,
        origin: TraceOrigin::default(),
    })
}

/// Injects a known divergence into a replay that was compatible, and checks whether it is caught.
pub(super) fn prove(recorded: Entries<'_>, replay: Replayed<'_>, info: &InvocationInfo, id: IdOrder) -> Proof {
    match inject(recorded, replay, id.salt()) {
        Ok(None) => Proof::Nothing,
        Err(_) => Proof::Missed,
        Ok(Some(trace)) => {
            let judgement = check_journal(recorded, &[Replayed::Trace(&trace)], info, Redaction::Hidden);
            match judgement.verdict {
                Verdict::Mismatch => Proof::Caught { findings: judgement.findings, stopped: true },
                Verdict::Compatible | Verdict::Failed | Verdict::Inconclusive => Proof::Missed,
            }
        }
    }
}

/// The replay with the worst verdict, the first of several such.
fn replay_all<'r>(
    recorded: Entries<'_>,
    first: Replayed<'r>,
    others: &[Replayed<'r>],
) -> Result<(Lockstep, Replayed<'r>), Undecodable> {
    let replay = |replayed: Replayed<'_>| match replayed {
        Replayed::Entries(entries) => replay_entries(recorded, entries),
        Replayed::Trace(trace) => replay_trace(recorded, trace),
    };
    let mut worst = (replay(first)?, first);
    for replayed in others {
        let lockstep = replay(*replayed)?;
        if lockstep.stop.verdict() < worst.0.stop.verdict() {
            worst = (lockstep, *replayed);
        }
    }
    Ok(worst)
}

/// The cause of a mismatch: whether several replays issued the same commands, up to the end of the journal.
fn cause(recorded: Entries<'_>, replays: &[Replayed<'_>], chosen: &Alignment<'_>) -> Result<Cause, Undecodable> {
    if replays.len() < 2 {
        return Ok(Cause::Unknown);
    }
    for replayed in replays {
        let commands = align(recorded, *replayed, &Stop::Frontier)?.replayed;
        let upto = chosen.recorded.len().min(commands.len()).min(chosen.replayed.len());
        let same = (0..upto).map(|at| (&chosen.replayed[at], &commands[at])).all(|(one, other)| {
            one.kind.modulo_eager() == other.kind.modulo_eager()
                && one.differences(other).iter().all(|difference| difference.field.compared != Compared::Always)
        });
        if !same {
            return Ok(Cause::NonDeterminism);
        }
    }
    Ok(Cause::CodeChange)
}
