//! A command: one operation that a handler asked for, with the one table of each command's fields.
//!
//! The table gives each field's protobuf tag and type, and whether replay compares it. Decoding, encoding, equality,
//! differences and display all use [`fields`], so they cannot drift apart. Which fields are compared follows the SDKs'
//! own replay machine, and `tests/it/oracle` checks it against that machine.

use std::borrow::Cow;

use super::CommandKind;

/// One field of a command's message.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    pub tag: u32,
    /// The name in the published protocol and in the readable form.
    pub name: &'static str,
    pub kind: FieldKind,
    pub compared: Compared,
    /// Fields that exclude each other share a number; 0 for a field that excludes no other.
    pub oneof: u8,
}

/// How a field is encoded, and when it counts as present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Absent when empty.
    Text,
    /// Present even when empty.
    OptionalText,
    /// A state key: bytes, which are almost always text. Absent when empty.
    Key,
    /// Payload bytes directly in the field. Absent when empty.
    Payload,
    /// Payload bytes inside a `Value` message. Present even when empty.
    Value,
    Void,
    Failure,
    /// Absent when zero.
    Number,
    /// Present even when zero.
    OptionalNumber,
    Headers,
    StateKeys,
    IdempotentRequest,
    Workflow,
}

/// Whether replay compares a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    Always,
    /// Compared. SDKs assign these ids in order, so one differs only where an earlier command was added or removed.
    CompletionId,
    /// Not compared; a change gives a note.
    Timing,
    Never,
}

const fn field(tag: u32, name: &'static str, kind: FieldKind, compared: Compared) -> Field {
    Field { tag, name, kind, compared, oneof: 0 }
}

const fn one_of(oneof: u8, tag: u32, name: &'static str, kind: FieldKind, compared: Compared) -> Field {
    Field { tag, name, kind, compared, oneof }
}

use Compared::{Always, CompletionId, Never, Timing};
use FieldKind::*;

const NAME: Field = field(12, "name", Text, Always);
const RESULT_ID: Field = field(11, "result_completion_id", Number, CompletionId);
const CALL_ID: Field = field(10, "invocation_id_notification_idx", Number, CompletionId);
const STATE_KEY: Field = field(1, "key", Key, Always);
const PROMISE_KEY: Field = field(1, "key", Text, Always);

const INVOCATION_TARGET: [Field; 5] = [
    one_of(1, 1, "invocation_id", OptionalText, Always),
    one_of(1, 3, "idempotent_request_target", IdempotentRequest, Always),
    one_of(1, 4, "workflow_target", Workflow, Always),
    RESULT_ID,
    NAME,
];

/// The fields of a command's message, in tag order.
pub const fn fields(kind: CommandKind) -> &'static [Field] {
    match kind {
        CommandKind::Input => {
            const { &[field(1, "headers", Headers, Never), field(12, "name", Text, Never), field(14, "value", Value, Never)] }
        }
        CommandKind::Output => {
            const { &[NAME, one_of(1, 14, "value", Value, Always), one_of(1, 15, "failure", Failure, Always)] }
        }
        CommandKind::GetLazyState => const { &[STATE_KEY, RESULT_ID, NAME] },
        CommandKind::SetState => const { &[STATE_KEY, field(3, "value", Value, Always), NAME] },
        CommandKind::ClearState => const { &[STATE_KEY, NAME] },
        CommandKind::ClearAllState => const { &[NAME] },
        CommandKind::GetLazyStateKeys => const { &[RESULT_ID, NAME] },
        // Replay does not compare the value that was read, but the value has to be there: the SDKs' machine gives 571
        // for an eager read that was recorded without one.
        CommandKind::GetEagerState => {
            const { &[STATE_KEY, NAME, one_of(1, 13, "void", Void, Never), one_of(1, 14, "value", Value, Never)] }
        }
        CommandKind::GetEagerStateKeys => const { &[NAME, field(14, "value", StateKeys, Never)] },
        CommandKind::GetPromise | CommandKind::PeekPromise => const { &[PROMISE_KEY, RESULT_ID, NAME] },
        CommandKind::CompletePromise => {
            const {
                &[
                    PROMISE_KEY,
                    one_of(1, 2, "completion_value", Value, Always),
                    one_of(1, 3, "completion_failure", Failure, Always),
                    RESULT_ID,
                    NAME,
                ]
            }
        }
        CommandKind::Sleep => {
            const { &[field(1, "wake_up_time", Number, Timing), field(11, "result_completion_id", Number, Never), NAME] }
        }
        CommandKind::Call => {
            const {
                &[
                    field(1, "service_name", Text, Always),
                    field(2, "handler_name", Text, Always),
                    field(3, "parameter", Payload, Always),
                    field(4, "headers", Headers, Always),
                    field(5, "key", Text, Always),
                    field(6, "idempotency_key", OptionalText, Always),
                    field(7, "scope", OptionalText, Always),
                    field(8, "limit_key", OptionalText, Always),
                    CALL_ID,
                    RESULT_ID,
                    NAME,
                ]
            }
        }
        CommandKind::OneWayCall => {
            const {
                &[
                    field(1, "service_name", Text, Always),
                    field(2, "handler_name", Text, Always),
                    field(3, "parameter", Payload, Always),
                    field(4, "invoke_time", Number, Timing),
                    field(5, "headers", Headers, Always),
                    field(6, "key", Text, Always),
                    field(7, "idempotency_key", OptionalText, Always),
                    field(8, "scope", OptionalText, Always),
                    field(9, "limit_key", OptionalText, Always),
                    CALL_ID,
                    NAME,
                ]
            }
        }
        CommandKind::SendSignal => {
            const {
                &[
                    field(1, "target_invocation_id", Text, Always),
                    one_of(1, 2, "idx", OptionalNumber, Always),
                    one_of(1, 3, "signal_name", OptionalText, Always),
                    one_of(2, 4, "void", Void, Always),
                    one_of(2, 5, "value", Value, Always),
                    one_of(2, 6, "failure", Failure, Always),
                    NAME,
                ]
            }
        }
        CommandKind::Run => const { &[RESULT_ID, NAME] },
        CommandKind::AttachInvocation | CommandKind::GetInvocationOutput => &INVOCATION_TARGET,
        CommandKind::CompleteAwakeable => {
            const {
                &[
                    field(1, "awakeable_id", Text, Always),
                    one_of(1, 2, "value", Value, Always),
                    one_of(1, 3, "failure", Failure, Always),
                    NAME,
                ]
            }
        }
    }
}

/// The field of a command's message that has this tag.
#[inline]
pub fn field_at(kind: CommandKind, tag: u64) -> Option<&'static Field> {
    /// All kinds and tags are below this.
    const LIMIT: usize = 32;
    static TABLES: [&[Field]; LIMIT] = {
        let mut tables = [&[] as &[Field]; LIMIT];
        let mut at = 0;
        while at < CommandKind::ALL.len() {
            tables[CommandKind::ALL[at] as usize] = fields(CommandKind::ALL[at]);
            at += 1;
        }
        tables
    };
    /// By kind and tag: the field's place in its table, or `u8::MAX` for an unknown tag.
    static PLACES: [[u8; LIMIT]; LIMIT] = {
        let mut places = [[u8::MAX; LIMIT]; LIMIT];
        let mut table = 0;
        while table < LIMIT {
            let mut at = 0;
            while at < TABLES[table].len() {
                places[table][TABLES[table][at].tag as usize] = at as u8;
                at += 1;
            }
            table += 1;
        }
        places
    };
    let place = PLACES[kind as usize].get(usize::try_from(tag).ok()?)?;
    TABLES[kind as usize].get(usize::from(*place))
}

/// The tag of the command's time field, which replay does not compare; `None` for a command without one.
pub const fn time_tag(kind: CommandKind) -> Option<u32> {
    match kind {
        CommandKind::Sleep => Some(1),
        CommandKind::OneWayCall => Some(4),
        _ => None,
    }
}

/// A field's value. Texts and payloads borrow from the journal. The field's [`FieldKind`] decides the variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    Text(Cow<'a, str>),
    /// State keys and payloads.
    Bytes(Cow<'a, [u8]>),
    Number(u64),
    Void,
    Failure(Box<FailureMessage>),
    Headers(Vec<Header>),
    StateKeys(StateKeyList),
    IdempotentRequest(Box<IdempotentRequestTarget>),
    Workflow(Box<WorkflowTarget>),
}

#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FailureMessage {
    #[prost(uint32, tag = "1")]
    pub code: u32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<Header>,
}

/// A key with its value: one header, or one item of a failure's metadata.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Header {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StateKeyList {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub keys: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdempotentRequestTarget {
    #[prost(string, tag = "1")]
    pub service_name: String,
    #[prost(string, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_key: Option<String>,
    #[prost(string, tag = "3")]
    pub handler_name: String,
    #[prost(string, tag = "4")]
    pub idempotency_key: String,
    #[prost(string, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkflowTarget {
    #[prost(string, tag = "1")]
    pub workflow_name: String,
    #[prost(string, tag = "2")]
    pub workflow_key: String,
    #[prost(string, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// A command with its fields decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    pub kind: CommandKind,
    /// The fields that are present, with their values, in the table's order.
    pub fields: Vec<(&'static Field, FieldValue<'a>)>,
    /// Whether a field that is not in `fields` is known to be absent. In a hand-written trace it may just have been
    /// left out, so it is not compared.
    pub complete: bool,
}

impl FieldValue<'_> {
    fn into_owned(self) -> FieldValue<'static> {
        match self {
            Self::Text(text) => FieldValue::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => FieldValue::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Number(number) => FieldValue::Number(number),
            Self::Void => FieldValue::Void,
            Self::Failure(failure) => FieldValue::Failure(failure),
            Self::Headers(headers) => FieldValue::Headers(headers),
            Self::StateKeys(keys) => FieldValue::StateKeys(keys),
            Self::IdempotentRequest(target) => FieldValue::IdempotentRequest(target),
            Self::Workflow(target) => FieldValue::Workflow(target),
        }
    }
}

/// A field that differs between two commands. `None` stands for an absent field.
#[derive(Clone, Copy, Debug)]
pub struct FieldDifference<'a> {
    pub field: &'static Field,
    pub recorded: Option<&'a FieldValue<'a>>,
    pub replayed: Option<&'a FieldValue<'a>>,
}

impl<'a> Command<'a> {
    fn value(&self, tag: u32) -> Option<&FieldValue<'a>> {
        self.fields.iter().find(|(field, _)| field.tag == tag).map(|(_, value)| value)
    }

    /// Copies everything that is borrowed from a journal.
    pub fn into_owned(self) -> Command<'static> {
        let owned = |(field, value): (_, FieldValue<'_>)| (field, value.into_owned());
        Command { kind: self.kind, fields: self.fields.into_iter().map(owned).collect(), complete: self.complete }
    }

    /// The value of a field; `None` where it is absent.
    pub fn get(&self, name: &str) -> Option<&FieldValue<'a>> {
        self.fields.iter().find(|(field, _)| field.name == name).map(|(_, value)| value)
    }

    /// The value of a field as text; `None` where it is absent, of another type, or not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            FieldValue::Text(text) => Some(text),
            FieldValue::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The value of a number field; `None` where it is absent or of another type.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            FieldValue::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The fields that differ between two commands of one kind, including those that replay does not compare.
    ///
    /// Eager and lazy reads count as one kind; fields that only one of the two has are skipped. So are fields that an
    /// incomplete `replayed` leaves out.
    pub fn differences(&'a self, replayed: &'a Self) -> Vec<FieldDifference<'a>> {
        debug_assert_eq!(self.kind.modulo_eager(), replayed.kind.modulo_eager());
        let theirs = fields(replayed.kind);
        fields(self.kind)
            .iter()
            .filter(|field| {
                self.kind == replayed.kind
                    || theirs.iter().any(|other| other.name == field.name && other.tag == field.tag)
            })
            .filter_map(|field| {
                let difference =
                    FieldDifference { field, recorded: self.value(field.tag), replayed: replayed.value(field.tag) };
                let left_out = !replayed.complete && replayed.leaves_out(field);
                (!left_out && !difference.is_same(replayed.complete)).then_some(difference)
            })
            .collect()
    }

    /// Whether an incomplete command has neither this field nor one that would exclude it.
    pub fn leaves_out(&self, field: &Field) -> bool {
        !self.fields.iter().any(|(own, _)| own.name == field.name || (field.oneof != 0 && own.oneof == field.oneof))
    }
}

impl FieldDifference<'_> {
    /// Unless `exact`, payloads compare as JSON: in hand-written payloads, spaces and key order mean nothing.
    fn is_same(&self, exact: bool) -> bool {
        if self.recorded == self.replayed {
            return true;
        }
        match (self.recorded, self.replayed) {
            (Some(FieldValue::Bytes(recorded)), Some(FieldValue::Bytes(replayed))) if !exact => {
                let parse = |payload: &[u8]| serde_json::from_slice::<serde_json::Value>(payload);
                match (parse(recorded), parse(replayed)) {
                    (Ok(recorded), Ok(replayed)) => recorded == replayed,
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_one_time_at_most() {
        for kind in CommandKind::ALL {
            let times: Vec<u32> =
                fields(*kind).iter().filter(|field| field.compared == Timing).map(|field| field.tag).collect();
            assert_eq!(times, time_tag(*kind).into_iter().collect::<Vec<_>>(), "{kind:?}");
        }
    }

    #[test]
    fn a_field_is_found_by_its_tag() {
        for kind in CommandKind::ALL {
            for tag in 0..100 {
                let found = fields(*kind).iter().find(|field| u64::from(field.tag) == tag);
                assert_eq!(field_at(*kind, tag), found, "{kind:?} {tag}");
            }
            assert_eq!(field_at(*kind, 1 << 32 | 12), None);
        }
    }

    #[test]
    fn tags_ascend_and_names_are_unique() {
        for kind in CommandKind::ALL {
            let tags: Vec<_> = fields(*kind).iter().map(|field| field.tag).collect();
            assert!(tags.is_sorted_by(|a, b| a < b), "{kind:?}: {tags:?}");
            let mut names: Vec<_> = fields(*kind).iter().map(|field| field.name).collect();
            names.sort_unstable();
            assert!(names.is_sorted_by(|a, b| a < b), "{kind:?}: {names:?}");
        }
    }
}
