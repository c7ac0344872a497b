//! Comparing two messages of one kind field by field on their bytes, without decoding either.

use prost::encoding::{WireType, decode_key, decode_varint};

use super::command::{delimited, wire_type};
use crate::journal::CommandKind;
use crate::journal::command::{Compared, Field, fields};

/// `Some(true)` only when both messages are plainly the same in all that replay compares; then `timing` is set if
/// a wake-up or send time differs. `None`: decode them to be sure.
///
/// Messages as SDKs write them (known fields, each once, in tag order) are decided here; anything else is not.
pub fn same_unless_uncompared(kind: CommandKind, recorded: &[u8], replayed: &[u8], timing: &mut bool) -> bool {
    let table = fields(kind);
    let (mut left, mut right) = (Cursor::new(table, recorded), Cursor::new(table, replayed));
    loop {
        let (Some(a), Some(b)) = (left.next_field(), right.next_field()) else { return false };
        match (a, b) {
            (None, None) => return true,
            (Some((field, a)), Some((other, b))) if std::ptr::eq(field, other) => match field.compared {
                Compared::Never => {}
                Compared::Timing => *timing |= a != b,
                Compared::Always | Compared::CompletionId if a == b => {}
                Compared::Always | Compared::CompletionId => return false,
            },
            // One side leaves a field out, which may be its default: rare enough to decode.
            _ => return false,
        }
    }
}

struct Cursor<'a> {
    table: &'static [Field],
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn new(table: &'static [Field], rest: &'a [u8]) -> Self {
        Self { table, rest }
    }

    /// The next known field with its bytes; `Some(None)` at the end; `None` for what a plain message has not.
    #[expect(clippy::option_option, reason = "the end of a message is not a refusal")]
    fn next_field(&mut self) -> Option<Option<(&'static Field, &'a [u8])>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        let (tag, wire) = decode_key(&mut self.rest).ok()?;
        let at = self.table.iter().position(|field| field.tag == tag)?;
        let field = &self.table[at];
        // A field once passed does not come again, so that order and repetition are refused.
        self.table = &self.table[at + 1..];
        if wire != wire_type(field.kind) {
            return None;
        }
        let bytes = if wire == WireType::Varint {
            let before = self.rest;
            decode_varint(&mut self.rest).ok()?;
            &before[..before.len() - self.rest.len()]
        } else {
            delimited(&mut self.rest).ok()?
        };
        Some(Some((field, bytes)))
    }
}
