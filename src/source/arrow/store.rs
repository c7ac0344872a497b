//! Bytes that can be read at any place: a file, or what was put together on the way.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

#[derive(Debug)]
pub enum Store {
    File { file: File, len: u64 },
    Spooled(Spooled),
}

impl Store {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self::File { file, len })
    }

    /// All that an input gives, which may be no file.
    pub fn spool(input: &mut impl Read) -> io::Result<Self> {
        let mut spooled = Spooled::default();
        io::copy(input, &mut spooled)?;
        Ok(Self::Spooled(spooled))
    }

    pub fn size(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Spooled(spooled) => spooled.len(),
        }
    }

    /// Appends `len` bytes from `at` to `buffer`. The place must lie inside.
    pub fn read(&self, at: u64, len: usize, buffer: &mut Scratch) -> io::Result<()> {
        let inside = at.checked_add(len as u64).is_some_and(|end| end <= self.size());
        if !inside {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match self {
            Self::File { file, .. } => file.read_exact_at(buffer.grow(len), at),
            Self::Spooled(spooled) => {
                let (mut at, mut rest) = (at, buffer.grow(len));
                while !rest.is_empty() {
                    let read = spooled.read_at(at, rest)?;
                    at += read as u64;
                    rest = &mut rest[read..];
                }
                Ok(())
            }
        }
    }

    /// What lies there, where it is in memory as it is.
    pub fn in_memory(&self, at: u64, len: usize) -> Option<&[u8]> {
        match self {
            Self::File { .. } => None,
            Self::Spooled(spooled) => spooled.part_at(at)?.get(..len),
        }
    }

    /// Reads as much as there is at `at`, up to the buffer's length.
    pub fn read_into(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.read_at(buffer, at),
            Self::Spooled(spooled) => spooled.read_at(at, buffer),
        }
    }
}

/// A store as a reader, from its beginning.
pub struct StoreReader<'a> {
    store: &'a Store,
    at: u64,
}

impl<'a> StoreReader<'a> {
    pub fn new(store: &'a Store, at: u64) -> Self {
        Self { store, at }
    }
}

impl Read for StoreReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.store.read_into(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Kept in memory up to this size, in a temporary file beyond.
const IN_MEMORY: u64 = 64 << 20;

/// Bytes in memory are kept in parts of about this size: growing one run of them would copy it again and again.
const PART: usize = 1 << 20;

/// Bytes that came one after the other: the first in memory, what follows in a file.
#[derive(Debug, Default)]
pub struct Spooled {
    parts: Vec<Vec<u8>>,
    /// Where each part ends.
    ends: Vec<u64>,
    rest: Option<File>,
    rest_len: u64,
}

impl Spooled {
    pub fn len(&self) -> u64 {
        self.in_memory() + self.rest_len
    }

    fn in_memory(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Takes bytes over without copying them where there is room, and leaves nothing in the buffer.
    pub fn append(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if self.rest.is_none() && self.in_memory() + bytes.len() as u64 <= IN_MEMORY {
            // The next will be as large.
            let next = Vec::with_capacity((bytes.len() + bytes.len() / 8).min(2 * PART));
            self.ends.push(self.in_memory() + bytes.len() as u64);
            self.parts.push(std::mem::replace(bytes, next));
            return Ok(());
        }
        self.write_rest(bytes)?;
        bytes.clear();
        Ok(())
    }

    fn write_rest(&mut self, bytes: &[u8]) -> io::Result<()> {
        let rest = match &mut self.rest {
            Some(rest) => rest,
            None => self.rest.insert(tempfile::tempfile()?),
        };
        rest.write_all(bytes)?;
        self.rest_len += bytes.len() as u64;
        Ok(())
    }

    /// What is in memory from here to the end of its part.
    fn part_at(&self, at: u64) -> Option<&[u8]> {
        let part = self.ends.partition_point(|end| *end <= at);
        let bytes = self.parts.get(part)?;
        Some(&bytes[bytes.len() - (self.ends[part] - at) as usize..])
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(bytes) = self.part_at(at) {
            let read = buffer.len().min(bytes.len());
            buffer[..read].copy_from_slice(&bytes[..read]);
            return Ok(read);
        }
        match &self.rest {
            Some(rest) if at < self.len() => rest.read_at(buffer, at - self.in_memory()),
            _ => Ok(0),
        }
    }
}

impl Write for Spooled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.rest.is_some() || self.in_memory() + bytes.len() as u64 > IN_MEMORY {
            self.write_rest(bytes)?;
            return Ok(bytes.len());
        }
        match (self.parts.last_mut(), self.ends.last_mut()) {
            (Some(part), Some(end)) if part.len() + bytes.len() <= PART => {
                part.extend_from_slice(bytes);
                *end += bytes.len() as u64;
            }
            _ => {
                let mut part = Vec::with_capacity(PART.max(bytes.len()));
                part.extend_from_slice(bytes);
                self.ends.push(self.in_memory() + bytes.len() as u64);
                self.parts.push(part);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that are read into again and again, without being zeroed in between.
#[derive(Debug, Default)]
pub struct Scratch {
    bytes: Vec<u8>,
    len: usize,
}

impl Scratch {
    /// Keeping more than this for the next reading would hold on to one giant journal's memory.
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

impl std::ops::Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spooled_is_read_at_any_place() {
        let mut spooled = Spooled::default();
        let mut expected = Vec::new();
        for round in 0..70u8 {
            let bytes = vec![round; PART + usize::from(round)];
            expected.extend_from_slice(&bytes);
            if round % 2 == 0 {
                spooled.append(&mut bytes.clone()).unwrap();
            } else {
                spooled.write_all(&bytes).unwrap();
            }
        }
        assert!(spooled.rest.is_some(), "beyond what is kept in memory");
        let store = Store::Spooled(spooled);
        assert_eq!(store.size(), expected.len() as u64);
        let mut buffer = Scratch::default();
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
}
