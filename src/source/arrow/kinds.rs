//! `entry_type` texts to one-byte codes, a few nanoseconds a row.

use std::ops::Range;
use std::sync::LazyLock;

use crate::journal::{CommandKind, EntryKind, NotificationKind};

pub const UNKNOWN: u8 = EntryKind::UNKNOWN;

/// What every known entry type is called.
pub static ENTRY_TYPES: LazyLock<Vec<(String, u8)>> = LazyLock::new(|| {
    let commands = CommandKind::ALL.iter().map(|kind| EntryKind::Command(*kind));
    let notifications = NotificationKind::ALL.iter().map(|kind| EntryKind::Notification(*kind));
    commands.chain(notifications).map(|kind| (kind.entry_type(), kind.code())).collect()
});

const SLOTS: usize = 128;

/// No entry type is longer.
const LONGEST: usize = 48;

/// A known text, with zeros behind it, its place among [`ENTRY_TYPES`] and its code.
#[derive(Clone, Copy)]
struct Known {
    text: [u8; LONGEST],
    len: u8,
    place: u8,
    code: u8,
}

/// No text has this length.
const NONE: Known = Known { text: [0; LONGEST], len: u8::MAX, place: 0, code: UNKNOWN };

/// The 32 texts, each in a slot of its own.
static TABLE: LazyLock<[Known; SLOTS]> = LazyLock::new(|| {
    let mut table = [NONE; SLOTS];
    for (place, (text, code)) in ENTRY_TYPES.iter().enumerate() {
        let text = text.as_bytes();
        let slot = &mut table[slot_of(text)];
        assert_eq!(slot.len, NONE.len, "two kinds share a slot: `slot_of` needs another factor");
        slot.text[..text.len()].copy_from_slice(text);
        (slot.len, slot.place, slot.code) = (text.len() as u8, place as u8, *code);
    }
    table
});

/// By the length and the last eight bytes, which tell all known texts apart. The factor is one of those, found by trying,
/// that give each of them a slot of its own.
fn slot_of(text: &[u8]) -> usize {
    let Some(tail) = text.last_chunk::<8>() else { return 0 };
    let key = u64::from_le_bytes(*tail) ^ (text.len() as u64) << 56;
    (key.wrapping_mul(0xF72F_2BB8_3586_FCA7) >> 57) as usize
}

/// The code of an entry type; [`UNKNOWN`] for any other text.
pub fn code_of(text: &[u8]) -> u8 {
    look_up(text).map_or(UNKNOWN, |known| known.code)
}

/// The code of a text among others; `None` if it does not lie there.
pub fn code_at(texts: &[u8], place: Range<usize>) -> Option<u8> {
    let text = texts.get(place.clone())?;
    Some(match texts[place.start..].first_chunk() {
        Some(wide) => look_up_in(wide, text).map_or(UNKNOWN, |known| known.code),
        None => code_of(text),
    })
}

/// The place of an entry type among [`ENTRY_TYPES`].
pub fn place_of(text: &str) -> Option<usize> {
    look_up(text.as_bytes()).map(|known| known.place.into())
}

fn look_up(text: &[u8]) -> Option<&'static Known> {
    let mut wide = [0; LONGEST];
    wide.get_mut(..text.len())?.copy_from_slice(text);
    look_up_in(&wide, text)
}

/// Looks up a text that something may follow: so it is compared in a few words, always the same, whatever its length.
fn look_up_in(wide: &[u8; LONGEST], text: &[u8]) -> Option<&'static Known> {
    /// From `LONGEST - n` on, a mask that keeps `n` bytes.
    static KEEP: [u8; 2 * LONGEST] = {
        let mut keep = [0; 2 * LONGEST];
        keep.split_at_mut(LONGEST).0.copy_from_slice(&[0xFF; LONGEST]);
        keep
    };
    let keep = KEEP[LONGEST.checked_sub(text.len())?..].first_chunk::<LONGEST>()?;
    let known = &TABLE[slot_of(text)];
    // No early exit, so that this becomes vector code.
    let mut differs = 0;
    for at in 0..LONGEST {
        differs |= (wide[at] & keep[at]) ^ known.text[at];
    }
    (differs == 0 && usize::from(known.len) == text.len()).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_type_has_its_code() {
        for (place, (text, code)) in ENTRY_TYPES.iter().enumerate() {
            assert_eq!((code_of(text.as_bytes()), place_of(text)), (*code, Some(place)));
            assert_ne!(*code, UNKNOWN);
        }
        let longer = format!("Command: {}", "Run".repeat(LONGEST));
        for text in ["", "Run", "Command: Runs", "command: Run", "Command: Run\0", &longer] {
            assert_eq!((code_of(text.as_bytes()), place_of(text)), (UNKNOWN, None), "{text:?}");
        }
    }

    #[test]
    fn every_entry_type_is_found_among_others() {
        let others = ["", "Run", "Command: Run\0", &"x".repeat(LONGEST + 1)].map(|text| (text.to_owned(), UNKNOWN));
        // Each is followed by others, by little, and by nothing.
        let mut texts = String::new();
        let mut places = Vec::new();
        for (text, code) in ENTRY_TYPES.iter().chain(&others).chain(ENTRY_TYPES.iter()) {
            places.push((texts.len()..texts.len() + text.len(), *code));
            texts.push_str(text);
        }
        let end = texts.len();
        for (place, code) in places {
            assert_eq!(code_at(texts.as_bytes(), place.clone()), Some(code), "{}", &texts[place]);
        }
        assert_eq!(code_at(texts.as_bytes(), end - 3..end + 1), None);
        assert_eq!(code_at(texts.as_bytes(), Range { start: 5, end: 3 }), None);
    }
}
