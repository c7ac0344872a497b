//! Entry types: their texts, such as `Command: Run`, become codes of one byte, in a few nanoseconds a row.

use std::sync::LazyLock;

use crate::journal::{CommandKind, EntryKind, NotificationKind};

pub const UNKNOWN: u8 = EntryKind::UNKNOWN;

/// The texts of all known entry types, with their codes.
pub static ENTRY_TYPES: LazyLock<Vec<(String, u8)>> = LazyLock::new(|| {
    let commands = CommandKind::ALL.iter().map(|kind| EntryKind::Command(*kind));
    let notifications = NotificationKind::ALL.iter().map(|kind| EntryKind::Notification(*kind));
    commands.chain(notifications).map(|kind| (kind.entry_type(), kind.code())).collect()
});

const SLOTS: usize = 128;

/// No entry type is longer.
const LONGEST: usize = 48;

/// A known text, padded with zeros, with its place in [`ENTRY_TYPES`] and its code.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct KnownType {
    text: [u8; LONGEST],
    len: u8,
    place: u8,
    code: u8,
}

/// An empty slot: no text has this length.
const EMPTY: KnownType = KnownType { text: [0; LONGEST], len: u8::MAX, place: 0, code: UNKNOWN };

/// The 32 texts, each in a slot of its own.
static TABLE: LazyLock<[KnownType; SLOTS]> = LazyLock::new(|| {
    let mut table = [EMPTY; SLOTS];
    for (place, (text, code)) in ENTRY_TYPES.iter().enumerate() {
        let text = text.as_bytes();
        let slot = &mut table[slot_of(text.last_chunk().expect("none is shorter"), text.len())];
        assert_eq!(slot.len, EMPTY.len, "two kinds share a slot: `slot_of` needs another factor");
        slot.text[..text.len()].copy_from_slice(text);
        (slot.len, slot.place, slot.code) = (text.len() as u8, place as u8, *code);
    }
    table
});

/// The slot of a text, by its last eight bytes and its length, which differ between any two known texts. The factor was
/// found by trying: with it, no two known texts share a slot.
fn slot_of(tail: &[u8; 8], length: usize) -> usize {
    let key = u64::from_le_bytes(*tail) ^ (length as u64) << 56;
    (key.wrapping_mul(0xF72F_2BB8_3586_FCA7) >> 57) as usize
}

/// The code of an entry type; [`UNKNOWN`] for any other text.
pub fn code_of(text: &[u8]) -> u8 {
    look_up(text).map_or(UNKNOWN, |known| known.code)
}

/// The place of an entry type in [`ENTRY_TYPES`].
pub fn place_of(text: &str) -> Option<usize> {
    look_up(text.as_bytes()).map(|known| known.place.into())
}

fn look_up(text: &[u8]) -> Option<&'static KnownType> {
    let known = &TABLE[slot_of(text.last_chunk()?, text.len())];
    (known.text.get(..known.len.into()) == Some(text)).then_some(known)
}

/// Appends the codes of adjacent texts, given the offset at which each of them ends, counted from `base`. The error is the
/// row whose text lies outside.
pub fn codes_of(ends: &[[u8; 8]], base: u64, texts: &[u8], codes: &mut Vec<u8>) -> Result<(), u32> {
    if std::env::var_os("SIMPLE").is_some() {
        let mut from = 0;
        for (row, end) in ends.iter().enumerate() {
            let to = u64::from_le_bytes(*end).wrapping_sub(base) as usize;
            codes.push(code_of(texts.get(from..to).ok_or(row as u32)?));
            from = to;
        }
        return Ok(());
    }
    let mut from = 0;
    let first = codes.len();
    codes.resize(first + ends.len(), UNKNOWN);
    let mut rewritten = [0; (AT_ONCE + 1) * LONGEST];
    for (block, (ends, codes)) in ends.chunks(AT_ONCE).zip(codes[first..].chunks_mut(AT_ONCE)).enumerate() {
        let ends = ends.iter().map(|end| u64::from_le_bytes(*end).wrapping_sub(base) as usize);
        from = match all_known(from, ends.clone(), texts, codes, &mut rewritten) {
            Some(to) => to,
            None => {
                for (row, (to, code)) in ends.zip(codes).enumerate() {
                    *code = code_of(texts.get(from..to).ok_or((block * AT_ONCE + row) as u32)?);
                    from = to;
                }
                from
            }
        };
    }
    Ok(())
}

/// So many texts are recognized together.
const AT_ONCE: usize = 32;

/// The codes of texts that are all known, and the offset at which the last one ends. The end and the length of a text say
/// which one it has to be; one comparison of all of them, written down again one behind the other, says whether they are.
fn all_known(
    from: usize,
    ends: impl Iterator<Item = usize>,
    texts: &[u8],
    codes: &mut [u8],
    rewritten: &mut [u8],
) -> Option<usize> {
    let table = &*TABLE;
    let mut at = from;
    let mut fit = true;
    for (to, code) in ends.zip(codes) {
        let tail = texts.get(to.checked_sub(8)?..to)?.first_chunk()?;
        let length = to.wrapping_sub(at);
        let known = &table[slot_of(tail, length)];
        // The next text overwrites the padding.
        *rewritten.get_mut(at.wrapping_sub(from)..)?.first_chunk_mut()? = known.text;
        fit &= usize::from(known.len) == length;
        *code = known.code;
        at = to;
    }
    (fit && texts.get(from..at)? == rewritten.get(..at - from)?).then_some(at)
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

    fn codes(texts: &[&str], base: u64) -> Vec<u8> {
        let ends = texts.iter().scan(base, |end, text| {
            *end += text.len() as u64;
            Some(end.to_le_bytes())
        });
        let mut codes = vec![7];
        codes_of(&ends.collect::<Vec<_>>(), base, texts.concat().as_bytes(), &mut codes).unwrap();
        assert_eq!(codes.remove(0), 7);
        codes
    }

    #[test]
    fn entry_types_are_known_among_others() {
        let (known, expected): (Vec<&str>, Vec<u8>) =
            ENTRY_TYPES.iter().map(|(text, code)| (text.as_str(), *code)).cycle().take(5 * AT_ONCE + 3).unzip();
        assert_eq!(codes(&known, 0), expected);
        assert_eq!(codes(&known, 12_345), expected);
        // The same bytes, split elsewhere, so that both texts have the end of a known one; and other texts.
        let long = "x".repeat((AT_ONCE + 2) * LONGEST);
        for (at, pair) in [
            (0, ["Command: Ru", "nCommand: Run"]),
            (70, ["Command: RunCommand: ", "Run"]),
            (2 * AT_ONCE, ["", "Command: Run"]),
            (3 * AT_ONCE - 1, ["Command: Rum", "Command: Run\0"]),
            (5 * AT_ONCE, [&long, "Command: Sleep"]),
        ] {
            let mut texts = known.clone();
            texts[at..at + 2].copy_from_slice(&pair);
            let mut expected = expected.clone();
            expected[at..at + 2].copy_from_slice(&pair.map(|text| code_of(text.as_bytes())));
            assert_eq!(codes(&texts, 99), expected, "{at}");
        }
    }

    /// The rewritten texts begin with such a text, too.
    #[test]
    fn a_part_of_an_entry_type_is_none() {
        for (text, code) in ENTRY_TYPES.iter() {
            for end in 0..=text.len() {
                let expected = ENTRY_TYPES.iter().find(|(known, _)| *known == text[..end]);
                let expected = expected.map_or(UNKNOWN, |(_, code)| *code);
                assert_eq!(codes(&[text, &text[..end]], 0), [*code, expected], "{}", &text[..end]);
            }
        }
    }

    #[test]
    fn texts_that_lie_outside_are_reported() {
        let texts = "Command: Run".repeat(300);
        let mut ends: Vec<[u8; 8]> = (1..=300u64).map(|row| (12 * row).to_le_bytes()).collect();
        let read = |ends: &[[u8; 8]], base| codes_of(ends, base, texts.as_bytes(), &mut Vec::new());
        assert_eq!(read(&ends, 0), Ok(()));
        assert_eq!(read(&ends, 13), Err(0), "the first ends before it begins");
        ends[200] = 5_000_u64.to_le_bytes();
        assert_eq!(read(&ends, 0), Err(200));
        ends[200] = 12_u64.to_le_bytes();
        assert_eq!(read(&ends, 0), Err(200));
    }
}
