//! Entries: a journal's commands and notifications in flat columns.
//!
//! An entry has one byte of kind and one end offset, and all messages lie in one slice of bytes. So three `memcmp`s
//! compare two journals, and nothing is decoded until they differ.

use super::bytes::first_difference;
use super::{CommandKind, EntryKind};

/// The borrowed entries of one journal.
///
/// `ends[i]` is the offset at which the message of entry `i` ends, and `start` the offset at which `raw` begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entries<'a> {
    pub(crate) codes: &'a [u8],
    pub(crate) ends: &'a [u32],
    pub(crate) start: u32,
    pub(crate) raw: &'a [u8],
}

/// The place of one byte: the entry, and the offset in the entry's message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub entry: usize,
    pub byte: usize,
}

impl<'a> Entries<'a> {
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The kind of entry `at`. Sources refuse unknown kinds, so every code here has a kind.
    pub fn kind(&self, at: usize) -> EntryKind {
        EntryKind::from_code(self.codes[at]).expect("sources refuse unknown kinds")
    }

    /// The place of the first entry of unknown kind. The source refuses a journal that has one.
    pub(crate) fn unknown(&self) -> Option<usize> {
        self.codes.iter().position(|code| *code == EntryKind::UNKNOWN)
    }

    /// The kind of entry `at` if it is a command.
    pub fn command_kind(&self, at: usize) -> Option<CommandKind> {
        match self.kind(at) {
            EntryKind::Command(kind) => Some(kind),
            EntryKind::Notification(_) => None,
        }
    }

    /// The encoded message of entry `at`.
    pub fn raw(&self, at: usize) -> &'a [u8] {
        &self.raw[self.start_of(at)..(self.ends[at] - self.start) as usize]
    }

    /// A range of the entries, as entries of their own.
    pub fn range(&self, places: std::ops::Range<usize>) -> Self {
        let at = |place: usize| if place == 0 { self.start } else { self.ends[place - 1] };
        let (start, end) = (at(places.start), at(places.end));
        Self {
            codes: &self.codes[places.clone()],
            ends: &self.ends[places],
            start,
            raw: &self.raw[(start - self.start) as usize..(end - self.start) as usize],
        }
    }

    /// The entries after entry `at`.
    pub fn after(&self, at: usize) -> Self {
        self.range(at + 1..self.len())
    }

    /// The places of the commands among the entries, in order.
    pub fn commands(&self) -> impl Iterator<Item = usize> + '_ {
        self.codes.iter().enumerate().filter(|(_, code)| is_command(**code)).map(|(at, _)| at)
    }

    /// The kinds of the commands, in order.
    pub fn command_kinds(&self) -> impl Iterator<Item = CommandKind> + '_ {
        self.codes.iter().filter_map(|code| match EntryKind::from_code(*code) {
            Some(EntryKind::Command(kind)) => Some(kind),
            _ => None,
        })
    }

    /// Number of commands among the entries.
    pub fn command_count(&self) -> usize {
        // Eight codes are counted at a time: the commands of every journal are counted, so this loop is hot.
        const BITS: u64 = 0x0101_0101_0101_0101;
        let (words, rest) = self.codes.as_chunks::<8>();
        let high_bits = |word: &[u8; 8]| (u64::from_le_bytes(*word) >> 7 & BITS).wrapping_mul(BITS) >> 56;
        let notifications: u64 = words.iter().map(high_bits).sum();
        let others = rest.iter().fold(0, |count, code| count + usize::from(code >> 7));
        self.codes.len() - notifications as usize - others
    }

    /// Whether entry `at` equals the other side's entry `their`, byte for byte.
    pub fn same_bytes(&self, at: usize, other: &Self, their: usize) -> bool {
        let (a, b) = (self.raw(at), other.raw(their));
        // Comparing two empty slices is slow on some CPUs.
        self.codes[at] == other.codes[their] && a.len() == b.len() && (a.is_empty() || a == b)
    }

    /// A hash of the sequence of command kinds, which identifies the path through the handler.
    pub fn path(&self) -> u64 {
        Self::path_of(std::slice::from_ref(self))
    }

    /// Like [`Self::path`], for a journal in several parts.
    pub fn path_of(parts: &[Self]) -> u64 {
        /// By code: the command's kind as replay compares it; `UNKNOWN` for notifications.
        const KINDS: [u8; 256] = {
            let mut kinds = [EntryKind::UNKNOWN; 256];
            let mut code = 0;
            while code < kinds.len() {
                if let Some(EntryKind::Command(kind)) = EntryKind::from_code(code as u8) {
                    kinds[code] = kind.modulo_eager() as u8;
                }
                code += 1;
            }
            kinds
        };
        // FNV-1a is fast for so few bytes.
        parts.iter().fold(0xCBF2_9CE4_8422_2325, |hash, part| {
            let kinds = part.codes.iter().map(|code| KINDS[usize::from(*code)]);
            let kinds = kinds.filter(|kind| *kind != EntryKind::UNKNOWN);
            kinds.fold(hash, |hash, kind| (hash ^ u64::from(kind)).wrapping_mul(0x0000_0100_0000_01B3))
        })
    }

    /// Whether both hold the same entries, byte for byte.
    pub fn identical(&self, other: &Self) -> bool {
        self.same_layout(other) && (self.raw.is_empty() || self.raw == other.raw)
    }

    /// The first entry that differs from the other side's, byte for byte. Both sides have the same number of entries.
    pub fn first_difference(&self, other: &Self) -> Option<usize> {
        debug_assert_eq!(self.len(), other.len());
        let kinds = first_difference(self.codes, other.codes);
        let shift = other.start.wrapping_sub(self.start);
        // Mostly all lengths are equal, which one fast comparison shows. The slow search is for the rest.
        let ends = if self.same_ends(other) {
            None
        } else {
            self.ends.iter().zip(other.ends).position(|(a, b)| a.wrapping_add(shift) != *b)
        };
        let same = kinds.into_iter().chain(ends).min();
        let upto = same.map_or(self.raw.len(), |at| self.start_of(at));
        match first_difference(&self.raw[..upto], &other.raw[..upto]) {
            Some(at) => Some(self.entry_at(0, at)),
            None => same,
        }
    }

    /// Whether both sides have the same layout: entry by entry the same kinds and the same lengths.
    pub fn same_layout(&self, other: &Self) -> bool {
        self.codes == other.codes && self.raw.len() == other.raw.len() && self.same_ends(other)
    }

    /// The first place, from `from` on, at which the messages differ. Both sides have the same layout.
    pub fn differs_from(&self, other: &Self, from: Position) -> Option<Position> {
        let start = self.start_of(from.entry) + from.byte;
        let at = start + first_difference(&self.raw[start..], &other.raw[start..])?;
        let entry = self.entry_at(from.entry, at);
        Some(Position { entry, byte: at - self.start_of(entry) })
    }

    /// The index in `raw` at which an entry starts.
    fn start_of(&self, at: usize) -> usize {
        if at == 0 { 0 } else { (self.ends[at - 1] - self.start) as usize }
    }

    /// The entry that holds byte `byte` of `raw`; it is not before entry `from`.
    fn entry_at(&self, from: usize, byte: usize) -> usize {
        /// The entry is mostly one of the next few, which are searched first.
        const NEXT: usize = 32;
        let byte = self.start.wrapping_add(byte as u32);
        let next = &self.ends[from..(from + NEXT).min(self.ends.len())];
        let before = |end: &u32| *end <= byte;
        match next.last() {
            Some(last) if !before(last) => from + next.partition_point(before),
            _ => from + next.len() + self.ends[from + next.len()..].partition_point(before),
        }
    }

    fn same_ends(&self, other: &Self) -> bool {
        if self.start == other.start {
            return self.ends == other.ends;
        }
        let shift = other.start.wrapping_sub(self.start);
        // There is no early exit, so that the compiler emits vector code.
        self.ends.iter().zip(other.ends).fold(true, |same, (a, b)| same & (a.wrapping_add(shift) == *b))
    }
}

fn is_command(code: u8) -> bool {
    code & EntryKind::NOTIFICATION == 0
}

/// The entries of one journal, owned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryBuffer {
    codes: Vec<u8>,
    ends: Vec<u32>,
    raw: Vec<u8>,
}

impl EntryBuffer {
    /// Appends one entry. Panics if the messages would exceed 4 GiB.
    pub fn push(&mut self, kind: EntryKind, raw: &[u8]) {
        self.codes.push(kind.code());
        self.raw.extend_from_slice(raw);
        self.ends.push(u32::try_from(self.raw.len()).expect("sources keep journals below 4 GiB"));
    }

    /// Appends entries. Panics if the messages would exceed 4 GiB.
    pub fn extend(&mut self, entries: Entries<'_>) {
        let end = u32::try_from(self.raw.len() + entries.raw.len()).expect("sources keep journals below 4 GiB");
        let shift = (end - entries.raw.len() as u32).wrapping_sub(entries.start);
        self.codes.extend_from_slice(entries.codes);
        self.ends.extend(entries.ends.iter().map(|end| end.wrapping_add(shift)));
        self.raw.extend_from_slice(entries.raw);
    }

    pub fn len(&self) -> usize {
        self.codes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    pub fn clear(&mut self) {
        self.codes.clear();
        self.ends.clear();
        self.raw.clear();
    }

    pub fn view(&self) -> Entries<'_> {
        Entries { codes: &self.codes, ends: &self.ends, start: 0, raw: &self.raw }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::NotificationKind;

    fn entries(lengths: &[usize]) -> EntryBuffer {
        let mut entries = EntryBuffer::default();
        for (at, length) in lengths.iter().enumerate() {
            let kind = if at % 3 == 2 { CommandKind::Run } else { CommandKind::SetState };
            entries.push(EntryKind::Command(kind), &vec![at as u8; *length]);
        }
        entries
    }

    #[test]
    fn commands_are_counted_in_journals_of_any_length() {
        let mut entries = EntryBuffer::default();
        for at in 0..40 {
            assert_eq!(entries.view().command_count(), entries.view().commands().count(), "{at}");
            let run = EntryKind::Command(CommandKind::Run);
            entries.push(if at % 3 == 1 { EntryKind::Notification(NotificationKind::Run) } else { run }, &[]);
        }
    }

    /// The same as `Entries::first_difference`, entry by entry.
    fn one_by_one(one: Entries<'_>, other: Entries<'_>) -> Option<usize> {
        (0..one.len()).find(|at| !one.same_bytes(*at, &other, *at))
    }

    #[test]
    fn the_first_entry_that_differs_is_found_by_columns() {
        let lengths = [3, 0, 200, 0, 0, 70, 1, 64, 0, 5];
        let recorded = entries(&lengths);
        for from in 0..lengths.len() {
            for at in 0..lengths.len() {
                let mut longer = lengths;
                longer[at] += 1;
                let mut replayed = vec![entries(&lengths), entries(&longer)];
                if lengths[at] > 0 {
                    let mut other = EntryBuffer::default();
                    for entry in 0..lengths.len() {
                        let mut raw = recorded.view().raw(entry).to_vec();
                        if entry == at {
                            *raw.last_mut().unwrap() ^= 1;
                        }
                        other.push(recorded.view().kind(entry), &raw);
                    }
                    replayed.push(other);
                }
                for replayed in &replayed {
                    let (mine, theirs) =
                        (recorded.view().range(from..lengths.len()), replayed.view().range(from..lengths.len()));
                    assert_eq!(mine.first_difference(&theirs), one_by_one(mine, theirs), "{at} from {from}");
                    if mine.same_layout(&theirs) {
                        let place =
                            one_by_one(mine, theirs).map(|entry| Position { entry, byte: mine.raw(entry).len() - 1 });
                        assert_eq!(mine.differs_from(&theirs, Position::default()), place, "{at} from {from}");
                    }
                }
            }
        }
    }
}
