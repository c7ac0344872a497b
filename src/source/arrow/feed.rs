//! An Arrow stream that comes in parts, over a network: batches as soon as they are whole.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::ArrowError;
use bytes::Bytes;

/// The bytes of a stream that were fed so far, as far as they are no whole batch.
#[derive(Debug, Default)]
pub struct Feed {
    decoder: StreamDecoder,
    last: [u8; 8],
}

/// A stream ends with this. One that just stops was cut off, even between two batches.
const END: [u8; 8] = [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];

impl Feed {
    pub fn push(
        &mut self,
        chunk: Bytes,
        mut sink: impl FnMut(&RecordBatch) -> Result<(), ArrowError>,
    ) -> Result<(), ArrowError> {
        let kept = self.last.len().saturating_sub(chunk.len());
        self.last.rotate_right(kept);
        let new = self.last.len() - kept;
        self.last[kept..].copy_from_slice(&chunk[chunk.len() - new..]);
        let mut buffer = Buffer::from(chunk);
        while !buffer.is_empty() {
            if let Some(batch) = self.decoder.decode(&mut buffer)? {
                sink(&batch)?;
            }
        }
        Ok(())
    }

    /// Whether the stream said that this is its end.
    pub fn is_whole(&self) -> bool {
        self.last == END
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::arrow::{ArrowWriter, RowRef};

    #[test]
    fn a_stream_is_whole_with_its_last_byte() {
        let mut writer = ArrowWriter::new(Vec::new()).unwrap();
        let row = RowRef { id: "a", index: 0, entry_type: "Command: Input", raw: b"xyz", version: 2 };
        writer.push(row, None).unwrap();
        let bytes = Bytes::from(writer.finish().unwrap());
        for size in [1, 7, 8, 9, 100, bytes.len()] {
            let mut feed = Feed::default();
            let mut rows = 0;
            let mut parts = Vec::new();
            let mut rest = bytes.clone();
            while !rest.is_empty() {
                parts.push(rest.split_to(size.min(rest.len())));
            }
            for part in parts {
                assert!(!feed.is_whole());
                feed.push(part, |batch| {
                    rows += batch.num_rows();
                    Ok(())
                })
                .unwrap();
            }
            assert!(feed.is_whole(), "in parts of {size}");
            assert_eq!(rows, 1);
        }
    }
}
