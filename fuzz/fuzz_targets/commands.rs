//! A fuzz target that decodes, compares, aligns, judges and shows its input as the entries of two journals.
//!
//! The first byte of an entry is its kind, the second its length. An entry of kind zero switches to the other journal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rehearsal::check::check_journal;
use rehearsal::diff::Replayed;
use rehearsal::journal::{CommandKind, EntryBuffer, EntryKind, InvocationId, InvocationInfo, NotificationKind};
use rehearsal::protocol::{decode, encode};
use rehearsal::render::{show_human, show_readable};
use rehearsal::rules::Redaction;

fuzz_target!(|bytes: &[u8]| {
    let input = EntryKind::Command(CommandKind::Input);
    let mut sides = [EntryBuffer::default(), EntryBuffer::default()];
    sides.iter_mut().for_each(|side| side.push(input, b""));
    let mut side = 0;
    let mut rest = bytes;
    while let [kind, length, after @ ..] = rest {
        let (raw, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let kind = match *kind {
            0 => {
                side = 1 - side;
                continue;
            }
            kind if kind < 0x80 => EntryKind::Command(CommandKind::ALL[usize::from(kind) % CommandKind::ALL.len()]),
            kind => EntryKind::Notification(NotificationKind::ALL[usize::from(kind) % NotificationKind::ALL.len()]),
        };
        if let EntryKind::Command(kind) = kind
            && let Ok(command) = decode(kind, raw)
        {
            // Encoding a decoded command and decoding it again gives the same command.
            let encoded = encode(&command);
            let again = decode(kind, &encoded).expect("it was encoded here");
            assert!(command.differences(&again).is_empty(), "{command:?} {again:?}");
        }
        sides[side].push(kind, raw);
    }
    let (recorded, replayed) = (sides[0].view(), sides[1].view());
    let info = InvocationInfo::default();
    let _ = check_journal(recorded, &[Replayed::Entries(replayed)], &info, Redaction::Shown);
    let _ = check_journal(recorded, &[Replayed::Entries(replayed), Replayed::Entries(recorded)], &info, Redaction::Hidden);
    let itself = check_journal(recorded, &[Replayed::Entries(recorded)], &info, Redaction::Shown);
    assert!(itself.frontier_reached && itself.findings.is_empty());
    let id = InvocationId::new("x");
    show_human(&id, &info, recorded, Redaction::Shown, &mut std::io::sink()).unwrap();
    show_readable(&id, &info, recorded, Redaction::Shown, &mut std::io::sink()).unwrap();
});
