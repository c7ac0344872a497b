//! A frame: an 8-byte header (u16 type, u16 flags, u32 length, all big-endian), then a message.

use bytes::{Buf, Bytes, BytesMut};

use crate::journal::{CommandKind, EntryKind, NotificationKind};

/// A message's type on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageType(pub u16);

impl MessageType {
    pub const START: Self = Self(0x0000);
    pub const SUSPENSION: Self = Self(0x0001);
    pub const ERROR: Self = Self(0x0002);
    pub const END: Self = Self(0x0003);
    pub const PROPOSE_RUN_COMPLETION: Self = Self(0x0005);
    pub const AWAITING_ON: Self = Self(0x0006);

    const COMMANDS: u16 = 0x0400;
    const NOTIFICATIONS: u16 = 0x8000;
    const SIGNAL: u16 = 0xFBFF;

    /// The type of an entry's message.
    pub fn of(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Command(kind) => Self(Self::COMMANDS + kind as u16),
            EntryKind::Notification(NotificationKind::Signal) => Self(Self::SIGNAL),
            EntryKind::Notification(kind) => Self(Self::NOTIFICATIONS + kind as u16),
        }
    }

    /// The command that has this type; `None` for other messages and for unknown commands.
    pub fn command(self) -> Option<CommandKind> {
        CommandKind::ALL.iter().copied().find(|kind| Self::COMMANDS + *kind as u16 == self.0)
    }

    /// Whether this is the type of a command, known or not.
    pub fn is_command(self) -> bool {
        (0x0400..0x0500).contains(&self.0) || (0xFC00..).contains(&self.0)
    }
}

/// Appends a frame.
pub fn put_frame(buffer: &mut Vec<u8>, ty: MessageType, message: &[u8]) {
    buffer.extend_from_slice(&ty.0.to_be_bytes());
    buffer.extend_from_slice(&[0, 0]);
    let length = u32::try_from(message.len()).expect("sources keep journals below 4 GiB");
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(message);
}

/// A frame announces a message that is too long to be one of the invocation protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {0} bytes is too long, so this is not the invocation protocol")]
pub struct OversizedFrame(pub u32);

/// A decoder of frames from bytes that arrive in pieces.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    max_length: u32,
}

impl FrameReader {
    /// A reader that refuses messages longer than `max_length` bytes as soon as their header is there.
    pub fn new(max_length: u32) -> Self {
        Self { buffer: BytesMut::new(), max_length }
    }

    /// Adds bytes that arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next frame; `None` while it is not complete.
    pub fn next_frame(&mut self) -> Result<Option<(MessageType, Bytes)>, OversizedFrame> {
        let Some(header) = self.buffer.first_chunk::<8>() else { return Ok(None) };
        let ty = MessageType(u16::from_be_bytes([header[0], header[1]]));
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        if length > self.max_length {
            return Err(OversizedFrame(length));
        }
        if self.buffer.len() < 8 + length as usize {
            return Ok(None);
        }
        self.buffer.advance(8);
        Ok(Some((ty, self.buffer.split_to(length as usize).freeze())))
    }

    /// The type of the frame that is arriving; `None` until its type is there.
    pub fn arriving(&self) -> Option<MessageType> {
        self.buffer.first_chunk::<2>().map(|ty| MessageType(u16::from_be_bytes(*ty)))
    }

    /// Whether bytes are left that are not a complete frame.
    pub fn has_rest(&self) -> bool {
        !self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_being_cut_anywhere() {
        let mut wire = Vec::new();
        put_frame(&mut wire, MessageType::ERROR, b"abc");
        put_frame(&mut wire, MessageType::END, b"");
        for cut in 0..wire.len() {
            let mut reader = FrameReader::new(1 << 20);
            let mut frames = Vec::new();
            for piece in [&wire[..cut], &wire[cut..]] {
                reader.feed(piece);
                while let Some(frame) = reader.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, [(MessageType::ERROR, Bytes::from_static(b"abc")), (MessageType::END, Bytes::new())]);
            assert!(!reader.has_rest());
        }
    }

    #[test]
    fn other_protocols_are_refused() {
        let mut reader = FrameReader::new(1 << 20);
        reader.feed(b"<html><body>");
        assert!(reader.next_frame().is_err());
    }
}
