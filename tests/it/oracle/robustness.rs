//! Journals that no SDK wrote may be refused, but nothing panics, and a journal that is read is written back unchanged.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use rehearsal::diff::{Replayed, align, replay_entries, replay_trace};
use rehearsal::journal::{CommandKind, Ending, EntryBuffer, EntryKind, NotificationKind, Trace};
use rehearsal::protocol;

use super::case::{Case, cases, commands_of};
use super::generate::Step;
use super::machine::{self, Verdict};
use super::{check, stop};
use crate::support::quiet;

#[test]
fn any_bytes_are_read_or_refused() {
    let kinds = CommandKind::ALL.len() + NotificationKind::ALL.len();
    // Low bytes are likely keys and lengths.
    let byte = prop_oneof![any::<u8>(), 0..0x24u8, (0..20u8).prop_map(|field| field << 3 | 2)];
    check(10_000, &(0..kinds, vec(byte, 0..40)), |(kind, raw)| {
        if let Some(kind) = NotificationKind::ALL.get(kind) {
            let _ = protocol::decode_notification(*kind, &raw);
            return Ok(());
        }
        let kind = CommandKind::ALL[kind - NotificationKind::ALL.len()];
        let Ok(command) = protocol::decode(kind, &raw) else { return Ok(()) };
        let encoded = protocol::encode(&command);
        let again = protocol::decode(kind, &encoded).map_err(|error| error.to_string())?;
        if again == command { Ok(()) } else { Err(format!("{command:?} was read back as {again:?}")) }
    });
}

#[test]
fn damaged_journals_are_judged_or_refused() {
    let _guard = quiet::beside_others();
    let damage = vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..3);
    let damaged = (cases(), damage).prop_map(|(case, damage)| Damaged::of(case, &damage));
    check(4_000, &damaged, |Damaged { mut case, entries }| {
        case.recorded = entries.clone();
        let (recorded, replayed) = (entries.view(), case.replayed.view());
        let ours = replay_entries(recorded, replayed);
        // With the sides exchanged: a candidate's damaged journal, as bytes and as a trace without commands.
        let _ = replay_entries(replayed, recorded);
        let _ = replay_trace(recorded, &Trace { steps: Vec::new(), ending: Ending::Returned });
        let _ = align(replayed, Replayed::Entries(recorded), &rehearsal::diff::Stop::TraceEnds(0));
        if let Ok(ours) = &ours {
            let _ = align(recorded, Replayed::Entries(replayed), &ours.stop);
        }

        // Where the machine reads the journal, so do we, and with the same verdict.
        let steps: Vec<Step> = case.steps.iter().filter(|step| matches!(step, Step::Issue(_))).cloned().collect();
        let mut alone = EntryBuffer::default();
        commands_of(&entries).iter().for_each(|(kind, raw)| alone.push(EntryKind::Command(*kind), raw));
        let machine = machine::replay(case.version, &alone, &steps);
        if matches!(machine.verdict, Verdict::Broken { .. }) || case.has_misnumbered_read() {
            return Ok(());
        }
        let expected = stop(&machine, Ending::Unknown)?;
        match ours {
            Ok(ours) if ours.stop == expected => Ok(()),
            ours => Err(format!("ours: {ours:?}, machine: {machine:?}")),
        }
    });
}

struct Damaged {
    case: Case,
    entries: EntryBuffer,
}

impl Damaged {
    fn of(case: Case, damage: &[(prop::sample::Index, prop::sample::Index, u8)]) -> Self {
        let view = case.recorded.view();
        let mut rows: Vec<(EntryKind, Vec<u8>)> =
            (0..view.len()).map(|at| (view.kind(at), view.raw(at).to_vec())).collect();
        for (row, byte, change) in damage {
            let raw = &mut row.get_mut(&mut rows[..]).1;
            match (change % 4, raw.is_empty()) {
                (_, true) => raw.push(*change),
                (0, _) => raw.truncate(byte.index(raw.len())),
                // Protobuf merges a field that occurs twice.
                (2, _) => raw.extend_from_within(..),
                (1, _) => raw.insert(byte.index(raw.len()), *change),
                _ => *byte.get_mut(&mut raw[..]) ^= 1 << (change >> 5),
            }
        }
        let mut entries = EntryBuffer::default();
        rows.iter().for_each(|(kind, raw)| entries.push(*kind, raw));
        Self { case, entries }
    }
}

impl fmt::Debug for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = self.entries.view();
        let raws: Vec<&[u8]> = (0..view.len()).map(|at| view.raw(at)).collect();
        write!(f, "{:?}damaged to {raws:02x?}", self.case)
    }
}
