//! From an alignment to findings: each divergence judged by one rule, with all that explains it.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use serde::Serialize;
use serde_json::{Map, Value};
use siphasher::sip::SipHasher13;

use super::{Level, Place, Rule, find, judge, notes};
use crate::diff::payload::{json_changes, same_json};
use crate::diff::{Alignment, Divergence, Row, Shape};
use crate::journal::command::{Command, Compared, FieldDifference, FieldKind, FieldValue, Header};
use crate::journal::describe;
use crate::source::readable::{Payload, command_object};

/// Why a finding came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Two replays of the candidate agree.
    CodeChange,
    /// Two replays of the candidate differ from each other.
    NonDeterminism,
    /// There was but one replay.
    Unknown,
}

/// A divergence judged by one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub rule: &'static str,
    pub level: Level,
    /// Where replay meets it, counting recorded commands from Input = 0.
    pub command_index: usize,
    /// The entry of the recorded command there.
    pub entry_index: Option<usize>,
    pub cause: Cause,
    pub recorded: Option<Map<String, Value>>,
    pub replayed: Option<Map<String, Value>>,
    pub changes: Vec<Change>,
    /// What the differing values look like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The same for the same cause, whatever the invocation.
    pub fingerprint: String,
    /// Why the policy lets it pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excuse: Option<Excuse>,
    /// The finding among its neighbours, for people.
    #[serde(skip)]
    pub context: Vec<ContextRow>,
    /// How many commands behind the context agree, up to the frontier.
    #[serde(skip)]
    pub agree_after: usize,
}

impl Finding {
    /// Whether an SDK gets stuck here, whatever a policy makes of it.
    pub fn stops_replay(&self) -> bool {
        find(self.rule).is_none_or(|rule| rule.level == Level::Error)
    }

    /// Whether it weighs at least this much and nothing lets it pass.
    pub fn weighs(&self, at_least: Level) -> bool {
        self.excuse.is_none() && self.level <= at_least
    }
}

/// What lets a finding pass although its level would not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Excuse {
    /// Someone looked at it and accepted it.
    Acceptance {
        reason: String,
        author: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<String>,
    },
    /// All that differs is at places that the policy ignores.
    IgnoredPlaces,
}

/// One differing place within a command.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// `parameter.qty`.
    pub path: String,
    pub recorded: Option<Value>,
    pub replayed: Option<Value>,
    /// For text of several lines: what differs, line by line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<String>,
}

/// One line of the two sides beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextRow {
    pub index: Option<usize>,
    pub recorded: Option<String>,
    pub replayed: Option<String>,
    /// Whether this row is the finding.
    pub differs: bool,
}

/// Whether payloads may be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redaction {
    #[default]
    Shown,
    Hidden,
}

/// What makes findings out of alignments.
#[derive(Clone, Copy, Debug)]
pub struct Findings<'a> {
    pub service: &'a str,
    pub handler: &'a str,
    pub redaction: Redaction,
    pub cause: Cause,
}

impl Findings<'_> {
    /// Errors in the order in which replay would meet them, then notes.
    pub fn of(&self, alignment: &Alignment<'_>) -> Vec<Finding> {
        let divergences = alignment.divergences();
        let agreeing = Agreeing::of(alignment);
        let mut findings: Vec<Finding> = divergences
            .iter()
            .map(|divergence| {
                let place = place(alignment, divergence);
                self.finding(judge(&place), &place, alignment, &agreeing, divergence)
            })
            .collect();
        for (at, row) in alignment.rows.iter().enumerate() {
            let (None, Some(recorded), Some(replayed)) = (row.shape, row.recorded, row.replayed) else { continue };
            if alignment.recorded.same_bytes(recorded, &alignment.replayed, replayed) {
                continue;
            }
            let divergence = Divergence {
                shape: Shape::Changed,
                command_index: recorded,
                recorded: Some(recorded),
                replayed: Some(replayed),
                row: at,
            };
            let place = place(alignment, &divergence);
            findings.extend(notes(&place).map(|rule| self.finding(rule, &place, alignment, &agreeing, &divergence)));
        }
        findings
    }

    fn finding(
        &self,
        rule: &'static Rule,
        place: &Place<'_>,
        alignment: &Alignment<'_>,
        agreeing: &Agreeing,
        divergence: &Divergence,
    ) -> Finding {
        let changes: Vec<Change> = place
            .differences
            .iter()
            .filter(|difference| match rule.level {
                Level::Note => difference.field.compared == Compared::Timing,
                // Completion ids shift behind whatever was added or removed; alone they are the finding.
                Level::Error | Level::Warn | Level::Off => {
                    difference.field.compared == Compared::Always
                        || (difference.field.compared == Compared::CompletionId && by_id_alone(place))
                }
            })
            .flat_map(|difference| changes_of(difference))
            .collect();
        let hints = hints(place, &changes);
        let fingerprint = self.fingerprint(rule, place, &changes);
        let context = context(alignment, divergence);
        Finding {
            rule: rule.id,
            level: rule.level,
            command_index: divergence.command_index,
            entry_index: alignment.recorded.entry_index(divergence.command_index),
            cause: if rule.level == Level::Note { Cause::Unknown } else { self.cause },
            recorded: place.recorded.map(|command| self.object(command)),
            replayed: place.replayed.map(|command| self.object(command)),
            changes: changes.into_iter().map(|change| self.shown(change)).collect(),
            hints,
            fingerprint,
            agree_after: agreeing.behind(divergence.row + CONTEXT + 1),
            excuse: None,
            context,
        }
    }

    /// What a deployment's manifest tells: no command differs, something that all of them need does.
    pub fn of_deployment(&self, rule: &'static Rule, path: &str, recorded: &str, replayed: Option<&str>) -> Finding {
        let value = |text: &str| Value::from(text);
        let change = Change {
            path: path.to_owned(),
            recorded: Some(value(recorded)),
            replayed: replayed.map(value),
            lines: None,
        };
        let mut hasher = SipHasher13::new();
        (rule.id, self.service, self.handler).hash(&mut hasher);
        Finding {
            rule: rule.id,
            level: rule.level,
            command_index: 0,
            entry_index: Some(0),
            cause: self.cause,
            recorded: None,
            replayed: None,
            changes: vec![self.shown(change)],
            hints: Vec::new(),
            fingerprint: format!("{:012x}", hasher.finish() & 0xFFFF_FFFF_FFFF),
            excuse: None,
            context: Vec::new(),
            agree_after: 0,
        }
    }

    fn object(&self, command: &Command) -> Map<String, Value> {
        let mut shown = command.clone();
        let mut sizes = Vec::new();
        for (field, value) in &mut shown.fields {
            let FieldValue::Bytes(bytes) = value else { continue };
            if field.kind == FieldKind::Key {
                continue;
            }
            let size = bytes.len();
            if self.redaction == Redaction::Hidden {
                *bytes = Vec::new();
                sizes.push((field.name, size, String::new()));
            } else if size > LONGEST_PAYLOAD {
                let preview = String::from_utf8_lossy(&bytes[..PREVIEW]).into_owned();
                *bytes = Vec::new();
                sizes.push((field.name, size, preview));
            }
        }
        let mut object = command_object(&shown);
        for (name, size, preview) in sizes {
            object.shift_remove(&format!("{name}_text"));
            if self.redaction == Redaction::Hidden {
                object.insert(name.to_owned(), redacted(size));
            } else {
                object.insert(format!("{name}_begins"), preview.into());
                object.insert(format!("{name}_bytes"), size.into());
            }
        }
        if self.redaction == Redaction::Hidden {
            for name in ["headers", "failure", "completion_failure"] {
                if let Some(value) = object.get_mut(name) {
                    *value = redacted(value.to_string().len());
                }
            }
        }
        object
    }

    fn shown(&self, mut change: Change) -> Change {
        let hidden = self.redaction == Redaction::Hidden && !is_structural(&change.path);
        for value in [&mut change.recorded, &mut change.replayed].into_iter().flatten() {
            if hidden {
                *value = redacted(value.to_string().len());
            } else {
                shorten(value);
            }
        }
        if hidden {
            change.lines = None;
        }
        change
    }

    /// Of what does not depend on the invocation: the rule, the step on both sides, the paths.
    fn fingerprint(&self, rule: &Rule, place: &Place<'_>, changes: &[Change]) -> String {
        let mut hasher = SipHasher13::new();
        (rule.id, self.service, self.handler).hash(&mut hasher);
        for command in [place.recorded, place.replayed] {
            command
                .map(|command| (command.kind.modulo_eager().name(), fold_volatile(step_name(command))))
                .hash(&mut hasher);
        }
        for change in changes {
            fold_indexes(&change.path).hash(&mut hasher);
        }
        format!("{:012x}", hasher.finish() & 0xFFFF_FFFF_FFFF)
    }
}

fn place<'a>(alignment: &'a Alignment<'_>, divergence: &Divergence) -> Place<'a> {
    let recorded = divergence.recorded.map(|at| &alignment.recorded[at]);
    let replayed = divergence.replayed.map(|at| &alignment.replayed[at]);
    let differences = match (recorded, replayed, divergence.shape) {
        (Some(recorded), Some(replayed), Shape::Changed) => recorded.differences(replayed),
        _ => Vec::new(),
    };
    Place { shape: divergence.shape, recorded, replayed, differences }
}

fn by_id_alone(place: &Place<'_>) -> bool {
    place.differences.iter().all(|difference| difference.field.compared != Compared::Always)
}

fn changes_of(difference: &FieldDifference<'_>) -> Vec<Change> {
    let name = difference.field.name;
    if let (Some(FieldValue::Bytes(recorded)), Some(FieldValue::Bytes(replayed))) =
        (difference.recorded, difference.replayed)
    {
        if let Some(changes) = json_changes(recorded, replayed) {
            let within = |path: &str| match path {
                "" => name.to_owned(),
                path if path.starts_with('[') => format!("{name}{path}"),
                path => format!("{name}.{path}"),
            };
            return changes
                .into_iter()
                .map(|change| {
                    let lines = match (&change.recorded, &change.replayed) {
                        (Some(Value::String(recorded)), Some(Value::String(replayed))) => line_diff(recorded, replayed),
                        _ => None,
                    };
                    Change { path: within(&change.path), recorded: change.recorded, replayed: change.replayed, lines }
                })
                .collect();
        }
        let lines = match (std::str::from_utf8(recorded), std::str::from_utf8(replayed)) {
            (Ok(recorded), Ok(replayed)) => line_diff(recorded, replayed),
            _ => None,
        };
        let whole = |bytes: &[u8]| Some(bytes_value(bytes));
        return vec![Change { path: name.to_owned(), recorded: whole(recorded), replayed: whole(replayed), lines }];
    }
    if let (Some(FieldValue::Headers(recorded)), Some(FieldValue::Headers(replayed))) =
        (difference.recorded, difference.replayed)
        && let Some(changes) = header_changes(name, recorded, replayed)
    {
        return changes;
    }
    let value = |value: Option<&FieldValue>| {
        value.map(|value| match value {
            FieldValue::Bytes(bytes) => bytes_value(bytes),
            value => {
                let single = Command {
                    kind: crate::journal::CommandKind::Input,
                    fields: vec![(difference.field, value.clone())],
                    complete: true,
                };
                command_object(&single).into_iter().next_back().map(|(_, value)| value).unwrap_or_default()
            }
        })
    };
    vec![Change {
        path: name.to_owned(),
        recorded: value(difference.recorded),
        replayed: value(difference.replayed),
        lines: None,
    }]
}

/// Headers one by one, unless it is their order or number that differs.
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

/// Bytes as text, be they JSON or not: two notations of the same JSON must not look the same.
fn bytes_value(bytes: &[u8]) -> Value {
    match Payload::of(bytes) {
        Payload::Json(Value::String(_)) | Payload::Text(_) => String::from_utf8_lossy(bytes).into_owned().into(),
        Payload::Json(json) => json,
        Payload::Binary => {
            use base64::Engine as _;
            let shown = &bytes[..bytes.len().min(PREVIEW)];
            serde_json::json!({ "base64": base64::engine::general_purpose::STANDARD.encode(shown), "bytes": bytes.len() })
        }
    }
}

/// Longer payloads are shown by their beginning.
const LONGEST_PAYLOAD: usize = 4 << 10;
const PREVIEW: usize = 512;

/// Longer texts are not compared by line.
const LONGEST_LINE_DIFF: usize = 256 << 10;

/// What differs between two texts of several lines.
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

fn shorten(value: &mut Value) {
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    };
    if text.len() > LONGEST_PAYLOAD {
        *value = format!("{}… ({} bytes)", &text[..text.floor_char_boundary(PREVIEW)], text.len()).into();
    }
}

fn redacted(size: usize) -> Value {
    format!("(redacted, {size} bytes)").into()
}

/// Paths that are no payload: what a command is on is needed to understand a finding at all.
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

fn step_name(command: &Command) -> String {
    let names = ["name", "key", "service_name", "handler_name", "signal_name"];
    names.iter().filter_map(|name| command.text(name)).collect::<Vec<_>>().join("\0")
}

/// Runs of digits, and of hexadecimal that holds one, tell an instance, not a kind: they become `#`.
fn fold_volatile(text: String) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let (word, end) = match word.char_indices().next_back() {
            Some((at, c)) if !c.is_ascii_alphanumeric() => word.split_at(at),
            _ => (word, ""),
        };
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let volatile = !word.is_empty() && (digits == word.len() || (digits > 0 && word.len() >= 8));
        folded.push_str(if volatile { "#" } else { word });
        folded.push_str(end);
    }
    folded
}

/// `items[3].n` and `items[4].n` are the same place.
fn fold_indexes(path: &str) -> String {
    let mut folded = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            digit if inside && digit.is_ascii_digit() => continue,
            _ => {}
        }
        folded.push(c);
    }
    folded
}

/// What differing values look like.
fn hints(place: &Place<'_>, changes: &[Change]) -> Vec<String> {
    let mut hints = Vec::new();
    for difference in &place.differences {
        if let (Some(FieldValue::Bytes(recorded)), Some(FieldValue::Bytes(replayed))) =
            (difference.recorded, difference.replayed)
            && same_json(recorded, replayed)
        {
            hints.push(format!(
                "{} is the same JSON in another notation (key order or spaces): pin the serialiser",
                difference.field.name
            ));
        }
    }
    for change in changes {
        let (Some(recorded), Some(replayed)) = (&change.recorded, &change.replayed) else { continue };
        let both = |looks: fn(&Value) -> bool| looks(recorded) && looks(replayed);
        if both(is_uuid) {
            hints.push(format!("{} looks like a uuid: take it from ctx.rand, or inside ctx.run", change.path));
        } else if !matches!(change.path.as_str(), "wake_up_time" | "invoke_time") && both(is_timestamp) {
            hints.push(format!("{} looks like a timestamp: take it inside ctx.run", change.path));
        }
    }
    hints.dedup();
    hints
}

fn is_uuid(value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// Seconds or milliseconds since 1970 in this century, or an ISO 8601 date and time.
fn is_timestamp(value: &Value) -> bool {
    if let Some(number) = value.as_f64() {
        return (1.0e9..4.2e9).contains(&number) || (1.0e12..4.2e12).contains(&number);
    }
    let Some(text) = value.as_str() else { return false };
    let bytes = text.as_bytes();
    bytes.len() >= 19
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && (bytes[4], bytes[7]) == (b'-', b'-')
        && matches!(bytes[10], b'T' | b' ')
        && bytes[13] == b':'
}

/// Neighbours shown above and below a finding.
const CONTEXT: usize = 2;

/// By row: how many agree from there to the end.
struct Agreeing(Vec<usize>);

impl Agreeing {
    fn of(alignment: &Alignment<'_>) -> Self {
        let mut agree = 0;
        let count = |row: &Row| {
            agree += usize::from(row.shape.is_none());
            agree
        };
        let mut behind: Vec<usize> = alignment.rows.iter().rev().map(count).collect();
        behind.reverse();
        Self(behind)
    }

    fn behind(&self, row: usize) -> usize {
        self.0.get(row).copied().unwrap_or(0)
    }
}

fn context(alignment: &Alignment<'_>, divergence: &Divergence) -> Vec<ContextRow> {
    let rows = &alignment.rows;
    let from = divergence.row.saturating_sub(CONTEXT);
    let to = (divergence.row + CONTEXT + 1).min(rows.len());
    (from..to)
        .map(|at| {
            let row = &rows[at];
            let awaited = (row.shape == Some(Shape::Awaited)).then(|| describe_await(alignment));
            ContextRow {
                index: row.recorded,
                recorded: row.recorded.map(|at| describe(&alignment.recorded[at])),
                replayed: row.replayed.map(|at| describe(&alignment.replayed[at])).or(awaited),
                differs: at == divergence.row,
            }
        })
        .collect()
}

pub(super) fn describe_await(alignment: &Alignment<'_>) -> String {
    let Some(added) = &alignment.added_await else { return "await".to_owned() };
    if let Some(run) = added.run.and_then(|at| alignment.recorded.get(at)) {
        let index = added.run.unwrap_or_default();
        return format!("await {} (command {index})", describe(run));
    }
    let awaited = &added.awaited;
    let completions = awaited.completions.iter().map(|id| format!("completion {id}"));
    let signals = awaited.signals.iter().map(|id| format!("signal {id}"));
    let named = awaited.named_signals.iter().map(|name| format!("signal {name:?}"));
    format!("await {}", completions.chain(signals).chain(named).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_fold_into_kinds() {
        assert_eq!(fold_volatile("cart-12345".to_owned()), "cart-#");
        assert_eq!(fold_volatile("item 7 of 9f86d081884c".to_owned()), "item # of #");
        assert_eq!(fold_volatile("price".to_owned()), "price");
        assert_eq!(fold_indexes("items[12].n"), "items[].n");
    }

    #[test]
    fn values_are_recognised() {
        assert!(is_uuid(&"2d2b0a5e-3c0f-4f6b-9a56-7f1f6c1a2b3c".into()));
        assert!(!is_uuid(&"2d2b0a5e".into()));
        assert!(is_timestamp(&1_763_812_345_678_u64.into()) && is_timestamp(&"2026-11-22T12:00:00Z".into()));
        assert!(!is_timestamp(&42.into()) && !is_timestamp(&"yesterday".into()));
    }
}
