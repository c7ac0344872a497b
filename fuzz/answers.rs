//! Journals are replayed with a candidate that answers whatever the bytes say. Used by the fuzz target and by
//! `tests/it/fuzz.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use rehearsal::check::check_journal;
use rehearsal::diff::Replayed;
use rehearsal::journal::{CommandKind, EntryKind, Journal, NotificationKind};
use rehearsal::protocol::{FrameReader, MessageType, NotificationId, Start, decode_notification, put_frame};
use rehearsal::render::write_trace;
use rehearsal::replay::{Answer, AnswerReader, Attempt, Listen, Outcome, Sdk, Tracer, Tripwire};
use rehearsal::rules::Redaction;
use rehearsal::source::{Input, Journals, open};

/// Recorded ones of several kinds: waiting, completed, with signals, with promises, short.
pub fn journals(fixtures: &Path) -> Vec<Journal> {
    [
        "process",
        "process-approved",
        "process-cancelled",
        "refund",
        "close-completed",
        "signup",
        "v7-process",
        "cancel-order",
    ]
    .iter()
    .map(|name| {
        let file = fixtures.join("clean").join(name).join("recorded.jsonl");
        let (corpus, _, ids) = open(&[Input::Path(file)], &[]).unwrap();
        let (_, _, journal) = Journals::new(&corpus, &ids).next().unwrap();
        journal.unwrap()
    })
    .collect()
}

const SDKS: [Sdk; 7] = [Sdk::TypeScript, Sdk::Python, Sdk::Rust, Sdk::Go, Sdk::Java, Sdk::Ruby, Sdk::Unknown];

/// Frames of an answer as fuzz input: a byte for the type, two for the length, the message.
pub fn put(input: &mut Vec<u8>, ty: u8, message: &[u8]) {
    input.push(ty);
    input.extend((message.len() as u16).to_be_bytes());
    input.extend(message);
}

pub const END_OF_ANSWER: u8 = 0xFF;
pub const ERROR: u8 = 2;

pub fn command(kind: CommandKind) -> u8 {
    0x20 + kind as u8
}

/// The next answer as it would come over the wire, and what is behind it.
fn next_answer(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut wire = Vec::new();
    while let [ty, high, low, after @ ..] = rest {
        let (message, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(after.len()));
        rest = after;
        match ty {
            0..=7 => put_frame(&mut wire, MessageType((*ty).into()), message),
            0x20..=0x3F => put_frame(&mut wire, MessageType(0x0400 + u16::from(ty - 0x20)), message),
            0x40..=0x5F => put_frame(&mut wire, MessageType(0x8000 + u16::from(ty - 0x40)), message),
            &END_OF_ANSWER => break,
            // Anything at all.
            _ => wire.extend_from_slice(message),
        }
    }
    (wire, rest)
}

/// The first byte chooses the journal, the second one the SDK, the third one how answers are cut into pieces.
pub fn answer(journals: &[Journal], input: &[u8]) {
    let [journal, sdk, cut, rest @ ..] = input else { return };
    let journal = &journals[usize::from(*journal) % journals.len()];
    let sdk = SDKS[usize::from(*sdk) % SDKS.len()];
    let mut candidate = Candidate { rest, last: Vec::new(), cut: usize::from(*cut) + 1 };
    let recorded = journal.entries.view();
    let attempt = Attempt::at(journal).unwrap();

    let commands = recorded.command_count();
    let mut tripwire = Tripwire::new(recorded, attempt.clone(), Some(7), sdk);
    let mut asked = 0;
    let outcome = loop {
        let body = tripwire.request();
        entries(&body);
        asked += 1;
        assert!(asked <= 2 * (commands + 2), "it asks for ever");
        if let Some(outcome) = tripwire.answer(&candidate.answer(Listen::ForTheEnd)) {
            break outcome;
        }
    };
    if let Outcome::Diverges { at, .. } | Outcome::Violates(at) | Outcome::Returned(at) = outcome {
        assert!(at < commands, "{outcome:?} of {commands}");
    }

    let Ok(mut tracer) = Tracer::new(recorded, attempt, sdk) else { unreachable!("fixtures can be decoded") };
    for passes in 1.. {
        assert!(passes <= 64, "it traces for ever");
        assert_nothing_can_run(&tracer.request());
        let Ok(done) = tracer.answer(&candidate.answer(Listen::ForCommands)) else { return };
        if let Some(trace) = done {
            let check = check_journal(recorded, &[Replayed::Trace(&trace)], &journal.info, Redaction::Shown);
            drop(check);
            write_trace(&journal.id, &journal.info, &trace, &mut std::io::sink()).unwrap();
            return;
        }
    }
}

/// Says what the bytes say, and then the last of it over and over.
struct Candidate<'b> {
    rest: &'b [u8],
    last: Vec<u8>,
    cut: usize,
}

impl Candidate<'_> {
    fn answer(&mut self, listen: Listen) -> Answer {
        if !self.rest.is_empty() {
            (self.last, self.rest) = next_answer(self.rest);
        }
        let mut reader = AnswerReader::new(listen);
        for piece in self.last.chunks(self.cut) {
            if reader.feed(piece) {
                break;
            }
        }
        reader.finish()
    }
}

/// What is posted: Start, and as many entries as it says.
fn entries(body: &[u8]) -> Vec<(MessageType, bytes::Bytes)> {
    let mut reader = FrameReader::new(u32::MAX);
    reader.feed(body);
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        frames.push(frame);
    }
    assert!(!reader.has_rest());
    let (ty, start) = frames.remove(0);
    assert_eq!(ty, MessageType::START);
    let start = <Start as prost::Message>::decode(start).unwrap();
    assert_eq!(start.known_entries as usize, frames.len());
    frames
}

/// A closure runs where its command finds no result: so there is one, and one only, under each id that a handler can
/// come to, and no command but the Input is known.
fn assert_nothing_can_run(body: &[u8]) {
    let mut ids = BTreeSet::new();
    for (number, (ty, message)) in entries(body).into_iter().enumerate() {
        if ty.is_command() {
            assert_eq!((number, ty.command()), (0, Some(CommandKind::Input)));
            continue;
        }
        let kind = NotificationKind::ALL.iter().find(|kind| MessageType::of(EntryKind::Notification(**kind)) == ty);
        let notification = decode_notification(*kind.unwrap(), &message).unwrap();
        if let NotificationId::Completion(id) = notification.id {
            assert!(notification.outcome.is_some(), "{id} is not completed");
            assert!(ids.insert(id), "{id} is completed twice");
        }
    }
    let highest = u32::try_from(ids.len()).unwrap();
    assert!(highest > 1024 && ids.iter().copied().eq(1..=highest), "an id is not completed");
}
