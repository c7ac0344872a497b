//! A scan: a walk over the encoded fields of a message, without decoding them.
//!
//! Comparing messages this way is much faster than decoding both. Where a scan cannot be sure, the caller decodes.

use prost::encoding::{WireType, decode_varint};

use super::command::wire_type;
use crate::journal::CommandKind;
use crate::journal::command::{Compared, Field, FieldKind, field_at, fields, time_tag};

/// How two messages of one kind of command compare, as replay sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Every field that replay compares is equal. `timing` says whether a wake-up or send time differs.
    Same { timing: bool },
    /// A field that replay compares differs.
    Differs,
}

/// Compares two messages, if both are plain, that is as SDKs write them: known fields, each once, in tag order.
///
/// `None` for any other message, and where only decoding can tell. Text is not validated as UTF-8.
pub fn compare(kind: CommandKind, recorded: &[u8], replayed: &[u8]) -> Option<Comparison> {
    let (mut left, mut right) = (Cursor::new(kind, recorded), Cursor::new(kind, replayed));
    let mut timing = false;
    loop {
        match (left.next_field()?, right.next_field()?) {
            (None, None) => return Some(Comparison::Same { timing }),
            (Some((field, a)), Some((other, b))) if std::ptr::eq(field, other) => match field.compared {
                Compared::Never => {}
                Compared::Timing => timing |= a != b,
                Compared::Always | Compared::CompletionId if a == b => {}
                Compared::Always | Compared::CompletionId if surely_differ(field, a, b) => {
                    // If the field came again, its last occurrence would count, so the rest is checked too.
                    return (left.is_plain() && right.is_plain()).then_some(Comparison::Differs);
                }
                Compared::Always | Compared::CompletionId => return None,
            },
            // One side lacks a field, which may be its default there. That is rare enough to decode.
            _ => return None,
        }
    }
}

/// Whether two different encodings of a field certainly have different values.
fn surely_differ(field: &Field, a: &[u8], b: &[u8]) -> bool {
    match field.kind {
        FieldKind::Text | FieldKind::OptionalText | FieldKind::Key | FieldKind::Payload => true,
        // True of two `Value` messages that hold just their content.
        FieldKind::Value => [a, b].into_iter().all(is_plain_value),
        FieldKind::Void
        | FieldKind::Failure
        | FieldKind::Number
        | FieldKind::OptionalNumber
        | FieldKind::Headers
        | FieldKind::StateKeys
        | FieldKind::IdempotentRequest
        | FieldKind::Workflow => false,
    }
}

/// Whether a `Value` message holds a content that is not empty, and nothing else.
fn is_plain_value(message: &[u8]) -> bool {
    const CONTENT: u8 = 1 << 3 | WireType::LengthDelimited as u8;
    let [CONTENT, rest @ ..] = message else { return false };
    let mut rest = rest;
    varint(&mut rest).is_some_and(|length| length == rest.len() as u64 && length > 0)
}

/// The end of the time field, if `differs`, the first byte that differs, lies in it, and if the field has the same
/// length on both sides.
///
/// A time is by far the most frequent difference between a journal and what the same code did later, so the caller
/// skips it without decoding the message.
pub fn end_of_differing_time(kind: CommandKind, recorded: &[u8], replayed: &[u8], differs: usize) -> Option<usize> {
    let from = time_start(time_tag(kind)?, recorded)?;
    let to = varint_end(recorded, from)?;
    ((from..to).contains(&differs) && varint_end(replayed, from) == Some(to)).then_some(to)
}

/// The start of the time's value; `None` unless all fields before it are length-delimited.
fn time_start(tag: u32, message: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let key = u32::from(*message.get(at)?);
        at += 1;
        if key == tag << 3 {
            return Some(at);
        }
        if key & 0x87 != WireType::LengthDelimited as u32 || key >> 3 > tag {
            return None;
        }
        let mut rest = &message[at..];
        let length = usize::try_from(varint(&mut rest)?).ok()?;
        at = (message.len() - rest.len()).checked_add(length)?;
    }
}

/// The end of the varint that starts at `from`.
fn varint_end(message: &[u8], from: usize) -> Option<usize> {
    const MAX_LENGTH: usize = 10;
    let rest = message.get(from..)?;
    if let Some(word) = rest.first_chunk() {
        // Every time of this century fits into a word.
        let ends = !u64::from_le_bytes(*word) & 0x8080_8080_8080_8080;
        if ends != 0 {
            return Some(from + ends.trailing_zeros() as usize / 8 + 1);
        }
    }
    let length = rest.iter().take(MAX_LENGTH).position(|byte| *byte < 0x80)?;
    Some(from + length + 1)
}

#[inline]
fn varint(rest: &mut &[u8]) -> Option<u64> {
    match **rest {
        [byte, ref after @ ..] if byte < 0x80 => {
            *rest = after;
            Some(byte.into())
        }
        _ => decode_varint(rest).ok(),
    }
}

/// Appends a message's fields except payloads, headers, values and state keys, so that those remain that name what the
/// command works on. Appends nothing if the message cannot be scanned.
pub fn without_payload(kind: CommandKind, raw: &[u8], out: &mut Vec<u8>) {
    if !has_payload(kind) {
        out.extend_from_slice(raw);
        return;
    }
    let before = out.len();
    let mut rest = raw;
    while !rest.is_empty() {
        let from = rest;
        let Some(field) = next_any(kind, &mut rest) else {
            out.truncate(before);
            return;
        };
        if !field.is_some_and(|field| is_payload(field.kind)) {
            out.extend_from_slice(&from[..from.len() - rest.len()]);
        }
    }
}

/// Whether the command has a field that [`without_payload`] leaves out.
fn has_payload(kind: CommandKind) -> bool {
    const KINDS: u32 = {
        let mut kinds = 0;
        let mut at = 0;
        while at < CommandKind::ALL.len() {
            let kind = CommandKind::ALL[at];
            let mut field = 0;
            while field < fields(kind).len() {
                if is_payload(fields(kind)[field].kind) {
                    kinds |= 1 << kind as u8;
                }
                field += 1;
            }
            at += 1;
        }
        kinds
    };
    KINDS >> kind as u8 & 1 == 1
}

const fn is_payload(kind: FieldKind) -> bool {
    match kind {
        FieldKind::Payload | FieldKind::Value | FieldKind::Headers | FieldKind::StateKeys => true,
        FieldKind::Text
        | FieldKind::OptionalText
        | FieldKind::Key
        | FieldKind::Void
        | FieldKind::Failure
        | FieldKind::Number
        | FieldKind::OptionalNumber
        | FieldKind::IdempotentRequest
        | FieldKind::Workflow => false,
    }
}

/// Skips a field, known or not; `None` if it is neither a varint nor length-delimited, `Some(None)` if it is unknown.
#[expect(clippy::option_option, reason = "an unknown field is not an error")]
fn next_any(kind: CommandKind, rest: &mut &[u8]) -> Option<Option<&'static Field>> {
    let key = varint(rest)?;
    let field = field_at(kind, key >> 3);
    match key & 7 {
        0 => {
            varint(rest)?;
        }
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            *rest = rest.get(length..)?;
        }
        _ => return None,
    }
    Some(field)
}

/// A position in a message that is read field by field.
struct Cursor<'a> {
    kind: CommandKind,
    /// The tag of the last field that was read.
    last_tag: u64,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn new(kind: CommandKind, rest: &'a [u8]) -> Self {
        Self { kind, last_tag: 0, rest }
    }

    /// Reads to the end; whether all fields are known, each once, in tag order.
    fn is_plain(&mut self) -> bool {
        loop {
            match self.next_field() {
                Some(Some(_)) => {}
                Some(None) => return true,
                None => return false,
            }
        }
    }

    /// The next field with its bytes; `Some(None)` at the end; `None` if it is unknown, repeated or out of order.
    #[expect(clippy::option_option, reason = "the end of a message is not an error")]
    fn next_field(&mut self) -> Option<Option<(&'static Field, &'a [u8])>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        let key = varint(&mut self.rest)?;
        let field = field_at(self.kind, key >> 3)?;
        // Tags have to ascend, which refuses both another order and a repeated field.
        if key >> 3 <= std::mem::replace(&mut self.last_tag, key >> 3) || key & 7 != wire_type(field.kind) as u64 {
            return None;
        }
        let before = self.rest;
        if key & 7 == WireType::Varint as u64 {
            varint(&mut self.rest)?;
            return Some(Some((field, &before[..before.len() - self.rest.len()])));
        }
        let length = usize::try_from(varint(&mut self.rest)?).ok()?;
        let bytes = self.rest.get(..length)?;
        self.rest = &self.rest[length..];
        Some(Some((field, bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &[u8] = &[0x62, 0x01, b'n'];

    fn sleep(time: &[u8], rest: &[u8]) -> Vec<u8> {
        [&[0x08], time, rest].concat()
    }

    #[test]
    fn only_plain_messages_are_compared() {
        let compare = |a: &[u8], b: &[u8]| compare(CommandKind::SetState, a, b);
        let key = |key: u8| [0x0a, 0x01, key];
        let set = |value: &[u8]| [&key(b'k')[..], &[0x1a, value.len() as u8], value].concat();
        assert_eq!(compare(&key(b'k'), &key(b'l')), Some(Comparison::Differs));
        assert_eq!(compare(&set(&[0x0a, 0x01, 1]), &set(&[0x0a, 0x01, 2])), Some(Comparison::Differs));
        assert_eq!(compare(&set(&[0x0a, 0x01, 1]), &set(&[0x0a, 0x01, 1])), Some(Comparison::Same { timing: false }));
        // A repeated field, empty content, an unknown field and a torn message are left to the decoder.
        for (a, b) in [
            (key(b'k').to_vec(), [key(b'l'), key(b'k')].concat()),
            (set(&[0x0a, 0x00]), set(&[])),
            (set(&[0x0a, 0x01, 1]), set(&[0x0a, 0x01, 1, 0x10, 0x01])),
            (key(b'k').to_vec(), [&key(b'l')[..], &[0x0a]].concat()),
            (key(b'k').to_vec(), [&key(b'l')[..], &[0x78, 0x01]].concat()),
        ] {
            assert_eq!(compare(&a, &b), None, "{a:x?} {b:x?}");
        }
    }

    /// Finds the first byte that differs, then the end of the time that it lies in.
    fn end_of_time(kind: CommandKind, a: &[u8], b: &[u8]) -> Option<usize> {
        let differs = a.iter().zip(b).position(|(a, b)| a != b)?;
        end_of_differing_time(kind, a, b, differs)
    }

    #[test]
    fn a_time_is_distinguished_from_other_fields() {
        let end_of_time = |a: &[u8], b: &[u8]| end_of_time(CommandKind::Sleep, a, b);
        assert_eq!(end_of_time(&sleep(&[0x81, 0x01], NAME), &sleep(&[0x82, 0x01], NAME)), Some(3));
        assert_eq!(end_of_time(&sleep(&[0x01], &[]), &sleep(&[0x02], &[])), Some(2));
        // Another name; a time of another length in a message of the same size; a time without an end; equal messages.
        for (a, b) in [
            (sleep(&[0x81, 0x01], NAME), sleep(&[0x81, 0x01], &[0x62, 0x01, b'm'])),
            (sleep(&[0x81, 0x01], &[]), sleep(&[0x01, 0x58], &[])),
            (sleep(&[0x81, 0x81], &[]), sleep(&[0x81, 0x82], &[])),
            (sleep(&[0x01], NAME), sleep(&[0x01], NAME)),
            (NAME.to_vec(), vec![0x62, 0x01, b'm']),
        ] {
            assert_eq!(end_of_time(&a, &b), None, "{a:x?} {b:x?}");
        }
    }

    #[test]
    fn a_send_differs_by_its_time_behind_the_same_fields() {
        let send = |service: u8, time: u8, rest: &[u8]| [&[0x0a, 0x01, service, 0x1a, 0x00, 0x20, time], rest].concat();
        let end_of_time = |a: &[u8], b: &[u8]| end_of_time(CommandKind::OneWayCall, a, b);
        assert_eq!(end_of_time(&send(b's', 1, NAME), &send(b's', 2, NAME)), Some(7));
        assert_eq!(end_of_time(&send(b's', 1, NAME), &send(b't', 1, NAME)), None);
        assert_eq!(end_of_time(&send(b's', 1, NAME), &send(b't', 2, NAME)), None);
        // The length reaches beyond the end of the message.
        assert_eq!(end_of_time(&[0x0a, 0x7f, 1], &[0x0a, 0x7f, 2]), None);
    }

    #[test]
    fn names_are_kept_and_payloads_are_not() {
        let raw = [0x0a, 0x01, b'k', 0x1a, 0x03, 0x0a, 0x01, b'v', 0x62, 0x01, b'n'];
        let mut kept = vec![7];
        without_payload(CommandKind::SetState, &raw, &mut kept);
        assert_eq!(kept, [7, 0x0a, 0x01, b'k', 0x62, 0x01, b'n']);
        without_payload(CommandKind::SetState, &[0x0a, 0x05, b'k'], &mut kept);
        assert_eq!(kept.len(), 7, "a torn message adds nothing");
    }
}
