//! A token: a number for a command. Commands that should pair have equal tokens.

use std::collections::HashMap;
use std::hash::Hash;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::diff::commands::Commands;
use crate::journal::command::{Header, fields};
use crate::journal::{Command, CommandKind, Compared, EntryKind, FieldValue};

/// Numbers the distinct values of both sides densely, so that comparing tokens is cheap.
pub(super) fn tokens(mine: impl Iterator<Item = u128>, theirs: impl Iterator<Item = u128>) -> (Vec<u32>, Vec<u32>) {
    let mut numbers: HashMap<u128, u32> = HashMap::new();
    let mut number = |value: u128| {
        let next = u32::try_from(numbers.len()).expect("fewer than 2^32 commands");
        *numbers.entry(value).or_insert(next)
    };
    (mine.map(&mut number).collect(), theirs.map(&mut number).collect())
}

/// The fields of each kind that are hashed: those that no command of a hand-written trace leaves out.
pub(super) struct FieldMask {
    left_out: HashMap<CommandKind, Vec<&'static str>>,
}

impl FieldMask {
    pub fn of(replayed: &Commands<'_>) -> Self {
        let mut left_out: HashMap<CommandKind, Vec<&'static str>> = HashMap::new();
        for command in replayed.incomplete() {
            let names = left_out.entry(command.kind.modulo_eager()).or_default();
            for field in fields(command.kind).iter().filter(|field| command.leaves_out(field)) {
                if !names.contains(&field.name) {
                    names.push(field.name);
                }
            }
        }
        Self { left_out }
    }

    /// A hash of all fields that replay compares, except completion ids.
    pub fn content(&self, command: &Command) -> u128 {
        let kind = command.kind.modulo_eager();
        let left_out = self.left_out.get(&kind);
        let mut hasher = SipHasher13::new();
        (kind as u8).hash(&mut hasher);
        for (field, value) in &command.fields {
            if field.compared == Compared::Always && left_out.is_none_or(|names| !names.contains(&field.name)) {
                field.tag.hash(&mut hasher);
                hash_value(value, left_out.is_some(), &mut hasher);
            }
        }
        hasher.finish128().as_u128()
    }
}

fn hash_value(value: &FieldValue, loosely: bool, hasher: &mut SipHasher13) {
    match value {
        FieldValue::Text(text) => text.hash(hasher),
        // Hand-written JSON matches the same JSON in any notation.
        FieldValue::Bytes(bytes) if loosely => match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(json) => hash_json(&json, hasher),
            Err(_) => bytes.hash(hasher),
        },
        FieldValue::Bytes(bytes) => bytes.hash(hasher),
        FieldValue::Number(number) => number.hash(hasher),
        FieldValue::Void => {}
        FieldValue::Failure(failure) => {
            failure.code.hash(hasher);
            failure.message.hash(hasher);
            hash_headers(&failure.metadata, hasher);
        }
        FieldValue::Headers(headers) => hash_headers(headers, hasher),
        FieldValue::StateKeys(keys) => keys.keys.hash(hasher),
        FieldValue::IdempotentRequest(target) => {
            (&target.service_name, &target.service_key, &target.handler_name, &target.idempotency_key, &target.scope)
                .hash(hasher);
        }
        FieldValue::Workflow(target) => (&target.workflow_name, &target.workflow_key, &target.scope).hash(hasher),
    }
}

fn hash_headers(headers: &[Header], hasher: &mut SipHasher13) {
    for header in headers {
        (&header.key, &header.value).hash(hasher);
    }
}

fn hash_json(json: &serde_json::Value, hasher: &mut SipHasher13) {
    let mut sorted = json.clone();
    sorted.sort_all_objects();
    sorted.to_string().hash(hasher);
}

/// A hash of the thing that a command works on; `None` for an Output, which pairs by its place alone.
pub(super) fn identity(command: &Command) -> Option<u128> {
    let names: &[&str] = match command.kind.modulo_eager() {
        CommandKind::Run | CommandKind::Sleep => &["name"],
        CommandKind::GetLazyState | CommandKind::SetState | CommandKind::ClearState => &["key"],
        CommandKind::GetPromise | CommandKind::PeekPromise | CommandKind::CompletePromise => &["key"],
        CommandKind::Call | CommandKind::OneWayCall => &["service_name", "handler_name", "key"],
        CommandKind::SendSignal => &["target_invocation_id", "idx", "signal_name"],
        CommandKind::AttachInvocation | CommandKind::GetInvocationOutput => {
            &["invocation_id", "idempotent_request_target", "workflow_target"]
        }
        CommandKind::CompleteAwakeable => &["awakeable_id"],
        CommandKind::Input | CommandKind::ClearAllState | CommandKind::GetLazyStateKeys => &[],
        // The commands before an Output decide whether the handler returned early or returned something else.
        CommandKind::Output => return None,
        CommandKind::GetEagerState | CommandKind::GetEagerStateKeys => unreachable!("modulo_eager gives the lazy kind"),
    };
    let mut hasher = SipHasher13::new();
    (command.kind.modulo_eager() as u8).hash(&mut hasher);
    for name in names {
        match command.get(name) {
            Some(value) => {
                1u8.hash(&mut hasher);
                hash_value(value, false, &mut hasher);
            }
            None => 0u8.hash(&mut hasher),
        }
    }
    Some(hasher.finish128().as_u128())
}

/// The command's kind as a token; `None` for an Output.
pub(super) fn same_kind(command: &Command) -> Option<u128> {
    match command.kind.modulo_eager() {
        CommandKind::Output => None,
        kind => Some(EntryKind::Command(kind).code().into()),
    }
}
