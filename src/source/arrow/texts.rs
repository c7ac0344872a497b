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
            return Ok(Self { rows, width, offsets: &[], data: &[] });
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
        Ok(Self { rows, width, offsets: &bytes[..offsets], data: &bytes[data.min(bytes.len())..] })
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
        const AT_ONCE: usize = 64;
        let len = self.get(row)?.len();
        let mut last = row;
        loop {
            // Texts of one length that are the same repeat themselves, as bytes: those of many rows compare in one go.
            let upto = (last + 1 + AT_ONCE).min(self.rows);
            let long =
                (last + 1..upto).take_while(|at| self.place(at + 1).wrapping_sub(self.place(*at)) == len).count();
            let (from, to) = (self.place(last), self.place(last + long + 1));
            let Some(texts) = self.data.get(from..to) else { break };
            match first_difference(&texts[len..], &texts[..texts.len() - len]) {
                None => last += long,
                Some(at) => {
                    last += at / len;
                    break;
                }
            }
            if long < AT_ONCE {
                break;
            }
        }
        Ok(last + 1 - row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_the_same_are_counted() {
        let runs = [("inv_a", 3), ("inv_b", 1), ("", 70), ("inv_bb", 200), ("inv_c", 64), ("inv_d", 65), ("inv_d2", 1)];
        let rows: Vec<&str> = runs.iter().flat_map(|(text, count)| vec![*text; *count]).collect();
        let data = rows.concat();
        for width in [4, 8] {
            let mut end = 0;
            let mut offsets = vec![0; width];
            for row in &rows {
                end += row.len() as u64;
                offsets.extend_from_slice(&end.to_le_bytes()[..width]);
            }
            let texts = Texts { rows: rows.len(), width, offsets: &offsets, data: data.as_bytes() };
            let mut from = 0;
            for (text, count) in runs {
                assert_eq!((texts.get(from).unwrap(), texts.same_from(from).unwrap()), (text.as_bytes(), count));
                from += count;
            }
            let torn = Texts { data: &data.as_bytes()[..data.len() - 7], ..texts };
            assert!(torn.same_from(from - 2).is_err(), "it ends outside");
        }
    }
}
