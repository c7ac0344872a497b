//! A command's message: decoding its bytes into the fields of the table, and encoding them again.

use std::borrow::Cow;

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};

use crate::journal::CommandKind;
use crate::journal::command::{
    Command, FailureMessage, Field, FieldKind, FieldValue, Header, IdempotentRequestTarget, StateKeyList,
    WorkflowTarget, field_at, fields,
};

/// Why an entry's `raw` cannot be decoded as the message that its `entry_type` names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("could not decode {entry}: {reason}")]
    Malformed { entry: String, reason: String },
    #[error("could not decode {entry}: field {field} is not UTF-8")]
    NotUtf8 { entry: String, field: &'static str },
    #[error("could not decode {entry}: field {field} has wire type {found:?}")]
    WireType { entry: String, field: &'static str, found: WireType },
}

/// Room is reserved for this many fields; few commands have more.
const RESERVED_FIELDS: usize = 6;

/// Decodes a command's `raw`.
pub fn decode(kind: CommandKind, raw: &[u8]) -> Result<Command<'_>, DecodeError> {
    let malformed = |error: prost::DecodeError| DecodeError::Malformed {
        entry: format!("Command: {}", kind.name()),
        reason: error.to_string(),
    };
    let table = fields(kind);
    let mut found: Vec<(&'static Field, FieldValue<'_>)> = Vec::with_capacity(table.len().min(RESERVED_FIELDS));
    let mut rest = raw;
    while !rest.is_empty() {
        let (tag, wire) = decode_key(&mut rest).map_err(malformed)?;
        let Some(field) = field_at(kind, tag.into()) else {
            skip_field(wire, tag, &mut rest, DecodeContext::default()).map_err(malformed)?;
            continue;
        };
        if wire != wire_type(field.kind) {
            return Err(DecodeError::WireType {
                entry: format!("Command: {}", kind.name()),
                field: field.name,
                found: wire,
            });
        }
        // Fields almost always come in the order of the table.
        let is_next = found.last().is_none_or(|(last, _)| last.tag < tag);
        let value = if wire == WireType::Varint {
            let number = decode_varint(&mut rest).map_err(malformed)?;
            // Times have 64 bits, all other numbers 32; protobuf drops the higher bits.
            let number =
                if field.compared == crate::journal::Compared::Timing { number } else { u64::from(number as u32) };
            FieldValue::Number(number)
        } else {
            let bytes = delimited(&mut rest).map_err(malformed)?;
            let earlier = if is_next { None } else { found.iter().position(|(own, _)| own.tag == tag) };
            let before = earlier.map(|at| found.remove(at).1);
            value_of(field, bytes, before).map_err(|error| match error {
                FieldError::Malformed(error) => malformed(error),
                FieldError::NotUtf8 => {
                    DecodeError::NotUtf8 { entry: format!("Command: {}", kind.name()), field: field.name }
                }
            })?
        };
        if !is_next || field.oneof != 0 {
            found.retain(|(own, _)| own.tag != tag && (own.oneof == 0 || own.oneof != field.oneof));
        }
        if is_next {
            found.push((field, value));
        } else {
            found.insert(found.partition_point(|(own, _)| own.tag < tag), (field, value));
        }
    }
    found.retain(|(field, value)| !is_default(field.kind, value));
    Ok(Command { kind, fields: found, complete: true })
}

/// Decodes a command's `raw`. A command that cannot be decoded gets no fields.
pub fn decode_or_bare(kind: CommandKind, raw: &[u8]) -> Command<'_> {
    decode(kind, raw).unwrap_or(Command { kind, fields: Vec::new(), complete: true })
}

/// Encodes a command's fields; absent fields are left out.
pub fn encode(command: &Command<'_>) -> Vec<u8> {
    let mut raw = Vec::new();
    for (field, value) in &command.fields {
        match value {
            FieldValue::Number(number) => {
                encode_key(field.tag, WireType::Varint, &mut raw);
                encode_varint(*number, &mut raw);
            }
            FieldValue::Text(text) => put(field.tag, text.as_bytes(), &mut raw),
            FieldValue::Bytes(bytes) if field.kind == FieldKind::Value => {
                let mut value = Vec::with_capacity(bytes.len() + 6);
                if !bytes.is_empty() {
                    put(1, bytes, &mut value);
                }
                put(field.tag, &value, &mut raw);
            }
            FieldValue::Bytes(bytes) => put(field.tag, bytes, &mut raw),
            FieldValue::Void => put(field.tag, &[], &mut raw),
            FieldValue::Failure(failure) => put(field.tag, &failure.encode_to_vec(), &mut raw),
            FieldValue::Headers(headers) => {
                for header in headers {
                    put(field.tag, &header.encode_to_vec(), &mut raw);
                }
            }
            FieldValue::StateKeys(keys) => put(field.tag, &keys.encode_to_vec(), &mut raw),
            FieldValue::IdempotentRequest(target) => put(field.tag, &target.encode_to_vec(), &mut raw),
            FieldValue::Workflow(target) => put(field.tag, &target.encode_to_vec(), &mut raw),
        }
    }
    raw
}

fn put(tag: u32, bytes: &[u8], raw: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, raw);
    encode_varint(bytes.len() as u64, raw);
    raw.extend_from_slice(bytes);
}

/// Takes the bytes of a length-delimited field.
pub(super) fn delimited<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], prost::DecodeError> {
    let length = decode_varint(rest)?;
    match usize::try_from(length).ok().filter(|length| *length <= rest.len()) {
        Some(length) => {
            let (bytes, after) = rest.split_at(length);
            *rest = after;
            Ok(bytes)
        }
        None => Err(overrun()),
    }
}

/// The error that prost itself gives for a length beyond the end of the message.
fn overrun() -> prost::DecodeError {
    prost::encoding::decode_varint(&mut &[0x80u8][..]).expect_err("a lone continuation byte is not a varint")
}

pub(super) fn wire_type(kind: FieldKind) -> WireType {
    match kind {
        FieldKind::Number | FieldKind::OptionalNumber => WireType::Varint,
        _ => WireType::LengthDelimited,
    }
}

/// Why one field cannot be decoded.
enum FieldError {
    Malformed(prost::DecodeError),
    NotUtf8,
}

impl From<prost::DecodeError> for FieldError {
    fn from(error: prost::DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// The value of a field after one more occurrence of it. `before` is its value so far: messages merge, and lists grow.
fn value_of<'a>(field: &Field, bytes: &'a [u8], before: Option<FieldValue<'a>>) -> Result<FieldValue<'a>, FieldError> {
    Ok(match field.kind {
        FieldKind::Text | FieldKind::OptionalText => {
            FieldValue::Text(std::str::from_utf8(bytes).map_err(|_| FieldError::NotUtf8)?.into())
        }
        FieldKind::Key | FieldKind::Payload => FieldValue::Bytes(bytes.into()),
        FieldKind::Value => {
            let before = match before {
                Some(FieldValue::Bytes(before)) => before,
                _ => Cow::default(),
            };
            FieldValue::Bytes(value_content(bytes)?.map_or(before, Cow::Borrowed))
        }
        FieldKind::Void => FieldValue::Void,
        FieldKind::Failure => {
            let mut failure = match before {
                Some(FieldValue::Failure(before)) => before,
                _ => Box::<FailureMessage>::default(),
            };
            failure.merge(bytes)?;
            FieldValue::Failure(failure)
        }
        FieldKind::Headers => {
            let mut headers = match before {
                Some(FieldValue::Headers(before)) => before,
                _ => Vec::new(),
            };
            headers.push(Header::decode(bytes)?);
            FieldValue::Headers(headers)
        }
        FieldKind::StateKeys => {
            let mut keys = match before {
                Some(FieldValue::StateKeys(before)) => before,
                _ => StateKeyList::default(),
            };
            keys.merge(bytes)?;
            FieldValue::StateKeys(keys)
        }
        FieldKind::IdempotentRequest => {
            let mut target = match before {
                Some(FieldValue::IdempotentRequest(before)) => before,
                _ => Box::<IdempotentRequestTarget>::default(),
            };
            target.merge(bytes)?;
            FieldValue::IdempotentRequest(target)
        }
        FieldKind::Workflow => {
            let mut target = match before {
                Some(FieldValue::Workflow(before)) => before,
                _ => Box::<WorkflowTarget>::default(),
            };
            target.merge(bytes)?;
            FieldValue::Workflow(target)
        }
        FieldKind::Number | FieldKind::OptionalNumber => unreachable!("the caller decodes numbers, which are varints"),
    })
}

/// The field `content` of a `Value` message, if the message has it.
pub(super) fn value_content(mut message: &[u8]) -> Result<Option<&[u8]>, prost::DecodeError> {
    let mut content = None;
    while !message.is_empty() {
        match decode_key(&mut message)? {
            (1, WireType::LengthDelimited) => content = Some(delimited(&mut message)?),
            (tag, wire) => skip_field(wire, tag, &mut message, DecodeContext::default())?,
        }
    }
    Ok(content)
}

/// Whether a value is its type's default, which proto3 does not distinguish from an absent field.
fn is_default(kind: FieldKind, value: &FieldValue<'_>) -> bool {
    match (kind, value) {
        (FieldKind::Text, FieldValue::Text(text)) => text.is_empty(),
        (FieldKind::Key | FieldKind::Payload, FieldValue::Bytes(bytes)) => bytes.is_empty(),
        (FieldKind::Number, FieldValue::Number(number)) => *number == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_message_is_decoded() {
        let raw = hex_simd::decode_to_vec("0a075061796d656e7412066368617267651a0d7b22616d6f756e74223a31307d50035804")
            .unwrap();
        let call = decode(CommandKind::Call, &raw).unwrap();
        assert_eq!(call.text("service_name"), Some("Payment"));
        assert_eq!(call.text("handler_name"), Some("charge"));
        assert_eq!(call.text("parameter"), Some("{\"amount\":10}"));
        assert_eq!(call.number("result_completion_id"), Some(4));
        assert_eq!(encode(&call), raw);
    }

    #[test]
    fn malformed_messages_are_refused() {
        for raw in [
            &[0x0a, 0x05, b'x'][..],
            &[0x80],
            &[0x08, 0x01],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ] {
            assert!(decode(CommandKind::SetState, raw).is_err(), "{raw:x?}");
        }
        let error = decode(CommandKind::Run, &[0x62, 0x01, 0xff]).unwrap_err();
        assert_eq!(error.to_string(), "could not decode Command: Run: field name is not UTF-8");
    }

    #[test]
    fn the_last_of_a_oneof_wins_and_unknown_fields_are_skipped() {
        let raw = [0x72, 0x03, 0x0a, 0x01, b'a', 0x7a, 0x02, 0x08, 0x05, 0xa8, 0x01, 0x07];
        let output = decode(CommandKind::Output, &raw).unwrap();
        assert_eq!(output.get("value"), None);
        assert!(matches!(output.get("failure"), Some(FieldValue::Failure(failure)) if failure.code == 5));
    }
}
