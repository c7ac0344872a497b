//! Spill buffer: keeps input that cannot be read twice in memory up to a budget, and beyond it in one temporary file.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::platform;

/// The memory budget and the temporary file that all spill buffers of a run share.
#[derive(Debug)]
pub struct SpillPool {
    state: Mutex<SpillPoolState>,
}

#[derive(Debug)]
struct SpillPoolState {
    memory_left: u64,
    /// The file has no name, so the system removes it with the process, however that ends.
    file: Option<Arc<File>>,
    file_len: u64,
}

/// Bytes that the spill buffers of one run may keep in memory.
const MEMORY_BUDGET: u64 = 256 << 20;

impl Default for SpillPool {
    fn default() -> Self {
        Self::with_budget(MEMORY_BUDGET)
    }
}

impl SpillPool {
    pub(super) fn with_budget(bytes: u64) -> Self {
        Self { state: Mutex::new(SpillPoolState { memory_left: bytes, file: None, file_len: 0 }) }
    }

    fn state(&self) -> MutexGuard<'_, SpillPoolState> {
        // No change under this lock can stop halfway, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so many bytes out of the budget; `false` if not enough is left.
    fn reserve(&self, bytes: u64) -> bool {
        let mut state = self.state();
        let left = state.memory_left.checked_sub(bytes);
        state.memory_left = left.unwrap_or(state.memory_left);
        left.is_some()
    }

    fn release(&self, bytes: u64) {
        self.state().memory_left += bytes;
    }

    /// Writes the bytes to the temporary file. Returns the file and the offset at which they begin.
    fn write(&self, bytes: &[u8]) -> io::Result<(Arc<File>, u64)> {
        let mut state = self.state();
        let file = match &state.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(state.file.insert(Arc::new(tempfile::tempfile()?))),
        };
        let at = state.file_len;
        state.file_len += bytes.len() as u64;
        drop(state);
        platform::write_all_at(&file, bytes, at)?;
        Ok((file, at))
    }

    #[cfg(test)]
    pub(super) fn memory_left(&self) -> u64 {
        self.state().memory_left
    }
}

/// Memory is allocated in parts of this size: a single growing buffer would be copied again and again.
const MEMORY_PART: usize = 1 << 20;

/// Bytes in the order in which they were written, kept in parts.
#[derive(Debug)]
pub struct SpillBuffer {
    pool: Arc<SpillPool>,
    parts: Vec<SpillPart>,
    /// The offset at which each part ends.
    ends: Vec<u64>,
}

#[derive(Debug)]
enum SpillPart {
    Memory(Vec<u8>),
    /// A stretch of the temporary file that ends at `end`.
    File {
        file: Arc<File>,
        end: u64,
    },
}

impl SpillBuffer {
    pub fn new(pool: &Arc<SpillPool>) -> Self {
        Self { pool: Arc::clone(pool), parts: Vec::new(), ends: Vec::new() }
    }

    pub fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn write_to_file(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (file, at) = self.pool.write(bytes)?;
        let end = at + bytes.len() as u64;
        let len = self.len() + bytes.len() as u64;
        match (self.parts.last_mut(), self.ends.last_mut()) {
            (Some(SpillPart::File { end: before, .. }), Some(last)) if *before == at => (*before, *last) = (end, len),
            _ => {
                self.parts.push(SpillPart::File { file, end });
                self.ends.push(len);
            }
        }
        Ok(())
    }

    /// The part that holds the byte at `at`, and how many bytes of it follow from there.
    fn part_at(&self, at: u64) -> Option<(&SpillPart, u64)> {
        let part = self.ends.partition_point(|end| *end <= at);
        Some((self.parts.get(part)?, self.ends[part] - at))
    }

    /// The bytes from `at` to the end of their part, if that part is in memory.
    pub fn in_memory(&self, at: u64) -> Option<&[u8]> {
        match self.part_at(at)? {
            (SpillPart::Memory(bytes), left) => Some(&bytes[bytes.len() - left as usize..]),
            (SpillPart::File { .. }, _) => None,
        }
    }

    /// Reads up to the end of the part that holds `at`; returns how many bytes that were.
    pub fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((part, left)) = self.part_at(at) else { return Ok(0) };
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..wanted];
        match part {
            SpillPart::Memory(bytes) => buffer.copy_from_slice(&bytes[bytes.len() - left as usize..][..wanted]),
            SpillPart::File { file, end } => platform::read_exact_at(file, buffer, end - left)?,
        }
        Ok(wanted)
    }
}

impl Write for SpillBuffer {
    /// Takes all bytes, and never splits them between two parts.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.pool.reserve(bytes.len() as u64) {
            self.write_to_file(bytes)?;
            return Ok(bytes.len());
        }
        let len = self.len() + bytes.len() as u64;
        match (self.parts.last_mut(), self.ends.last_mut()) {
            (Some(SpillPart::Memory(part)), Some(end)) if part.len() + bytes.len() <= MEMORY_PART => {
                part.extend_from_slice(bytes);
                *end = len;
            }
            _ => {
                let mut part = Vec::with_capacity(MEMORY_PART.max(bytes.len()));
                part.extend_from_slice(bytes);
                self.parts.push(SpillPart::Memory(part));
                self.ends.push(len);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SpillBuffer {
    fn drop(&mut self) {
        let in_memory = |part: &SpillPart| if let SpillPart::Memory(bytes) = part { bytes.len() as u64 } else { 0 };
        self.pool.release(self.parts.iter().map(in_memory).sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_writes_to_the_file_are_one_part() {
        let mut spilled = SpillBuffer::new(&Arc::new(SpillPool::with_budget(9)));
        for bytes in [&b"in memory"[..], b"in the", b" ", b"file"] {
            spilled.write_all(bytes).unwrap();
        }
        assert_eq!((spilled.parts.len(), spilled.len()), (2, 20));
        let mut read = [0; 11];
        assert_eq!(spilled.read_at(9, &mut read).unwrap(), 11);
        assert_eq!(&read, b"in the file");
    }
}
