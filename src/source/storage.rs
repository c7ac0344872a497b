//! Storage: bytes that can be read at any offset, from a file or from a spill buffer.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::spill::{SpillBuffer, SpillPool};
use crate::platform;

#[derive(Debug)]
pub enum Storage {
    File { file: File, len: u64 },
    Spilled(SpillBuffer),
}

impl Storage {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self::File { file, len })
    }

    /// Reads an input to its end, for inputs that have no offsets, such as pipes.
    pub fn spill(input: &mut impl Read, pool: &Arc<SpillPool>) -> io::Result<Self> {
        let mut spilled = SpillBuffer::new(pool);
        io::copy(input, &mut spilled)?;
        Ok(Self::Spilled(spilled))
    }

    pub fn size(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Spilled(spilled) => spilled.len(),
        }
    }

    /// Appends the `len` bytes at `at` to `buffer`; an error if they are not all there.
    pub fn read(&self, at: u64, len: usize, buffer: &mut ScratchBuffer) -> io::Result<()> {
        let inside = at.checked_add(len as u64).is_some_and(|end| end <= self.size());
        if !inside {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_exact(at, buffer.grow(len))
    }

    /// Fills `bytes` from `at` on.
    pub fn read_exact(&self, mut at: u64, mut bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Self::File { file, .. } => platform::read_exact_at(file, bytes, at),
            Self::Spilled(spilled) => {
                while !bytes.is_empty() {
                    let read = spilled.read_at(at, bytes)?;
                    if read == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    at += read as u64;
                    bytes = &mut bytes[read..];
                }
                Ok(())
            }
        }
    }

    /// The bytes themselves, if they lie together in memory.
    pub fn in_memory(&self, at: u64, len: usize) -> Option<&[u8]> {
        match self {
            Self::File { .. } => None,
            Self::Spilled(spilled) => spilled.in_memory(at)?.get(..len),
        }
    }

    /// Reads what there is at `at`, at most as much as fits; returns how many bytes that were.
    pub fn read_some(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => platform::read_at(file, buffer, at),
            Self::Spilled(spilled) => spilled.read_at(at, buffer),
        }
    }
}

/// Reads a storage from its beginning to its end.
pub struct StorageReader<'a> {
    storage: &'a Storage,
    at: u64,
}

impl<'a> StorageReader<'a> {
    pub fn new(storage: &'a Storage) -> Self {
        Self { storage, at: 0 }
    }
}

impl Read for StorageReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.storage.read_some(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A buffer that is reused from one reading to the next, without being zeroed in between.
#[derive(Debug, Default)]
pub struct ScratchBuffer {
    bytes: Vec<u8>,
    len: usize,
}

impl ScratchBuffer {
    /// A buffer that grew beyond this is freed: one giant journal must not hold its memory for the rest of the run.
    const KEPT: usize = 16 << 20;

    pub fn clear(&mut self) {
        self.len = 0;
        if self.bytes.len() > Self::KEPT {
            self.bytes = Vec::new();
        }
    }

    fn grow(&mut self, len: usize) -> &mut [u8] {
        let from = self.len;
        self.len += len;
        if self.bytes.len() < self.len {
            self.bytes.resize(self.len, 0);
        }
        &mut self.bytes[from..self.len]
    }
}

impl std::ops::Deref for ScratchBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn spilled_bytes_are_read_at_any_offset() {
        const PART: usize = 1 << 20;
        let pool = Arc::new(SpillPool::with_budget(64 << 20));
        // Two buffers write in turn, so that their stretches of the file alternate.
        let mut both = [(); 2].map(|()| (SpillBuffer::new(&pool), Vec::new()));
        for round in 0..70u8 {
            for (number, (spilled, expected)) in both.iter_mut().enumerate() {
                let bytes = vec![round ^ (number as u8) << 7; PART / 2 * (1 + number) + usize::from(round)];
                expected.extend_from_slice(&bytes);
                spilled.write_all(&bytes).unwrap();
            }
        }
        let mut buffer = ScratchBuffer::default();
        for (spilled, expected) in both {
            let storage = Storage::Spilled(spilled);
            assert_eq!(storage.size(), expected.len() as u64);
            for from in (0..expected.len()).step_by(777_777) {
                let len = (expected.len() - from).min(3 << 20);
                buffer.clear();
                storage.read(from as u64, len, &mut buffer).unwrap();
                assert!(buffer[..] == expected[from..from + len], "{from}");
                if let Some(kept) = storage.in_memory(from as u64, len) {
                    assert!(kept == &expected[from..from + len], "{from}");
                }
            }
            assert_eq!(storage.in_memory(7, 5), Some(&expected[7..12]));
            assert_eq!(storage.in_memory(7, 3 * PART), None, "beyond the end of its part");
            assert_eq!(storage.in_memory(expected.len() as u64 - 5, 5), None, "in the file");
            assert_eq!(storage.read_some(storage.size(), &mut [0; 8]).unwrap(), 0);
            assert!(storage.read(storage.size() - 1, 2, &mut buffer).is_err());
        }
        assert_eq!(pool.memory_left(), 64 << 20, "dropped buffers give their memory back");
    }
}
