use super::*;
use crate::diff::{Replayed, Stop, align};
use crate::journal::{CommandKind, EntryBuffer, EntryKind, NotificationKind};
use crate::report::Verdict;
use crate::rules::{Cause, Findings, Redaction};

/// Input, a state write of `value`, and a sleep until `time`.
fn journal(value: u8, time: u8, out: &mut EntryBuffer) {
    out.push(EntryKind::Command(CommandKind::Input), &[0x72, 0x00]);
    let set = [0x0a, 0x01, b'k', 0x1a, 0x03, 0x0a, 0x01, value];
    out.push(EntryKind::Command(CommandKind::SetState), &set);
    out.push(EntryKind::Command(CommandKind::Sleep), &[0x08, time, 0x58, 0x01]);
}

fn describe(checked: &Checked) -> String {
    match checked {
        Checked::Same(journals) => format!("{journals:?} the same"),
        Checked::Judged(at, judgement) => {
            let rules: Vec<&str> = judgement.findings.iter().map(|finding| finding.rule).collect();
            format!("{at} {} {rules:?}", judgement.verdict.name())
        }
    }
}

#[test]
fn journals_side_by_side_are_judged_where_they_differ() {
    let (mut recorded, mut replayed, mut ends) = (EntryBuffer::default(), EntryBuffer::default(), Vec::new());
    for (value, time) in [(1, 1), (1, 1), (2, 1), (1, 1), (1, 2), (2, 2)] {
        journal(1, 1, &mut recorded);
        journal(value, time, &mut replayed);
        ends.push(recorded.len());
    }
    let mut all = Vec::new();
    let info = InvocationInfo::default();
    check_journals(recorded.view(), replayed.view(), &ends, &info, Redaction::Shown, |checked| {
        all.push(describe(&checked));
    });
    assert_eq!(
        all,
        [
            "0..2 the same",
            "2 mismatch [\"state-value-changed\"]",
            "3..4 the same",
            "4 compatible [\"sleep-duration-changed\"]",
            "5 mismatch [\"state-value-changed\", \"sleep-duration-changed\"]",
        ]
    );
    check_journals(recorded.view(), recorded.view(), &ends, &info, Redaction::Shown, |checked| {
        assert_eq!(describe(&checked), "0..6 the same");
    });
    check_journals(Entries::default(), Entries::default(), &[], &info, Redaction::Shown, |_| unreachable!());
}

/// Bytes are compared first, so commands that are the same on both sides need not be decodable.
#[test]
fn a_mismatch_after_an_undecodable_command_has_its_verdict() {
    let torn = [0x0a, 0x7f];
    let (mut recorded, mut replayed) = (EntryBuffer::default(), EntryBuffer::default());
    for (value, side) in [(1, &mut recorded), (2, &mut replayed)] {
        side.push(EntryKind::Command(CommandKind::Input), &[0x72, 0x00]);
        side.push(EntryKind::Command(CommandKind::SetState), &torn);
        side.push(EntryKind::Command(CommandKind::SetState), &[0x0a, 0x01, b'k', 0x1a, 0x03, 0x0a, 0x01, value]);
        side.push(EntryKind::Command(CommandKind::SetState), &torn);
    }
    let replays = [Replayed::Entries(replayed.view())];
    let judgement = check_journal(recorded.view(), &replays, &InvocationInfo::default(), Redaction::Shown);
    assert_eq!(judgement.verdict, Verdict::Mismatch);
    let finding = &judgement.findings[0];
    assert_eq!((finding.rule, finding.command_index), ("state-value-changed", 2));
    let steps: Vec<Option<String>> = finding.context.rows().into_iter().map(|row| row.recorded).collect();
    let expected = ["input", "set state \"\"", "set state \"k\"", "set state \"\""];
    assert_eq!(steps, expected.map(|text| Some(text.to_owned())));
}

/// A note of a new kind is listed, however many notes there are; the others are counted.
#[test]
fn no_note_of_a_long_journal_is_lost() {
    let (mut recorded, mut replayed) = (EntryBuffer::default(), EntryBuffer::default());
    for (time, side) in [(1, &mut recorded), (2, &mut replayed)] {
        side.push(EntryKind::Command(CommandKind::Input), &[0x72, 0x00]);
        for at in 0..3000_u32 {
            let name = if at == 2500 { b'x' } else { b'a' + (at % 2) as u8 };
            side.push(EntryKind::Command(CommandKind::Sleep), &[0x08, time, 0x62, 0x01, name]);
        }
    }
    let replays = [Replayed::Entries(replayed.view())];
    let judgement = check_journal(recorded.view(), &replays, &InvocationInfo::default(), Redaction::Shown);
    assert_eq!(judgement.verdict, Verdict::Compatible);
    let notes = &judgement.findings;
    let places: Vec<usize> = notes.iter().map(|note| note.command_index).collect();
    assert_eq!(places, (1..=1000).chain([2501]).collect::<Vec<_>>());
    let more: Vec<usize> = notes.iter().map(|note| note.more).filter(|more| *more > 0).collect();
    assert_eq!(more, [999, 1000], "at the first of each name");
    assert_eq!([notes[0].more, notes[1].more], [999, 1000]);
}

/// A journal in several parts gets the same notes as one that is judged as a whole.
#[test]
fn a_long_journal_has_the_same_notes_in_parts_and_as_a_whole() {
    let entries = |time: fn(u16) -> u8, last: u8| {
        let mut entries = EntryBuffer::default();
        entries.push(EntryKind::Command(CommandKind::Input), &[0x72, 0x00]);
        for at in 0..1500_u16 {
            let id = at.to_le_bytes()[0] & 0x7f;
            entries.push(EntryKind::Command(CommandKind::Sleep), &[0x08, time(at), 0x58, id]);
            if at % 3 != 0 {
                entries.push(EntryKind::Notification(NotificationKind::Sleep), &[0x08, id, 0x22, 0x00]);
            }
        }
        entries.push(EntryKind::Command(CommandKind::SetState), &[0x0a, 0x01, b'k', 0x1a, 0x03, 0x0a, 0x01, last]);
        entries
    };
    let recorded = entries(|_| 1, 7);
    let check = |replayed: &EntryBuffer| {
        let replays = [Replayed::Entries(replayed.view())];
        check_journal(recorded.view(), &replays, &InvocationInfo::default(), Redaction::Shown)
    };
    let replayed = entries(|at| if at % 7 == 0 || at == 1499 { 2 } else { 1 }, 7);
    let judgement = check(&replayed);
    assert_eq!((judgement.verdict, judgement.commands), (Verdict::Compatible, 1502));
    let alignment = align(recorded.view(), Replayed::Entries(replayed.view()), &Stop::Frontier).unwrap();
    let findings = Findings::of_invocation(&InvocationInfo::default(), Redaction::Shown, Cause::Unknown);
    let whole = findings.of(&alignment);
    assert_eq!(whole.len(), 216);
    assert_eq!(judgement.findings, whole);
    // Where replay stops in the last part, or the layout differs there, the journal is judged as a whole.
    let rules = |replayed: &EntryBuffer| {
        let judgement = check(replayed);
        (judgement.verdict, judgement.findings[0].rule, judgement.findings[0].command_index, judgement.findings.len())
    };
    let later = |at| if at == 1 { 2 } else { 1 };
    assert_eq!(rules(&entries(later, 8)), (Verdict::Mismatch, "state-value-changed", 1501, 2));
    let mut longer = entries(later, 7);
    longer.push(EntryKind::Command(CommandKind::ClearAllState), &[]);
    assert_eq!(rules(&longer), (Verdict::Compatible, "sleep-duration-changed", 2, 1));
    // A command takes the place of a result, exactly where a part ends.
    let mut other_layout = EntryBuffer::default();
    other_layout.extend(recorded.view().range(0..1023));
    other_layout.push(EntryKind::Command(CommandKind::ClearAllState), &[]);
    other_layout.extend(recorded.view().range(1024..recorded.len()));
    assert!(matches!(recorded.view().kind(1023), EntryKind::Notification(_)));
    let judgement = check(&other_layout);
    let found = &judgement.findings[0];
    assert_eq!((judgement.verdict, found.rule, found.command_index), (Verdict::Mismatch, "command-added", 615));
}
