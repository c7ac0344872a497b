//! `entry_type` texts to one-byte codes, a few nanoseconds a row.

use std::sync::LazyLock;

use crate::journal::{CommandKind, EntryKind, NotificationKind, same_short};

pub const UNKNOWN: u8 = EntryKind::UNKNOWN;

/// What every known entry type is called.
pub static ENTRY_TYPES: LazyLock<Vec<(String, u8)>> = LazyLock::new(|| {
    let commands = CommandKind::ALL.iter().map(|kind| EntryKind::Command(*kind));
    let notifications = NotificationKind::ALL.iter().map(|kind| EntryKind::Notification(*kind));
    commands.chain(notifications).map(|kind| (kind.entry_type(), kind.code())).collect()
});

const SLOTS: usize = 512;

/// Open addressing over the 32 texts, keyed by their length and last eight bytes, which tell them all apart; each with
/// its place among [`ENTRY_TYPES`] and its code.
static TABLE: LazyLock<[(&'static [u8], usize, u8); SLOTS]> = LazyLock::new(|| {
    let mut table: [(&'static [u8], usize, u8); SLOTS] = [(&[], 0, UNKNOWN); SLOTS];
    for (place, (text, code)) in ENTRY_TYPES.iter().enumerate() {
        let mut slot = slot_of(text.as_bytes());
        while !table[slot].0.is_empty() {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = (text.as_bytes(), place, *code);
    }
    table
});

fn slot_of(text: &[u8]) -> usize {
    let Some(tail) = text.last_chunk::<8>() else { return 0 };
    let key = u64::from_le_bytes(*tail) ^ (text.len() as u64) << 56;
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 55) as usize
}

/// The code of an entry type; [`UNKNOWN`] for any other text.
pub fn code_of(text: &[u8]) -> u8 {
    look_up(text).map_or(UNKNOWN, |(_, code)| code)
}

/// The place of an entry type among [`ENTRY_TYPES`].
pub fn place_of(text: &str) -> Option<usize> {
    look_up(text.as_bytes()).map(|(place, _)| place)
}

fn look_up(text: &[u8]) -> Option<(usize, u8)> {
    let table = &*TABLE;
    let mut slot = slot_of(text);
    loop {
        let (known, place, code) = table[slot];
        if known.is_empty() {
            return None;
        }
        if same_short(known, text) {
            return Some((place, code));
        }
        slot = (slot + 1) % SLOTS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_type_has_its_code() {
        for (text, code) in ENTRY_TYPES.iter() {
            assert_eq!(code_of(text.as_bytes()), *code);
            assert_ne!(*code, UNKNOWN);
        }
        for text in ["", "Run", "Command: Runs", "command: Run"] {
            assert_eq!(code_of(text.as_bytes()), UNKNOWN);
        }
    }
}
