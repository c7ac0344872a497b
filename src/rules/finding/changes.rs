//! The changes of a field: by JSON path where the field holds JSON, header by header, or as a whole.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Change;
use super::encodings::encoding_hint;
use super::redaction::{LONGEST_PAYLOAD, PREVIEW};
use crate::diff::payload::{Difference, json_difference};
use crate::journal::command::{FieldDifference, Header};
use crate::journal::{Command, CommandKind, FieldValue};
use crate::source::readable::{Payload, command_object};

/// The changes of one command.
#[derive(Default)]
pub(super) struct Changes {
    pub changes: Vec<Change>,
    /// Fields that hold the same JSON on both sides, written differently.
    pub in_notation: Vec<&'static str>,
    /// Hints that only the payloads themselves give, not their values.
    pub encodings: Vec<String>,
}

/// Adds the changes of one differing field.
pub(super) fn changes_of(difference: &FieldDifference<'_>, found: &mut Changes) {
    let name = difference.field.name;
    let headers = match (difference.recorded, difference.replayed) {
        (Some(FieldValue::Bytes(recorded)), Some(FieldValue::Bytes(replayed))) => {
            return payload_changes(name, recorded, replayed, found);
        }
        (Some(FieldValue::Headers(recorded)), Some(FieldValue::Headers(replayed))) => {
            header_changes(name, recorded, replayed)
        }
        _ => None,
    };
    if let Some(headers) = headers {
        found.changes.extend(headers);
        return;
    }
    let value = |value: Option<&FieldValue>| value.map(|value| value_of(difference, value));
    found.changes.push(Change {
        path: name.to_owned(),
        recorded: value(difference.recorded),
        replayed: value(difference.replayed),
        lines: None,
    });
}

fn payload_changes(name: &'static str, recorded: &[u8], replayed: &[u8], found: &mut Changes) {
    let before = found.changes.len();
    match json_difference(name, recorded, replayed, &mut found.changes) {
        Difference::Places => {
            for change in &mut found.changes[before..] {
                if let (Some(Value::String(recorded)), Some(Value::String(replayed))) =
                    (&change.recorded, &change.replayed)
                {
                    change.lines = line_diff(recorded, replayed);
                }
            }
            return;
        }
        Difference::Notation => found.in_notation.push(name),
        Difference::NotJson => found.encodings.extend(encoding_hint(name, recorded, replayed)),
    }
    let lines = match (std::str::from_utf8(recorded), std::str::from_utf8(replayed)) {
        (Ok(recorded), Ok(replayed)) => line_diff(recorded, replayed),
        _ => None,
    };
    let whole = |bytes: &[u8]| Some(bytes_value(bytes));
    found.changes.push(Change { path: name.to_owned(), recorded: whole(recorded), replayed: whole(replayed), lines });
}

fn value_of(difference: &FieldDifference<'_>, value: &FieldValue) -> Value {
    match value {
        FieldValue::Bytes(bytes) => bytes_value(bytes),
        FieldValue::Number(number) => (*number).into(),
        value => {
            let fields = vec![(difference.field, value.clone())];
            let single = Command { kind: CommandKind::Input, fields, complete: true };
            command_object(&single).into_iter().next_back().map(|(_, value)| value).unwrap_or_default()
        }
    }
}

/// The changes header by header; `None` where only the order or number of headers differs.
fn header_changes(name: &str, recorded: &[Header], replayed: &[Header]) -> Option<Vec<Change>> {
    let by_name = |headers: &[Header]| -> Option<BTreeMap<String, Value>> {
        let named: BTreeMap<String, Value> =
            headers.iter().map(|header| (header.key.clone(), header.value.as_str().into())).collect();
        (named.len() == headers.len()).then_some(named)
    };
    let (recorded, mut replayed) = (by_name(recorded)?, by_name(replayed)?);
    let mut changes = Vec::new();
    for (key, value) in recorded {
        let other = replayed.remove(&key);
        if other.as_ref() != Some(&value) {
            changes.push((key, Some(value), other));
        }
    }
    changes.extend(replayed.into_iter().map(|(key, value)| (key, None, Some(value))));
    let change = |(key, recorded, replayed): (String, _, _)| Change {
        path: format!("{name}.{key}"),
        recorded,
        replayed,
        lines: None,
    };
    (!changes.is_empty()).then(|| changes.into_iter().map(change).collect())
}

/// A payload as a JSON value. A JSON string stays in its notation, since two notations of one text must not look equal.
fn bytes_value(bytes: &[u8]) -> Value {
    match Payload::of(bytes) {
        Payload::Json(Value::String(_)) | Payload::Text(_) => String::from_utf8_lossy(bytes).into_owned().into(),
        Payload::Json(json) => json,
        Payload::Binary => {
            let shown = &bytes[..bytes.len().min(PREVIEW)];
            json!({ "base64": STANDARD.encode(shown), "bytes": bytes.len() })
        }
    }
}

/// Texts that are longer together are not compared line by line.
const LONGEST_LINE_DIFF: usize = 256 << 10;

/// A unified diff, where a text has several lines.
fn line_diff(recorded: &str, replayed: &str) -> Option<String> {
    let several = |text: &str| text.trim_end().contains('\n');
    if !(several(recorded) || several(replayed)) || recorded.len() + replayed.len() > LONGEST_LINE_DIFF {
        return None;
    }
    let diff = similar::TextDiff::configure().algorithm(similar::Algorithm::Myers).diff_lines(recorded, replayed);
    let mut lines = diff.unified_diff().context_radius(1).to_string();
    if lines.len() > LONGEST_PAYLOAD {
        let end = lines.floor_char_boundary(LONGEST_PAYLOAD);
        lines.truncate(end);
        lines.push_str("\n…");
    }
    Some(lines)
}
