//! A journal for people: its commands with their subjects and results; or in the readable form, which reads back
//! unchanged.

use std::collections::HashMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};

use super::{brief, escaped, write_json};
use crate::journal::{
    Command, CommandKind, Ending, Entries, EntryKind, FieldValue, InvocationId, InvocationInfo, Step, Trace, describe,
};
use crate::protocol::{CompletionResult, DecodeError, Notification, NotificationId, decode, decode_notification};
use crate::rules::Redaction;
use crate::source::readable::{Payload, command_object, entry_bytes, notification_object};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default();

/// Bytes of a payload that are shown.
const LONGEST: usize = 160;

/// Writes one journal for a terminal.
pub fn show_human(
    id: &InvocationId,
    info: &InvocationInfo,
    entries: Entries<'_>,
    redaction: Redaction,
    out: &mut dyn Write,
) -> io::Result<()> {
    write!(out, "{BOLD}{}{BOLD:#}", brief(id.as_str()))?;
    for part in [info.target(), info.status.clone(), info.deployment.clone()].into_iter().flatten() {
        write!(out, "  {}", brief(&part))?;
    }
    writeln!(out, "\n{DIM}{} entries, {} commands{DIM:#}\n", entries.len(), entries.command_count())?;
    writeln!(out, "{DIM}command entry{DIM:#}")?;
    let writer = CommandWriter { redaction };
    let results = CompletionResults::of(entries);
    let mut index = 0;
    for at in 0..entries.len() {
        match entries.kind(at) {
            EntryKind::Command(kind) => {
                write!(out, "{index:>7} {DIM}{at:>5}{DIM:#}  ")?;
                match decode(kind, entries.raw(at)) {
                    Ok(command) => writer.command(&command, &results, out)?,
                    Err(error) => writeln!(out, "{RED}{}{RED:#}", brief(&error.to_string()))?,
                }
                index += 1;
            }
            EntryKind::Notification(kind) => match decode_notification(kind, entries.raw(at)) {
                // A completion is shown with its command.
                Ok(Notification { id: NotificationId::Completion(_), .. }) => {}
                Ok(Notification { id, outcome }) => {
                    let name = match id {
                        NotificationId::Signal(1) => "cancelled".to_owned(),
                        NotificationId::Signal(id) => format!("signal {id}"),
                        NotificationId::NamedSignal(name) => format!("signal {name:?}"),
                        NotificationId::Completion(_) => unreachable!("matched above"),
                    };
                    writeln!(
                        out,
                        "        {DIM}{at:>5}{DIM:#}  {} {}",
                        brief(&name),
                        writer.outcome(outcome.as_ref())
                    )?;
                }
                Err(error) => writeln!(out, "        {DIM}{at:>5}{DIM:#}  {RED}{}{RED:#}", brief(&error.to_string()))?,
            },
        }
    }
    writeln!(out)
}

/// The completions of a journal by id, each with its entry's index.
struct CompletionResults(HashMap<u32, (usize, Option<CompletionResult>)>);

impl CompletionResults {
    fn of(entries: Entries<'_>) -> Self {
        let mut results = HashMap::new();
        for at in 0..entries.len() {
            if let EntryKind::Notification(kind) = entries.kind(at)
                && let Ok(Notification { id: NotificationId::Completion(id), outcome }) =
                    decode_notification(kind, entries.raw(at))
            {
                results.insert(id, (at, outcome));
            }
        }
        Self(results)
    }
}

/// Writes commands and results as one line each, with payloads redacted as asked.
struct CommandWriter {
    redaction: Redaction,
}

impl CommandWriter {
    fn command(&self, command: &Command, results: &CompletionResults, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}", brief(&describe(command)))?;
        for name in ["parameter", "value", "completion_value"] {
            let read = matches!(command.kind, CommandKind::GetEagerState | CommandKind::GetEagerStateKeys);
            if let Some(FieldValue::Bytes(payload)) = command.get(name).filter(|_| !read) {
                write!(out, " {}", self.payload(payload))?;
            }
        }
        if let Some(FieldValue::Failure(failure)) = command.get("failure").or_else(|| command.get("completion_failure"))
        {
            write!(out, " {RED}{} {}{RED:#}", failure.code, self.text(&failure.message))?;
        }
        match command.kind {
            CommandKind::GetEagerState | CommandKind::GetEagerStateKeys => {
                let value = match command.get("value") {
                    Some(FieldValue::Bytes(payload)) => self.payload(payload),
                    Some(FieldValue::StateKeys(keys)) => self.text(&keys_text(&keys.keys)),
                    _ => "empty".to_owned(),
                };
                write!(out, " → {value}")?;
            }
            CommandKind::Sleep => {
                if let Some(time) = command.number("wake_up_time") {
                    write!(out, " {DIM}until {time} ms{DIM:#}")?;
                }
            }
            CommandKind::OneWayCall => {
                if let Some(time) = command.number("invoke_time") {
                    write!(out, " {DIM}at {time} ms{DIM:#}")?;
                }
            }
            _ => {}
        }
        if let Some(id) = command.number("result_completion_id") {
            match u32::try_from(id).ok().and_then(|id| results.0.get(&id)) {
                Some((at, outcome)) => write!(out, " → {} {DIM}(entry {at}){DIM:#}", self.outcome(outcome.as_ref()))?,
                None => write!(out, " {DIM}→ pending{DIM:#}")?,
            }
        }
        writeln!(out)
    }

    fn outcome(&self, outcome: Option<&CompletionResult>) -> String {
        match outcome {
            None | Some(CompletionResult::Void) => "done".to_owned(),
            Some(CompletionResult::Value(payload)) => self.payload(payload),
            Some(CompletionResult::Failure(failure)) => {
                format!("{RED}failure {} {}{RED:#}", failure.code, self.text(&failure.message))
            }
            Some(CompletionResult::InvocationId(id)) => brief(id).into_owned(),
            Some(CompletionResult::StateKeys(keys)) => self.text(&keys_text(keys)),
        }
    }

    fn payload(&self, payload: &[u8]) -> String {
        match (self.redaction, Payload::of(payload)) {
            (Redaction::Hidden, _) => format!("({} bytes)", payload.len()),
            (_, Payload::Binary) => format!("({} bytes, binary)", payload.len()),
            (_, Payload::Json(_) | Payload::Text(_)) => self.text(&String::from_utf8_lossy(payload)),
        }
    }

    fn text(&self, text: &str) -> String {
        if self.redaction == Redaction::Hidden {
            return format!("({} bytes)", text.len());
        }
        if text.is_empty() {
            return "\"\"".to_owned();
        }
        let end = text.floor_char_boundary(LONGEST);
        let more = if end < text.len() { format!("… ({} bytes)", text.len()) } else { String::new() };
        format!("{}{more}", escaped(&text[..end]))
    }
}

fn keys_text(keys: &[Vec<u8>]) -> String {
    keys.iter().map(|key| String::from_utf8_lossy(key)).collect::<Vec<_>>().join(", ")
}

/// Writes one journal in the readable form, on one line.
pub fn show_readable(
    id: &InvocationId,
    info: &InvocationInfo,
    entries: Entries<'_>,
    redaction: Redaction,
    out: &mut dyn Write,
) -> io::Result<()> {
    let decoded = |at: usize| -> Result<Map<String, Value>, DecodeError> {
        Ok(match entries.kind(at) {
            EntryKind::Command(kind) => command_object(&decode(kind, entries.raw(at))?),
            EntryKind::Notification(kind) => notification_object(kind, &decode_notification(kind, entries.raw(at))?),
        })
    };
    let entries: Vec<Value> = (0..entries.len())
        .map(|at| {
            let (kind, raw) = (entries.kind(at), entries.raw(at));
            let (key, name) = match kind {
                EntryKind::Command(kind) => ("command", kind.name()),
                EntryKind::Notification(kind) => ("notification", kind.name()),
            };
            match (decoded(at), redaction) {
                (Ok(object), Redaction::Hidden) => without_payloads(object).into(),
                (Err(_), Redaction::Hidden) => json!({ key: name }),
                (Ok(object), Redaction::Shown)
                    if entry_bytes(&object).is_some_and(|(own, bytes)| own == kind && bytes == raw) =>
                {
                    object.into()
                }
                // Fields that would not encode to the same bytes again: keep the raw bytes.
                (_, Redaction::Shown) => {
                    json!({ key: name, "raw": hex_simd::encode_to_string(raw, hex_simd::AsciiCase::Lower) })
                }
            }
        })
        .collect();
    let mut object = Map::new();
    object.insert("id".to_owned(), id.as_str().into());
    for (key, value) in
        [("target", info.target()), ("deployment", info.deployment.clone()), ("status", info.status.clone())]
    {
        if let Some(value) = value {
            object.insert(key.to_owned(), value.into());
        }
    }
    if let Some(version) = info.protocol_version {
        object.insert("protocol_version".to_owned(), version.into());
    }
    object.insert("complete".to_owned(), (redaction == Redaction::Shown).into());
    object.insert("entries".to_owned(), entries.into());
    write_json(out, &object)?;
    writeln!(out)
}

fn without_payloads(mut object: Map<String, Value>) -> Map<String, Value> {
    const PAYLOADS: [&str; 6] = ["value", "parameter", "completion_value", "failure", "completion_failure", "headers"];
    let is_payload = |key: &str| {
        PAYLOADS.iter().any(|name| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
    };
    object.retain(|key, _| !is_payload(key));
    object
}

/// Writes a candidate's trace in the readable form, on one line, with every field of its commands.
pub fn write_trace(id: &InvocationId, info: &InvocationInfo, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    let entries: Vec<Value> = trace
        .steps
        .iter()
        .map(|step| match step {
            Step::Command(command) => Value::Object(command_object(command)),
            Step::Await(awaited) => json!({ "await": {
                "completions": awaited.completions,
                "signals": awaited.signals,
                "named_signals": awaited.named_signals,
            } }),
        })
        .collect();
    let mut object = Map::new();
    object.insert("id".to_owned(), id.as_str().into());
    if let Some(target) = info.target() {
        object.insert("target".to_owned(), target.into());
    }
    object.insert("complete".to_owned(), true.into());
    object.insert("entries".to_owned(), entries.into());
    let ended = match trace.ending {
        Ending::Unknown => None,
        Ending::Returned => Some("returned"),
        Ending::Suspended => Some("suspended"),
        Ending::Failed => Some("failed"),
    };
    if let Some(ended) = ended {
        object.insert("ended".to_owned(), ended.into());
    }
    write_json(out, &object)?;
    writeln!(out)
}
