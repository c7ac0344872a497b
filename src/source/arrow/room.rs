//! What comes one after the other and can not be read again where it came from: kept in memory as long as there is room
//! for it, in a temporary file beyond, of which there is one however many inputs there are.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::platform;

/// Room in memory for what is spooled, of many inputs together; and where it goes beyond that.
#[derive(Debug)]
pub struct Room {
    state: Mutex<RoomState>,
}

#[derive(Debug)]
struct RoomState {
    left: u64,
    /// Without a name, so that it is gone with the process whatever becomes of that.
    file: Option<Arc<File>>,
    file_len: u64,
}

/// So much of what a run reads may be kept in memory.
const IN_MEMORY: u64 = 256 << 20;

impl Default for Room {
    fn default() -> Self {
        Self::of(IN_MEMORY)
    }
}

impl Room {
    fn of(bytes: u64) -> Self {
        Self { state: Mutex::new(RoomState { left: bytes, file: None, file_len: 0 }) }
    }

    fn state(&self) -> MutexGuard<'_, RoomState> {
        // Nothing that is done while it is held leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room in memory for so many bytes, which is taken now.
    fn take(&self, bytes: u64) -> bool {
        let mut state = self.state();
        let left = state.left.checked_sub(bytes);
        state.left = left.unwrap_or(state.left);
        left.is_some()
    }

    fn give_back(&self, bytes: u64) {
        self.state().left += bytes;
    }

    /// Writes bytes to the file; which that is, and where in it they are.
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
}

/// Bytes in memory are kept in parts of about this size: growing one run of them would copy it again and again.
const PART: usize = 1 << 20;

/// Bytes that came one after the other, in parts.
#[derive(Debug)]
pub struct Spooled {
    room: Arc<Room>,
    parts: Vec<Part>,
    /// Where each part ends.
    ends: Vec<u64>,
}

#[derive(Debug)]
enum Part {
    Memory(Vec<u8>),
    File { file: Arc<File>, end: u64 },
}

impl Spooled {
    pub fn new(room: &Arc<Room>) -> Self {
        Self { room: Arc::clone(room), parts: Vec::new(), ends: Vec::new() }
    }

    pub fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Takes bytes over without copying them where there is room, and leaves nothing in the buffer.
    pub fn append(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if self.room.take(bytes.len() as u64) {
            // The next will be as large.
            let next = Vec::with_capacity((bytes.len() + bytes.len() / 8).min(2 * PART));
            self.ends.push(self.len() + bytes.len() as u64);
            self.parts.push(Part::Memory(std::mem::replace(bytes, next)));
            return Ok(());
        }
        self.write_to_file(bytes)?;
        bytes.clear();
        Ok(())
    }

    fn write_to_file(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (file, at) = self.room.write(bytes)?;
        let end = at + bytes.len() as u64;
        let len = self.len() + bytes.len() as u64;
        match (self.parts.last_mut(), self.ends.last_mut()) {
            (Some(Part::File { end: before, .. }), Some(last)) if *before == at => (*before, *last) = (end, len),
            _ => {
                self.parts.push(Part::File { file, end });
                self.ends.push(len);
            }
        }
        Ok(())
    }

    /// The part that a place is in, and how much of it lies behind that place.
    fn part_at(&self, at: u64) -> Option<(&Part, u64)> {
        let part = self.ends.partition_point(|end| *end <= at);
        Some((self.parts.get(part)?, self.ends[part] - at))
    }

    /// What is in memory from here to the end of its part.
    pub fn in_memory(&self, at: u64) -> Option<&[u8]> {
        match self.part_at(at)? {
            (Part::Memory(bytes), left) => Some(&bytes[bytes.len() - left as usize..]),
            (Part::File { .. }, _) => None,
        }
    }

    pub fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((part, left)) = self.part_at(at) else { return Ok(0) };
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..wanted];
        match part {
            Part::Memory(bytes) => buffer.copy_from_slice(&bytes[bytes.len() - left as usize..][..wanted]),
            Part::File { file, end } => platform::read_exact_at(file, buffer, end - left)?,
        }
        Ok(wanted)
    }
}
impl Write for Spooled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.room.take(bytes.len() as u64) {
            self.write_to_file(bytes)?;
            return Ok(bytes.len());
        }
        let len = self.len() + bytes.len() as u64;
        match (self.parts.last_mut(), self.ends.last_mut()) {
            (Some(Part::Memory(part)), Some(end)) if part.len() + bytes.len() <= PART => {
                part.extend_from_slice(bytes);
                *end = len;
            }
            _ => {
                let mut part = Vec::with_capacity(PART.max(bytes.len()));
                part.extend_from_slice(bytes);
                self.parts.push(Part::Memory(part));
                self.ends.push(len);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        let in_memory = |part: &Part| if let Part::Memory(bytes) = part { bytes.len() as u64 } else { 0 };
        self.room.give_back(self.parts.iter().map(in_memory).sum());
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::{Scratch, Store};
    use super::*;

    #[test]
    fn what_is_spooled_is_read_at_any_place() {
        let room = Arc::new(Room::of(64 << 20));
        // Two take turns: what goes to their file lies between each other's.
        let mut both = [(); 2].map(|()| (Spooled::new(&room), Vec::new()));
        for round in 0..70u8 {
            for (number, (spooled, expected)) in both.iter_mut().enumerate() {
                let bytes = vec![round ^ (number as u8) << 7; PART + usize::from(round)];
                expected.extend_from_slice(&bytes);
                if (usize::from(round) + number).is_multiple_of(2) {
                    spooled.append(&mut bytes.clone()).unwrap();
                } else {
                    spooled.write_all(&bytes).unwrap();
                }
            }
        }
        let mut buffer = Scratch::default();
        for (spooled, expected) in both {
            assert!(matches!(spooled.parts.last(), Some(Part::File { .. })), "beyond what is kept in memory");
            let store = Store::Spooled(spooled);
            assert_eq!(store.size(), expected.len() as u64);
            for from in (0..expected.len()).step_by(777_777) {
                let len = (expected.len() - from).min(3 << 20);
                buffer.clear();
                store.read(from as u64, len, &mut buffer).unwrap();
                assert!(buffer[..] == expected[from..from + len], "{from}");
                if let Some(kept) = store.in_memory(from as u64, len) {
                    assert!(kept == &expected[from..from + len], "{from}");
                }
            }
            assert_eq!(store.in_memory(7, 5), Some(&expected[7..12]));
            assert_eq!(store.in_memory(7, PART), None, "over the end of its part");
            assert_eq!(store.in_memory(expected.len() as u64 - 5, 5), None, "in a file");
            assert_eq!(store.read_into(store.size(), &mut [0; 8]).unwrap(), 0);
            assert!(store.read(store.size() - 1, 2, &mut buffer).is_err());
        }
        assert_eq!(room.state().left, 64 << 20, "nothing is kept of what is gone");
    }

    #[test]
    fn what_lies_together_in_the_file_is_one_part() {
        let mut spooled = Spooled::new(&Arc::new(Room::of(9)));
        for piece in [&b"in memory"[..], b"in the", b" ", b"file"] {
            spooled.write_all(piece).unwrap();
        }
        assert_eq!((spooled.parts.len(), spooled.len()), (2, 20));
        let mut read = [0; 11];
        assert_eq!(spooled.read_at(9, &mut read).unwrap(), 11);
        assert_eq!(&read, b"in the file");
    }
}
