//! Bytes that can be read at any place: a file, or what was put together on the way.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::room::{Room, Spooled};
use crate::platform;

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
    pub fn spool(input: &mut impl Read, room: &Arc<Room>) -> io::Result<Self> {
        let mut spooled = Spooled::new(room);
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
            Self::File { file, .. } => platform::read_exact_at(file, buffer.grow(len), at),
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
            Self::Spooled(spooled) => spooled.in_memory(at)?.get(..len),
        }
    }

    /// Reads as much as there is at `at`, up to the buffer's length.
    pub fn read_into(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => platform::read_at(file, buffer, at),
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
