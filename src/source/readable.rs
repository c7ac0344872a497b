//! Readable form: a journal or trace as one JSON object, whose entries have named fields.
//!
//! ```json
//! {"id":"inv_1…","target":"Order/alice/process","entries":[
//!   {"command":"Input","value":{"amount":10}},
//!   {"command":"Run","name":"price","result_completion_id":1},
//!   {"notification":"Run","completion_id":1,"value":12},
//!   {"await":{"completions":[1]}},
//!   {"command":"Call","service_name":"Stock","handler_name":"reserve","parameter":{"qty":2}}
//! ],"ended":"returned"}
//! ```
//!
//! A payload is JSON if its bytes are exactly that JSON written without spaces; else text, under the field's name with
//! `_text` appended; else base64, under `_base64`. An entry may also carry its whole message as `raw`, in hex. A journal
//! with `"complete":true` leaves nothing out; in any other, a missing field means that its value is not known.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::journal::command::{Command, Compared, Field, FieldKind, FieldValue, Header, StateKeyList, fields};
use crate::journal::{
    Await, CommandKind, Ending, EntryBuffer, EntryKind, InvocationInfo, NotificationKind, Step, Trace,
};
use crate::protocol::{self, CompletionResult, NotificationId};

/// A journal or a trace in the readable form.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Readable {
    pub id: Option<String>,
    pub target: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
    pub entries: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<ReadableEnding>,
    #[serde(flatten)]
    pub info: ReadableInfo,
    /// All other fields.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What else may be known of the invocation.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ReadableInfo {
    #[serde(skip_serializing_if = "Option::is_none", alias = "pinned_deployment_id")]
    pub deployment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", alias = "pinned_service_protocol_version")]
    pub protocol_version: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadableEnding {
    Returned,
    Suspended,
    Failed,
}

/// Why a journal or one of its entries is not in the readable form.
#[derive(Debug, thiserror::Error)]
pub enum ReadableError {
    #[error("it is not a journal in the readable form: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("entry {entry}: {reason}")]
    Entry { entry: usize, reason: String },
}

/// Fields of a journal that are ignored.
const REMARKS: [&str; 2] = ["comment", "created_at"];

impl Readable {
    /// Refuses unknown fields: otherwise a misspelt one would silently be left out.
    pub fn check(&self) -> Result<(), String> {
        match self.rest.keys().find(|key| !REMARKS.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(format!(
                "a journal has no field {key:?} (it has id, target, deployment, status, protocol_version, complete, entries, ended, comment)"
            )),
        }
    }

    pub fn info(&self) -> InvocationInfo {
        InvocationInfo {
            target: self.target.clone(),
            deployment: self.info.deployment.clone(),
            status: self.info.status.clone(),
            protocol_version: self.info.protocol_version,
            ..InvocationInfo::default()
        }
    }

    /// The steps of a candidate. Notifications are not among them: the candidate received them.
    pub fn trace(&self) -> Result<Trace, ReadableError> {
        let mut steps = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            match parse_entry(entry, self.complete).map_err(|reason| ReadableError::Entry { entry: at, reason })? {
                ReadableEntry::Command(command) => steps.push(Step::Command(command)),
                ReadableEntry::Await(awaited) => steps.push(Step::Await(awaited)),
                ReadableEntry::Raw(EntryKind::Command(kind), raw) => {
                    let command = protocol::decode(kind, &raw)
                        .map_err(|error| ReadableError::Entry { entry: at, reason: error.to_string() })?;
                    steps.push(Step::Command(command.into_owned()));
                }
                ReadableEntry::Raw(EntryKind::Notification(_), _) => {}
            }
        }
        let ending = match self.ended {
            None => Ending::Unknown,
            Some(ReadableEnding::Returned) => Ending::Returned,
            Some(ReadableEnding::Suspended) => Ending::Suspended,
            Some(ReadableEnding::Failed) => Ending::Failed,
        };
        Ok(Trace { steps, ending })
    }

    /// The entries of a journal. A recorded journal leaves nothing out, so a missing field is absent from the message.
    pub fn entries(&self) -> Result<EntryBuffer, ReadableError> {
        let mut entries = EntryBuffer::default();
        for (at, entry) in self.entries.iter().enumerate() {
            match parse_entry(entry, true).map_err(|reason| ReadableError::Entry { entry: at, reason })? {
                ReadableEntry::Command(command) => {
                    entries.push(EntryKind::Command(command.kind), &protocol::encode(&command))
                }
                ReadableEntry::Raw(kind, raw) => entries.push(kind, &raw),
                ReadableEntry::Await(_) => {}
            }
        }
        Ok(entries)
    }
}

enum ReadableEntry {
    Command(Command<'static>),
    /// A whole message, which may be impossible to decode.
    Raw(EntryKind, Vec<u8>),
    Await(Await),
}

/// The kind and the bytes of a recorded entry in the readable form.
pub fn entry_bytes(entry: &Map<String, Value>) -> Option<(EntryKind, Vec<u8>)> {
    match parse_object(entry, true).ok()? {
        ReadableEntry::Command(command) => Some((EntryKind::Command(command.kind), protocol::encode(&command))),
        ReadableEntry::Raw(kind, raw) => Some((kind, raw)),
        ReadableEntry::Await(_) => None,
    }
}

fn parse_entry(entry: &Value, complete: bool) -> Result<ReadableEntry, String> {
    parse_object(entry.as_object().ok_or("it is not an object")?, complete)
}

fn parse_object(object: &Map<String, Value>, complete: bool) -> Result<ReadableEntry, String> {
    if let Some(awaited) = object.get("await") {
        return parse_await(awaited).map(ReadableEntry::Await);
    }
    let raw = object.get("raw").map(|raw| raw.as_str().and_then(hex).ok_or("raw is not hex")).transpose()?;
    if let Some(name) = object.get("notification") {
        let kind = name
            .as_str()
            .and_then(NotificationKind::from_name)
            .ok_or_else(|| format!("unknown notification {name}"))?;
        let raw = match raw {
            Some(raw) => raw,
            None => parse_notification(kind, object)?,
        };
        return Ok(ReadableEntry::Raw(EntryKind::Notification(kind), raw));
    }
    let name = object.get("command").ok_or("it has neither command, notification nor await")?;
    let kind = name.as_str().and_then(CommandKind::from_name).ok_or_else(|| format!("unknown command {name}"))?;
    if let Some(raw) = raw {
        return Ok(ReadableEntry::Raw(EntryKind::Command(kind), raw));
    }
    parse_command(kind, object, complete).map(ReadableEntry::Command)
}

/// Keys of an entry that are not fields of its message.
const NOT_FIELDS: [&str; 3] = ["command", "index", "comment"];

fn parse_command(kind: CommandKind, object: &Map<String, Value>, complete: bool) -> Result<Command<'static>, String> {
    let table = fields(kind);
    let mut present: Vec<(&'static Field, FieldValue)> = Vec::new();
    for (key, value) in object.iter().filter(|(key, _)| !NOT_FIELDS.contains(&key.as_str())) {
        let (name, notation) = split_notation(key);
        let field = table.iter().find(|field| field.name == key || field.name == name);
        let Some(field) = field else {
            let known: Vec<_> = table.iter().map(|field| field.name).collect();
            return Err(format!("{} has no field {key:?} (it has {})", kind.name(), known.join(", ")));
        };
        let notation = if field.name == key { Notation::Json } else { notation };
        let value = parse_value(field, value, notation).ok_or_else(|| format!("{key} can not be {value}"))?;
        present.push((field, value));
    }
    present.sort_by_key(|(field, _)| field.tag);
    Ok(Command { kind, fields: present, complete })
}

/// How a payload is written.
#[derive(Clone, Copy)]
enum Notation {
    Json,
    Text,
    Base64,
}

fn split_notation(key: &str) -> (&str, Notation) {
    if let Some(name) = key.strip_suffix("_text") {
        (name, Notation::Text)
    } else if let Some(name) = key.strip_suffix("_base64") {
        (name, Notation::Base64)
    } else {
        (key, Notation::Json)
    }
}

fn parse_value(field: &Field, value: &Value, notation: Notation) -> Option<FieldValue<'static>> {
    Some(match field.kind {
        FieldKind::Text | FieldKind::OptionalText => FieldValue::Text(value.as_str()?.to_owned().into()),
        FieldKind::Key => FieldValue::Bytes(match notation {
            Notation::Base64 => STANDARD.decode(value.as_str()?).ok()?.into(),
            _ => value.as_str()?.as_bytes().to_vec().into(),
        }),
        FieldKind::Payload | FieldKind::Value => FieldValue::Bytes(payload(value, notation)?.into()),
        FieldKind::Void => FieldValue::Void,
        // Times are 64 bits wide, everything else 32.
        FieldKind::Number | FieldKind::OptionalNumber => {
            let most = if field.compared == Compared::Timing { u64::MAX } else { u32::MAX.into() };
            FieldValue::Number(value.as_u64().filter(|number| *number <= most)?)
        }
        FieldKind::Failure => FieldValue::Failure(serde_json::from_value(value.clone()).ok()?),
        FieldKind::Headers => FieldValue::Headers(headers(value)?),
        FieldKind::StateKeys => {
            FieldValue::StateKeys(StateKeyList { keys: texts(value)?.into_iter().map(String::into_bytes).collect() })
        }
        FieldKind::IdempotentRequest => FieldValue::IdempotentRequest(serde_json::from_value(value.clone()).ok()?),
        FieldKind::Workflow => FieldValue::Workflow(serde_json::from_value(value.clone()).ok()?),
    })
}

fn payload(value: &Value, notation: Notation) -> Option<Vec<u8>> {
    match notation {
        Notation::Json => serde_json::to_vec(value).ok(),
        Notation::Text => Some(value.as_str()?.as_bytes().to_vec()),
        Notation::Base64 => STANDARD.decode(value.as_str()?).ok(),
    }
}

/// `{"name":"value"}`, or a list of pairs where order or repetition matters.
fn headers(value: &Value) -> Option<Vec<Header>> {
    match value {
        Value::Object(pairs) => pairs
            .iter()
            .map(|(key, value)| Some(Header { key: key.clone(), value: value.as_str()?.to_owned() }))
            .collect(),
        _ => serde_json::from_value(value.clone()).ok(),
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    serde_json::from_value(value.clone()).ok()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    hex_simd::decode_to_vec(text).ok()
}

/// `{"completions":[1],"signals":[17],"named_signals":["done"]}`, or just the list of completions.
fn parse_await(awaited: &Value) -> Result<Await, String> {
    #[derive(Deserialize)]
    #[serde(default, deny_unknown_fields)]
    #[derive(Default)]
    struct Named {
        completions: Vec<u32>,
        signals: Vec<u32>,
        named_signals: Vec<String>,
    }
    if let Ok(completions) = Vec::<u32>::deserialize(awaited) {
        return Ok(Await { completions, ..Await::default() });
    }
    let named = Named::deserialize(awaited).map_err(|error| format!("await: {error}"))?;
    Ok(Await { completions: named.completions, signals: named.signals, named_signals: named.named_signals })
}

fn parse_notification(kind: NotificationKind, object: &Map<String, Value>) -> Result<Vec<u8>, String> {
    let number = |key: &str| object.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let id = match (number("completion_id"), number("signal_id"), object.get("signal_name").and_then(Value::as_str)) {
        (Some(id), ..) => NotificationId::Completion(id),
        (_, Some(id), _) => NotificationId::Signal(id),
        (_, _, Some(name)) => NotificationId::NamedSignal(name.to_owned()),
        _ => return Err("it has neither completion_id, signal_id nor signal_name".to_owned()),
    };
    let mut outcome = None;
    for (key, value) in object {
        let (name, notation) = split_notation(key);
        let bad = || format!("{key} can not be {value}");
        outcome = match name {
            "void" => Some(CompletionResult::Void),
            "value" => Some(CompletionResult::Value(payload(value, notation).ok_or_else(bad)?)),
            "failure" => Some(CompletionResult::Failure(serde_json::from_value(value.clone()).map_err(|_| bad())?)),
            "invocation_id" => Some(CompletionResult::InvocationId(value.as_str().ok_or_else(bad)?.to_owned())),
            "state_keys" => Some(CompletionResult::StateKeys(
                texts(value).ok_or_else(bad)?.into_iter().map(String::into_bytes).collect(),
            )),
            "notification" | "index" | "comment" | "completion_id" | "signal_id" | "signal_name" => continue,
            _ => {
                return Err(format!(
                    "a {} notification has no field {key:?} (it has completion_id, signal_id, signal_name; void, value, failure, \
                     invocation_id, state_keys)",
                    kind.name()
                ));
            }
        };
    }
    Ok(protocol::encode_notification(&protocol::Notification { id, outcome }))
}

/// A command as a readable entry.
pub fn command_object(command: &Command<'_>) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("command".to_owned(), command.kind.name().into());
    for (field, value) in &command.fields {
        put_value(&mut object, field.name, field.kind, value);
    }
    object
}

/// A notification as a readable entry.
pub fn notification_object(kind: NotificationKind, notification: &protocol::Notification) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("notification".to_owned(), kind.name().into());
    match &notification.id {
        NotificationId::Completion(id) => object.insert("completion_id".to_owned(), (*id).into()),
        NotificationId::Signal(id) => object.insert("signal_id".to_owned(), (*id).into()),
        NotificationId::NamedSignal(name) => object.insert("signal_name".to_owned(), name.clone().into()),
    };
    match &notification.outcome {
        None => {}
        Some(CompletionResult::Void) => put_value(&mut object, "void", FieldKind::Void, &FieldValue::Void),
        Some(CompletionResult::Value(value)) => put_payload(&mut object, "value", value),
        Some(CompletionResult::Failure(failure)) => {
            put_value(&mut object, "failure", FieldKind::Failure, &FieldValue::Failure(Box::new(failure.clone())));
        }
        Some(CompletionResult::InvocationId(id)) => {
            object.insert("invocation_id".to_owned(), id.clone().into());
        }
        Some(CompletionResult::StateKeys(keys)) => {
            let keys = FieldValue::StateKeys(StateKeyList { keys: keys.clone() });
            put_value(&mut object, "state_keys", FieldKind::StateKeys, &keys);
        }
    }
    object
}

fn put_value(object: &mut Map<String, Value>, name: &str, kind: FieldKind, value: &FieldValue) {
    let json = match value {
        FieldValue::Text(text) => text.clone().into(),
        FieldValue::Bytes(bytes) if kind == FieldKind::Key => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => {
                object.insert(format!("{name}_base64"), STANDARD.encode(bytes).into());
                return;
            }
        },
        FieldValue::Bytes(bytes) => return put_payload(object, name, bytes),
        FieldValue::Number(number) => (*number).into(),
        FieldValue::Void => Value::Object(Map::new()),
        FieldValue::Failure(failure) => plain(failure),
        FieldValue::Headers(headers) => plain(headers),
        FieldValue::StateKeys(keys) => {
            keys.keys.iter().map(|key| Value::from(String::from_utf8_lossy(key).into_owned())).collect()
        }
        FieldValue::IdempotentRequest(target) => plain(target),
        FieldValue::Workflow(target) => plain(target),
    };
    object.insert(name.to_owned(), json);
}

fn plain(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A payload under the name that says how it is written.
fn put_payload(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match Payload::of(bytes) {
        Payload::Json(json) => object.insert(name.to_owned(), json),
        Payload::Text(text) => object.insert(format!("{name}_text"), text.into()),
        Payload::Binary => object.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

/// How a payload reads without losing a byte.
pub enum Payload<'a> {
    Json(Value),
    Text(&'a str),
    Binary,
}

impl<'a> Payload<'a> {
    pub fn of(bytes: &'a [u8]) -> Self {
        if let Ok(json) = serde_json::from_slice::<Value>(bytes)
            && serde_json::to_vec(&json).is_ok_and(|written| written == bytes)
        {
            return Self::Json(json);
        }
        std::str::from_utf8(bytes).map_or(Self::Binary, Self::Text)
    }
}
