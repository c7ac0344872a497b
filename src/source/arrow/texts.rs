//! A column of texts, row by row.

use super::layout::ColumnSpans;
use super::message::{ArrowError, Near};
use super::segment::integer;
use super::store::Scratch;
use crate::journal::first_difference;

/// A column of texts or binaries.
pub(super) struct Texts<'b> {
    rows: usize,
    /// The width of an offset.
    width: usize,
    offsets: &'b [u8],
    data: &'b [u8],
    /// The length of every text, where it is the same and they lie inside, and not nothing.
    length: Option<usize>,
}

impl<'b> Texts<'b> {
    pub fn read(
        near: Near<'b>,
        body: u64,
        spans: ColumnSpans,
        rows: u32,
        width: u8,
        buffer: &'b mut Scratch,
    ) -> Result<Self, ArrowError> {
        let (rows, width) = (rows as usize, usize::from(width));
        if rows == 0 {
            return Ok(Self::new(0, width, &[], &[]));
        }
        let offsets = (rows + 1) * width;
        // The two lie next to each other but for padding, mostly: one read gets both.
        let (from, to) = (spans.values.at, spans.end());
        let gap = spans.data.at.wrapping_sub(from) as usize;
        let together = spans.data.at >= from && (offsets..offsets + 256).contains(&gap);
        let (bytes, data) = if together {
            (near.read(body + u64::from(from), (to - from) as usize, buffer)?, gap)
        } else {
            near.read_both(
                (body + u64::from(from), offsets),
                (body + u64::from(spans.data.at), spans.data.len as usize),
                buffer,
            )?
        };
        Ok(Self::new(rows, width, &bytes[..offsets], &bytes[data.min(bytes.len())..]))
    }

    fn new(rows: usize, width: usize, offsets: &'b [u8], data: &'b [u8]) -> Self {
        let length = match width {
            4 => length_of_all(offsets.as_chunks::<4>().0, |word| u32::from_le_bytes(*word).into()),
            _ => length_of_all(offsets.as_chunks::<8>().0, |word| u64::from_le_bytes(*word)),
        };
        let mut texts = Self { rows, width, offsets, data, length: None };
        // Offsets may be anything, and wrap around.
        let size = |length: usize| length.checked_mul(rows).filter(|size| *size > 0);
        let length = length.and_then(|length| usize::try_from(length).ok());
        texts.length = length.filter(|length| {
            data.get(texts.place(0)..texts.place(rows)).is_some_and(|all| size(*length) == Some(all.len()))
        });
        texts
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<&'b [u8], ArrowError>> + '_ {
        (0..self.rows).map(|row| self.get(row))
    }

    pub fn get(&self, row: usize) -> Result<&'b [u8], ArrowError> {
        let text = self.data.get(self.place(row)..self.place(row + 1));
        text.ok_or_else(|| ArrowError::Malformed(format!("row {row} of a batch lies outside its column")))
    }

    fn place(&self, row: usize) -> usize {
        integer(&self.offsets[row * self.width..][..self.width]) as usize
    }

    /// How many rows have the same text, from this one on.
    pub fn same_from(&self, row: usize) -> Result<usize, ArrowError> {
        let text = self.get(row)?;
        let Some(length) = self.length else {
            let mut same = 1;
            while row + same < self.rows && self.get(row + same)? == text {
                same += 1;
            }
            return Ok(same);
        };
        // The same text again and again is the bytes before it again and again.
        let texts = &self.data[self.place(row)..self.place(self.rows)];
        let differs = first_difference(&texts[length..], &texts[..texts.len() - length]);
        Ok(differs.map_or(self.rows - row, |at| at / length + 1))
    }
}

/// The length that all texts have, by where each begins and the last ends.
fn length_of_all<const WIDTH: usize>(places: &[[u8; WIDTH]], place: impl Fn(&[u8; WIDTH]) -> u64) -> Option<u64> {
    let [first, second, ..] = places else { return None };
    let length = place(second).wrapping_sub(place(first));
    // No early exit, so that this becomes vector code.
    let next = places[1..].iter().zip(places);
    let same = next.fold(true, |same, (to, from)| same & (place(to).wrapping_sub(place(from)) == length));
    same.then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_the_same_are_counted() {
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
            let texts = Texts::new(rows.len(), width, &offsets, data.as_bytes());
            let mut from = 0;
            for (text, count) in runs {
                assert_eq!((texts.get(from).unwrap(), texts.same_from(from).unwrap()), (text.as_bytes(), *count));
                from += count;
            }
            let torn = Texts::new(rows.len(), width, &offsets, &data.as_bytes()[..data.len() - 4]);
            assert!(torn.same_from(from - 1).is_err(), "it ends outside");
        }
    }

    #[test]
    fn places_that_go_round_are_outside() {
        let offsets = [0, 1 << 63, 0u64].map(u64::to_le_bytes).concat();
        let texts = Texts::new(2, 8, &offsets, b"inv");
        assert!(texts.same_from(0).is_err());
    }
}
