//! An entry kind: the kind of a command or notification, under Restate's own name, with its message type number.

/// Defines kinds, one row per kind: variant and message number.
macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $number:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($variant = $number),* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in the column `entry_type`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                match name { $(stringify!($variant) => Some(Self::$variant),)* _ => None }
            }

            const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// A command; its message type is `0x0400` plus the number.
    CommandKind {
        Input = 0x00, Output = 0x01, GetLazyState = 0x02, SetState = 0x03, ClearState = 0x04, ClearAllState = 0x05,
        GetLazyStateKeys = 0x06, GetEagerState = 0x07, GetEagerStateKeys = 0x08, GetPromise = 0x09,
        PeekPromise = 0x0A, CompletePromise = 0x0B, Sleep = 0x0C, Call = 0x0D, OneWayCall = 0x0E,
        SendSignal = 0x10, Run = 0x11, AttachInvocation = 0x12, GetInvocationOutput = 0x13, CompleteAwakeable = 0x14,
    }
}

kinds! {
    /// A notification; its message type is `0x8000` plus the number, except for `Signal` (`0xFBFF`).
    NotificationKind {
        GetLazyState = 0x02, GetLazyStateKeys = 0x06, GetPromise = 0x09, PeekPromise = 0x0A, CompletePromise = 0x0B,
        Sleep = 0x0C, Call = 0x0D, CallInvocationId = 0x0E, Run = 0x11, AttachInvocation = 0x12,
        GetInvocationOutput = 0x13, Signal = 0x7F,
    }
}

impl CommandKind {
    /// The name of the operation in prose.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::GetLazyState | Self::GetEagerState => "get state",
            Self::SetState => "set state",
            Self::ClearState => "clear state",
            Self::ClearAllState => "clear all state",
            Self::GetLazyStateKeys | Self::GetEagerStateKeys => "get state keys",
            Self::GetPromise => "get promise",
            Self::PeekPromise => "peek promise",
            Self::CompletePromise => "complete promise",
            Self::Sleep => "sleep",
            Self::Call => "call",
            Self::OneWayCall => "send",
            Self::SendSignal => "send signal",
            Self::Run => "run",
            Self::AttachInvocation => "attach",
            Self::GetInvocationOutput => "get output of",
            Self::CompleteAwakeable => "complete awakeable",
        }
    }

    /// How many completion ids the SDKs assign to a command of this kind.
    pub const fn completion_ids(self) -> u32 {
        match self {
            Self::Call => 2,
            Self::GetLazyState
            | Self::GetEagerState
            | Self::GetLazyStateKeys
            | Self::GetEagerStateKeys
            | Self::GetPromise
            | Self::PeekPromise
            | Self::CompletePromise
            | Self::Sleep
            | Self::OneWayCall
            | Self::Run
            | Self::AttachInvocation
            | Self::GetInvocationOutput => 1,
            Self::Input
            | Self::Output
            | Self::SetState
            | Self::ClearState
            | Self::ClearAllState
            | Self::SendSignal
            | Self::CompleteAwakeable => 0,
        }
    }

    /// The kind that replay compares: an eager state read and a lazy one count as the same command.
    pub const fn modulo_eager(self) -> Self {
        match self {
            Self::GetEagerState => Self::GetLazyState,
            Self::GetEagerStateKeys => Self::GetLazyStateKeys,
            other => other,
        }
    }
}

/// The kind of a command or of a notification.
///
/// Its code is one byte: the message number, with the high bit set for notifications. [`super::Entries`] stores kinds
/// as these bytes, so that one `memcmp` compares the kinds of two journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    Command(CommandKind),
    Notification(NotificationKind),
}

impl EntryKind {
    pub(crate) const NOTIFICATION: u8 = 0x80;

    /// The code of an unknown entry type; no kind has it.
    pub(crate) const UNKNOWN: u8 = 0x7E;

    /// The kind as one byte.
    pub const fn code(self) -> u8 {
        match self {
            Self::Command(kind) => kind as u8,
            Self::Notification(kind) => Self::NOTIFICATION | kind as u8,
        }
    }

    /// The kind that has this code; `None` for a code that no kind has.
    pub const fn from_code(code: u8) -> Option<Self> {
        const KINDS: [Option<EntryKind>; 256] = {
            let mut kinds = [None; 256];
            let mut code = 0;
            while code < kinds.len() {
                kinds[code] = EntryKind::look_up(code as u8);
                code += 1;
            }
            kinds
        };
        KINDS[code as usize]
    }

    const fn look_up(code: u8) -> Option<Self> {
        if code & Self::NOTIFICATION == 0 {
            match CommandKind::from_number(code) {
                Some(kind) => Some(Self::Command(kind)),
                None => None,
            }
        } else {
            match NotificationKind::from_number(code & !Self::NOTIFICATION) {
                Some(kind) => Some(Self::Notification(kind)),
                None => None,
            }
        }
    }

    /// Reads `entry_type`: `Command: Run`, `Notification: Call`.
    pub fn from_entry_type(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("Command: ") {
            CommandKind::from_name(name).map(Self::Command)
        } else {
            let name = text.strip_prefix("Notification: ")?;
            NotificationKind::from_name(name).map(Self::Notification)
        }
    }

    /// The text of the column `entry_type`, such as `Command: Run`.
    pub fn entry_type(self) -> String {
        match self {
            Self::Command(kind) => format!("Command: {}", kind.name()),
            Self::Notification(kind) => format!("Notification: {}", kind.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_its_code_and_its_entry_type() {
        let commands = CommandKind::ALL.iter().map(|kind| EntryKind::Command(*kind));
        let notifications = NotificationKind::ALL.iter().map(|kind| EntryKind::Notification(*kind));
        for kind in commands.chain(notifications) {
            assert_eq!(EntryKind::from_code(kind.code()), Some(kind));
            assert_eq!(EntryKind::from_entry_type(&kind.entry_type()), Some(kind));
        }
        assert_eq!(EntryKind::from_entry_type("Command: Teleport"), None);
        assert_eq!(EntryKind::from_entry_type("Run"), None);
    }
}
