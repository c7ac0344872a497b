//! Redaction: how much of a finding's commands and values a report shows. It shortens long payloads, and replaces
//! hidden ones by their size.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::Change;
use crate::diff::Commands;
use crate::journal::{Command, CommandKind, FieldKind, FieldValue};
use crate::protocol;
use crate::source::readable::command_object;

/// Whether payloads may be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redaction {
    #[default]
    Shown,
    Hidden,
}

/// Bytes of the longest payload that is shown in full.
pub(super) const LONGEST_PAYLOAD: usize = 4 << 10;

/// Bytes shown of a longer payload: its beginning, or, in a differing value, the text around the first difference.
pub(super) const PREVIEW: usize = 512;

/// A command in a report. A short command that may be shown stays an encoded message until a report shows it.
#[derive(Clone, Debug)]
pub struct CommandShown(CommandForm);

#[derive(Clone, Debug)]
enum CommandForm {
    Message(CommandKind, Box<[u8]>),
    Object(Box<Map<String, Value>>),
}

impl CommandShown {
    pub(super) fn of(commands: &Commands<'_>, at: usize, redaction: Redaction) -> Self {
        match commands.message(at) {
            Some((kind, raw)) if redaction == Redaction::Shown && raw.len() <= LONGEST_PAYLOAD => {
                Self(CommandForm::Message(kind, raw.into()))
            }
            _ => Self(CommandForm::Object(Box::new(object(&commands[at], redaction)))),
        }
    }

    /// The command's fields by name, as in the readable form.
    pub fn object(&self) -> Cow<'_, Map<String, Value>> {
        match &self.0 {
            CommandForm::Object(object) => Cow::Borrowed(object),
            CommandForm::Message(kind, raw) => {
                Cow::Owned(object(&protocol::decode_or_bare(*kind, raw), Redaction::Shown))
            }
        }
    }
}

impl PartialEq for CommandShown {
    fn eq(&self, other: &Self) -> bool {
        self.object() == other.object()
    }
}

impl Serialize for CommandShown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object().serialize(serializer)
    }
}

fn object(command: &Command, redaction: Redaction) -> Map<String, Value> {
    let mut shown = Command { kind: command.kind, fields: Vec::new(), complete: command.complete };
    let mut sizes = Vec::new();
    for (field, value) in &command.fields {
        let value = match value {
            FieldValue::Bytes(bytes)
                if field.kind != FieldKind::Key
                    && (redaction == Redaction::Hidden || bytes.len() > LONGEST_PAYLOAD) =>
            {
                sizes.push((field.name, bytes));
                FieldValue::Bytes(Cow::default())
            }
            value => value.clone(),
        };
        shown.fields.push((field, value));
    }
    let mut object = command_object(&shown);
    for (name, bytes) in sizes {
        object.shift_remove(&format!("{name}_text"));
        if redaction == Redaction::Hidden {
            object.insert(name.to_owned(), redacted(bytes.len()));
        } else {
            let preview = String::from_utf8_lossy(&bytes[..PREVIEW]).into_owned();
            object.insert(format!("{name}_begins"), preview.into());
            object.insert(format!("{name}_bytes"), bytes.len().into());
        }
    }
    if redaction == Redaction::Hidden {
        for name in ["headers", "failure", "completion_failure"] {
            if let Some(value) = object.get_mut(name) {
                *value = redacted(length(value));
            }
        }
    }
    object
}

/// Reduces a change to what a report may show of it.
pub(super) fn show(change: &mut Change, redaction: Redaction) {
    let hidden = redaction == Redaction::Hidden && !is_structural(&change.path);
    if hidden {
        for value in [&mut change.recorded, &mut change.replayed].into_iter().flatten() {
            *value = redacted(length(value));
        }
        change.lines = None;
    } else if [&change.recorded, &change.replayed].into_iter().flatten().any(is_long) {
        shorten(change);
    }
}

fn is_long(value: &Value) -> bool {
    let size = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => return false,
        Value::String(text) => text.len(),
        Value::Array(_) | Value::Object(_) => length(value),
    };
    size > LONGEST_PAYLOAD
}

/// Bytes of a preview that come before the difference.
const BEFORE: usize = 64;

fn shorten(change: &mut Change) {
    let text = |value: &Option<Value>| {
        value.as_ref().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let (recorded, replayed) = (text(&change.recorded), text(&change.replayed));
    let same = match (&recorded, &replayed) {
        (Some(recorded), Some(replayed)) => {
            recorded.bytes().zip(replayed.bytes()).take_while(|(mine, theirs)| mine == theirs).count()
        }
        _ => 0,
    };
    let from = if same + BEFORE > PREVIEW { same - BEFORE } else { 0 };
    for (value, text) in [(&mut change.recorded, recorded), (&mut change.replayed, replayed)] {
        if let (Some(value), Some(text)) = (value, text)
            && text.len() > LONGEST_PAYLOAD
        {
            let from = text.floor_char_boundary(from);
            let shown = &text[from..text.floor_char_boundary(from + PREVIEW)];
            let before = if from > 0 { "…" } else { "" };
            let after = if from + shown.len() < text.len() { "…" } else { "" };
            *value = format!("{before}{shown}{after} ({} bytes)", text.len()).into();
        }
    }
}

fn redacted(size: usize) -> Value {
    format!("(redacted, {size} bytes)").into()
}

/// The length of a value as JSON text.
fn length(value: &Value) -> usize {
    struct ByteCounter(usize);
    impl std::fmt::Write for ByteCounter {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut counter = ByteCounter(0);
    std::fmt::write(&mut counter, format_args!("{value}")).expect("counting does not fail");
    counter.0
}

/// Whether a path names the command's subject and not its payload. Such values stay visible: without them nobody could
/// understand the finding.
fn is_structural(path: &str) -> bool {
    [
        "name",
        "key",
        "service_name",
        "handler_name",
        "result_completion_id",
        "invocation_id_notification_idx",
        "wake_up_time",
        "invoke_time",
        "awakeable_id",
        "invocation_id",
        "service",
        "handler",
        "service_type",
        "handler_type",
        "protocol_version",
        "target_invocation_id",
        "idx",
        "signal_name",
        "workflow_target",
        "idempotent_request_target",
    ]
    .contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shown_around_their_first_difference() {
        let shown = |recorded: String, replayed: String| {
            let [recorded, replayed] = [recorded, replayed].map(|text| Some(text.into()));
            let mut change = Change { path: "value".to_owned(), recorded, replayed, lines: None };
            show(&mut change, Redaction::Shown);
            [change.recorded, change.replayed].map(|value| value.unwrap().as_str().unwrap().to_owned())
        };
        let long = "é".repeat(LONGEST_PAYLOAD);
        let [recorded, replayed] = shown(format!("{long}one"), format!("{long}two"));
        assert_eq!(recorded, format!("…{}one (8195 bytes)", "é".repeat(BEFORE / 2)));
        assert!(replayed.ends_with("étwo (8195 bytes)"), "{replayed}");
        // A value that differs early, and a short value, are shown from their beginning.
        let [recorded, replayed] = shown(format!("one{long}"), "two".to_owned());
        assert!(recorded.starts_with("oneé") && recorded.ends_with("é… (8195 bytes)"), "{recorded}");
        assert_eq!(replayed, "two");
    }
}
