//! Journal span: consecutive rows of one batch that belong to one journal, found by reading the ids of every batch once.

use std::ops::Range;

use super::ipc::{BufferedView, IpcError};
use super::schema::{BufferPlace, ColumnPlace};
use crate::journal::{IdOrder, first_difference};
use crate::source::storage::ScratchBuffer;

/// Consecutive rows of one journal in one batch. Most journals are one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JournalSpan {
    pub id: IdOrder,
    pub batch: u32,
    pub row: u32,
    pub rows: u32,
}

impl JournalSpan {
    pub fn range(&self) -> Range<u32> {
        self.row..self.row + self.rows
    }
}

/// The spans of one file, in the order of its rows.
#[derive(Debug, Default)]
pub struct JournalSpans {
    pub spans: Vec<JournalSpan>,
    /// The ids that are not in Restate's form; a span has the place of such an id in this list.
    pub others: Vec<Box<str>>,
    /// The batches whose ids cannot be read, with the reason. They have no spans.
    pub broken: Vec<(usize, String)>,
    /// The ids that the following batches have keys of, or why these cannot be read.
    dictionary: Option<Result<Vec<IdOrder>, String>>,
}

impl JournalSpans {
    /// The id of a span as text.
    pub fn text(&self, span: &JournalSpan) -> String {
        match span.id.other_place() {
            Some(place) => self.others[place as usize].to_string(),
            None => span.id.id().map_or_else(String::new, |id| id.to_string()),
        }
    }

    fn id_of(&mut self, text: &[u8]) -> IdOrder {
        std::str::from_utf8(text).ok().and_then(IdOrder::of).unwrap_or_else(|| {
            self.others.push(String::from_utf8_lossy(text).into());
            IdOrder::of_other(self.others.len() as u32 - 1)
        })
    }

    fn push(&mut self, id: IdOrder, batch: usize, rows: Range<usize>) {
        let batch = u32::try_from(batch).expect("fewer than 2^32 batches");
        self.spans.push(JournalSpan { id, batch, row: rows.start as u32, rows: rows.len() as u32 });
    }

    /// Takes the ids that the following batches have keys of.
    pub(super) fn take_dictionary(&mut self, texts: &TextRows<'_>) {
        let ids: Result<_, IpcError> = texts.iter().map(|text| Ok(self.id_of(text?))).collect();
        self.dictionary = Some(ids.map_err(|error| error.to_string()));
    }

    /// Adds the spans of a batch whose ids are texts.
    pub(super) fn take_texts(&mut self, batch: usize, texts: &TextRows<'_>) -> Result<(), IpcError> {
        let mut from = 0;
        while from < texts.len() {
            let to = from + texts.same_from(from)?;
            let id = self.id_of(texts.get(from)?);
            self.push(id, batch, from..to);
            from = to;
        }
        Ok(())
    }

    /// Adds the spans of a batch whose ids are keys of 16 bits.
    pub(super) fn take_keys(&mut self, batch: usize, keys: &[u8]) -> Result<(), IpcError> {
        let dictionary = std::mem::take(&mut self.dictionary);
        let taken = match &dictionary {
            None => Err(IpcError::Malformed("a batch comes before its dictionary".to_owned())),
            Some(Err(reason)) => Err(IpcError::Malformed(reason.clone())),
            Some(Ok(ids)) => each_run(keys.as_chunks::<2>().0, |rows, key| {
                let id = ids.get(usize::from(u16::from_le_bytes(*key))).ok_or_else(|| {
                    IpcError::Malformed(format!("row {} of a batch has an id beyond its dictionary", rows.start))
                })?;
                self.push(*id, batch, rows);
                Ok(())
            }),
        };
        self.dictionary = dictionary;
        taken
    }
}

/// Gives each run of rows that have the same key.
fn each_run(
    keys: &[[u8; 2]],
    mut take: impl FnMut(Range<usize>, &[u8; 2]) -> Result<(), IpcError>,
) -> Result<(), IpcError> {
    const AT_ONCE: usize = 16;
    let mut from = 0;
    while let Some(key) = keys.get(from) {
        // Without an early exit inside of a chunk, the compiler makes vector code of this.
        let is_same = |chunk: &&[[u8; 2]]| chunk.iter().fold(true, |same, next| same & (next == key));
        let rest = &keys[from..];
        let whole = AT_ONCE * rest.chunks_exact(AT_ONCE).take_while(is_same).count();
        let to = from + whole + rest[whole..].iter().take_while(|next| *next == key).count();
        take(from..to, key)?;
        from = to;
    }
    Ok(())
}

/// A little-endian integer of 1, 4 or 8 bytes. Negative ones become huge, and so lie outside of every range.
pub(super) fn integer(bytes: &[u8]) -> u64 {
    match *bytes {
        [a] => u64::from(a),
        [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
        _ => bytes.try_into().map_or(u64::MAX, u64::from_le_bytes),
    }
}

/// The texts of one column of a batch, or of a dictionary, row by row.
pub(super) struct TextRows<'b> {
    rows: usize,
    /// The width of an offset.
    width: usize,
    offsets: &'b [u8],
    data: &'b [u8],
    /// The length of all texts, if they have the same, are not empty, and lie inside of the data.
    common_length: Option<usize>,
}

impl<'b> TextRows<'b> {
    /// `body` is where the body of the batch begins in the file.
    pub fn read(
        view: BufferedView<'b>,
        body: u64,
        place: ColumnPlace,
        rows: u32,
        width: usize,
        buffer: &'b mut ScratchBuffer,
    ) -> Result<Self, IpcError> {
        let rows = rows as usize;
        if rows == 0 {
            return Ok(Self::new(0, width, &[], &[]));
        }
        // Offsets and data lie next to each other, so one read gets both.
        let from = place.values.at.min(place.data.at);
        let bytes = view.read(body + u64::from(from), (place.end() - from) as usize, buffer)?;
        let part = |of: BufferPlace| &bytes[(of.at - from) as usize..][..of.len as usize];
        Ok(Self::new(rows, width, &part(place.values)[..(rows + 1) * width], part(place.data)))
    }

    fn new(rows: usize, width: usize, offsets: &'b [u8], data: &'b [u8]) -> Self {
        let length = match width {
            4 => length_of_all(offsets.as_chunks::<4>().0, |word| u32::from_le_bytes(*word).into()),
            _ => length_of_all(offsets.as_chunks::<8>().0, |word| u64::from_le_bytes(*word)),
        };
        let mut texts = Self { rows, width, offsets, data, common_length: None };
        // Offsets may have any value, and their differences may wrap around.
        let size = |length: usize| length.checked_mul(rows).filter(|size| *size > 0);
        let length = length.and_then(|length| usize::try_from(length).ok());
        texts.common_length = length.filter(|length| {
            data.get(texts.offset(0)..texts.offset(rows)).is_some_and(|all| size(*length) == Some(all.len()))
        });
        texts
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<&'b [u8], IpcError>> + '_ {
        (0..self.rows).map(|row| self.get(row))
    }

    pub fn get(&self, row: usize) -> Result<&'b [u8], IpcError> {
        let text = self.data.get(self.offset(row)..self.offset(row + 1));
        text.ok_or_else(|| IpcError::Malformed(format!("row {row} of a batch lies outside its column")))
    }

    fn offset(&self, row: usize) -> usize {
        integer(&self.offsets[row * self.width..][..self.width]) as usize
    }

    /// How many rows have the same text, from this one on.
    pub fn same_from(&self, row: usize) -> Result<usize, IpcError> {
        let text = self.get(row)?;
        let Some(length) = self.common_length else {
            let mut same = 1;
            while row + same < self.rows && self.get(row + same)? == text {
                same += 1;
            }
            return Ok(same);
        };
        // As long as the texts are the same, the data equals itself shifted by the length of one text.
        let texts = &self.data[self.offset(row)..self.offset(self.rows)];
        let differs = first_difference(&texts[length..], &texts[..texts.len() - length]);
        Ok(differs.map_or(self.rows - row, |at| at / length + 1))
    }
}

/// The length that all texts have in common, from the offsets at which each begins and the last ends.
fn length_of_all<const WIDTH: usize>(offsets: &[[u8; WIDTH]], value: impl Fn(&[u8; WIDTH]) -> u64) -> Option<u64> {
    let [first, second, ..] = offsets else { return None };
    let length = value(second).wrapping_sub(value(first));
    // Without an early exit, the compiler makes vector code of this.
    let pairs = offsets[1..].iter().zip(offsets);
    let same = pairs.fold(true, |same, (to, from)| same & (value(to).wrapping_sub(value(from)) == length));
    same.then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_equal_keys_are_counted() {
        let keys: Vec<[u8; 2]> = [(1u16, 1), (2, 16), (3, 17), (2, 5), (900, 40)]
            .iter()
            .flat_map(|(key, count)| vec![key.to_le_bytes(); *count])
            .collect();
        let mut runs = Vec::new();
        each_run(&keys, |rows, key| {
            runs.push((u16::from_le_bytes(*key), rows));
            Ok(())
        })
        .unwrap();
        assert_eq!(runs, [(1, 0..1), (2, 1..17), (3, 17..34), (2, 34..39), (900, 39..79)]);
    }

    #[test]
    fn runs_of_equal_texts_are_counted() {
        let runs = [("inv_a", 3), ("inv_b", 1), ("", 70), ("inv_bb", 200), ("inv_c", 64), ("inv_d", 65), ("inv_d2", 1)];
        let lengths = [&runs[..], &[("inv_a", 3), ("inv_b", 1), ("inv_a", 130), ("inv_c", 1)]];
        for (runs, width) in lengths.into_iter().flat_map(|runs| [(runs, 4), (runs, 8)]) {
            let rows: Vec<&str> = runs.iter().flat_map(|(text, count)| vec![*text; *count]).collect();
            let data = rows.concat();
            let mut end = 0;
            let mut offsets = vec![0; width];
            for row in &rows {
                end += row.len() as u64;
                offsets.extend_from_slice(&end.to_le_bytes()[..width]);
            }
            let texts = TextRows::new(rows.len(), width, &offsets, data.as_bytes());
            let mut from = 0;
            for (text, count) in runs {
                assert_eq!((texts.get(from).unwrap(), texts.same_from(from).unwrap()), (text.as_bytes(), *count));
                from += count;
            }
            let torn = TextRows::new(rows.len(), width, &offsets, &data.as_bytes()[..data.len() - 4]);
            assert!(torn.same_from(from - 1).is_err(), "the last text ends outside");
        }
    }

    #[test]
    fn offsets_that_wrap_around_lie_outside() {
        let offsets = [0, 1 << 63, 0u64].map(u64::to_le_bytes).concat();
        let texts = TextRows::new(2, 8, &offsets, b"inv");
        assert!(texts.same_from(0).is_err());
    }
}
