//! A fuzzed live replay: journals are replayed on a candidate whose answers are the fuzz input.
//!
//! The fuzz target `answers` and `tests/it/fuzz.rs` use it.

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

/// Recorded journals of several kinds: waiting, completed, with signals, with promises, short.
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

/// Appends a frame of an answer as fuzz input: one byte for the type, two for the length, then the message.
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

/// The next answer as it would arrive over the wire, and the rest of the input.
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
            // These bytes need not be a frame.
            _ => wire.extend_from_slice(message),
        }
    }
    (wire, rest)
}

/// Replays one journal. The first byte of the input chooses the journal, the second the SDK, and the third the size of
/// the pieces in which answers arrive.
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
        assert!(asked <= 6 * (commands + 2) + 64, "the judge sends requests for ever");
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

/// A candidate that gives the answers in the input, and then repeats the last one.
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

/// The entries in a request, after asserting that the Start message counts them correctly.
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

/// Asserts that no closure can run on the candidate. An SDK runs a closure where it finds no result for its command. So
/// each known run needs a result, and each id above the known commands needs a fence.
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
