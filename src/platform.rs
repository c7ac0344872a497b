//! The platform shim: the few file operations that the standard library names differently on Unix and on Windows.
//!
//! Nothing outside this file may use `std::os` (`tests/layers.rs` checks it). Each platform supplies four small
//! functions, and everything else is written once on top of them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

#[cfg(unix)]
mod native {
    use std::fs::{File, OpenOptions, TryLockError};
    use std::io;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    use super::WriterLock;

    pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }

    pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    /// A lock on Unix is advisory: those who read do not ask for it.
    pub(super) fn open_as_only_writer(options: &OpenOptions, path: &Path) -> Result<WriterLock, TryLockError> {
        let file = options.open(path).map_err(TryLockError::Error)?;
        match file.try_lock() {
            Ok(()) => Ok((file, Ok(()))),
            Err(TryLockError::Error(error)) => Ok((file, Err(error))),
            Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
        }
    }

    pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }
}

#[cfg(windows)]
mod native {
    use std::fs::{File, OpenOptions, TryLockError};
    use std::io;
    use std::os::windows::fs::{FileExt, OpenOptionsExt};
    use std::path::Path;

    use super::WriterLock;

    pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.seek_read(buffer, offset)
    }

    pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.seek_write(bytes, offset)
    }

    /// A lock on Windows would keep others from reading as well. Sharing with those who read, and with whoever renames
    /// the file, does what the lock does on Unix.
    pub(super) fn open_as_only_writer(options: &OpenOptions, path: &Path) -> Result<WriterLock, TryLockError> {
        const FILE_SHARE_READ: u32 = 1;
        const FILE_SHARE_DELETE: u32 = 4;
        const ERROR_SHARING_VIOLATION: i32 = 32;
        match options.clone().share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE).open(path) {
            Ok(file) => Ok((file, Ok(()))),
            Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Err(TryLockError::WouldBlock),
            Err(error) => Err(TryLockError::Error(error)),
        }
    }

    /// Windows does not open a directory as a file, and NTFS writes the entries of a directory to its own log.
    pub(super) fn sync_directory(_directory: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Reads up to `buffer.len()` bytes from `offset`, and returns how many it read: 0 only at the end of the file, or for
/// an empty buffer.
///
/// On Windows this also moves the file's cursor, so a file that is read by position must not be read by cursor too.
/// Calls from several threads do not disturb each other: each call carries its own offset.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match native::read_at(file, buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Fills the whole buffer from `offset`; `UnexpectedEof` when the file ends before that.
pub(crate) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = read_at(file, buffer, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[read..];
        offset += read as u64;
    }
    Ok(())
}

/// Writes all bytes from `offset`, beyond the end of the file too.
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match native::write_at(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A file, and whether it is locked: an error where its file system has no locks.
pub(crate) type WriterLock = (File, io::Result<()>);

/// Opens a file, creating it where there is none, that one process at a time writes and all others may read.
/// `WouldBlock` says that another process is writing it; any other error, that it could not be opened.
pub(crate) fn open_as_only_writer(path: &Path) -> Result<WriterLock, TryLockError> {
    native::open_as_only_writer(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)
}

/// Returns when a new or renamed file's name is on the disk, not only the file's content.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    native::sync_directory(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_written_at_any_offset() {
        let file = tempfile::tempfile().unwrap();
        write_all_at(&file, b"world", 6).unwrap();
        write_all_at(&file, b"hello ", 0).unwrap();
        let mut read = [0; 7];
        read_exact_at(&file, &mut read, 4).unwrap();
        assert_eq!(&read, b"o world");
        assert_eq!(read_at(&file, &mut [0; 8], 9).unwrap(), 2);
        assert_eq!(read_at(&file, &mut [0; 8], 11).unwrap(), 0);
        let error = read_exact_at(&file, &mut [0; 8], 9).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        read_exact_at(&file, &mut [], 99).unwrap();
    }

    #[test]
    fn one_writes_and_all_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let (file, locked) = open_as_only_writer(&path).unwrap();
        locked.unwrap();
        write_all_at(&file, b"here", 0).unwrap();
        assert!(matches!(open_as_only_writer(&path), Err(TryLockError::WouldBlock)));
        assert_eq!(std::fs::read(&path).unwrap(), b"here");
        std::fs::rename(&path, folder.path().join("renamed")).unwrap();
        drop(file);
        open_as_only_writer(&folder.path().join("renamed")).unwrap().1.unwrap();
    }

    #[test]
    fn a_directory_is_synced() {
        sync_directory(tempfile::tempdir().unwrap().path()).unwrap();
    }
}
