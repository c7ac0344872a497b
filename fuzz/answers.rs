//! Journals are replayed with a candidate that answers whatever the bytes say. Used by the fuzz target and by
//! `tests/it/fuzz.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use rehearsal::check::check_journal;
use rehearsal::diff::Replayed;
use rehearsal::journal::{CommandKind, EntryKind, Journal, NotificationKind};
use rehearsal::protocol::{FrameReader, MessageType, NotificationId, Start, decode_notification, put_frame};
use rehearsal::render::write_trace;
use rehearsal::replay::{Answer, AnswerReader, Attempt, AttemptRequest, Explain, Listen, LiveJudge, LiveJudged, Sdk};
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
    let mut judge = LiveJudge::new(recorded, attempt, Some(7), sdk, Explain::Mismatches);
    let mut asked = 0;
    while let Some(AttemptRequest { body, listen, .. }) = judge.request() {
        match listen {
            Listen::ForTheEnd => drop(entries(&body)),
            Listen::ForCommands => assert_nothing_can_run(&body),
        }
        asked += 1;
        assert!(asked <= 6 * (commands + 2) + 64, "it asks for ever");
        if judge.answer(&candidate.answer(listen)).is_err() {
            return;
        }
    }
    let Ok(LiveJudged { verdict, trace, .. }) = judge.judged() else { return };
    assert!(verdict.stop.at().is_none_or(|at| at <= commands), "{verdict:?} of {commands}");
    if let Some(trace) = trace {
        let check = check_journal(recorded, &[Replayed::Trace(&trace)], &journal.info, Redaction::Shown);
        drop(check);
        write_trace(&journal.id, &journal.info, &trace, &mut std::io::sink()).unwrap();
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

/// A closure runs where its command finds no result. So each known run has one, and each id above the known commands has
/// a fence.
fn assert_nothing_can_run(body: &[u8]) {
    let (mut completed, mut runs, mut next) = (BTreeSet::new(), Vec::new(), 1);
    for (ty, message) in entries(body) {
        if let Some(kind) = ty.command() {
            if kind == CommandKind::Run {
                runs.push(next);
            }
            next += kind.completion_ids();
            continue;
        }
        let kind = NotificationKind::ALL.iter().find(|kind| MessageType::of(EntryKind::Notification(**kind)) == ty);
        let notification = decode_notification(*kind.unwrap(), &message).unwrap();
        if let NotificationId::Completion(id) = notification.id {
            assert!(notification.outcome.is_some(), "{id} is not completed");
            assert!(completed.insert(id), "{id} is completed twice");
        }
    }
    assert!(runs.iter().all(|run| completed.contains(run)), "a run is not completed");
    assert!((next..next + 1024).all(|id| completed.contains(&id)), "an id above the known ones has no fence");
}
