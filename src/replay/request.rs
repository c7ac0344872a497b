//! The body of one attempt: Start, entries, and what is added to them.

use prost::Message;

use crate::journal::command::{Command, FieldValue, fields};
use crate::journal::{CommandKind, EntryKind, Journal, NotificationKind};
use crate::protocol::{
    CompletionResult, MessageType, Notification, NotificationId, Start, default_seed, encode, encode_notification,
    put_frame,
};

/// What every attempt at one invocation has in common.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: [u8; 24],
    pub debug_id: String,
    pub key: String,
    pub random_seed: u64,
}

impl Attempt {
    /// With the seed that servers use by default; `None` where the journal's id is not in Restate's form.
    pub fn at(journal: &Journal) -> Option<Self> {
        let id = journal.id.wire()?;
        let key = journal.info.key().unwrap_or_default();
        Some(Self { id, debug_id: journal.id.to_string(), key, random_seed: default_seed(&id) })
    }
}

/// A body under construction: entries are counted as they are added.
#[derive(Debug, Default)]
pub(super) struct AttemptBody {
    entries: Vec<u8>,
    known: u32,
}

impl AttemptBody {
    pub fn entry(&mut self, kind: EntryKind, raw: &[u8]) {
        put_frame(&mut self.entries, MessageType::of(kind), raw);
        self.known += 1;
    }

    pub fn completion(&mut self, kind: NotificationKind, id: u32, outcome: CompletionResult) {
        let notification = Notification { id: NotificationId::Completion(id), outcome: Some(outcome) };
        self.entry(EntryKind::Notification(kind), &encode_notification(&notification));
    }

    /// A command that no handler can issue: a second Input. The SDK never gets past it, and so never leaves replay.
    pub fn sentinel(&mut self) {
        let name = fields(CommandKind::Input).iter().find(|field| field.name == "name");
        let name = name.expect("Input has a name, as every command has");
        let fields = vec![(name, FieldValue::Text("rehearse: the recorded commands end here".into()))];
        let command = Command { kind: CommandKind::Input, fields, complete: true };
        self.entry(EntryKind::Command(CommandKind::Input), &encode(&command));
    }

    pub fn finish(self, attempt: &Attempt) -> Vec<u8> {
        let start = Start {
            id: attempt.id.to_vec(),
            debug_id: attempt.debug_id.clone(),
            known_entries: self.known,
            // State is known from the journal alone.
            partial_state: true,
            key: attempt.key.clone(),
            random_seed: attempt.random_seed,
            ..Start::default()
        };
        let mut body = Vec::with_capacity(self.entries.len() + 128);
        put_frame(&mut body, MessageType::START, &start.encode_to_vec());
        body.extend_from_slice(&self.entries);
        body
    }
}
