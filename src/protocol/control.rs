//! Control messages: how an attempt starts, and how it ends.

use prost::Message;

use crate::journal::Await;

#[derive(Clone, PartialEq, Message)]
pub struct Start {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(string, tag = "2")]
    pub debug_id: String,
    /// Commands and notifications.
    #[prost(uint32, tag = "3")]
    pub known_entries: u32,
    #[prost(bool, tag = "5")]
    pub partial_state: bool,
    #[prost(string, tag = "6")]
    pub key: String,
    /// Since protocol 6.
    #[prost(uint64, tag = "9")]
    pub random_seed: u64,
    /// Since protocol 7, as the two that follow.
    #[prost(string, optional, tag = "10")]
    pub scope: Option<String>,
    #[prost(string, optional, tag = "11")]
    pub limit_key: Option<String>,
    #[prost(string, optional, tag = "12")]
    pub idempotency_key: Option<String>,
}

/// `ErrorMessage`.
#[derive(Clone, PartialEq, Message)]
pub struct AttemptError {
    #[prost(uint32, tag = "1")]
    pub code: u32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(uint32, optional, tag = "4")]
    pub related_command_index: Option<u32>,
    #[prost(string, optional, tag = "5")]
    pub related_command_name: Option<String>,
    #[prost(uint32, optional, tag = "6")]
    pub related_command_type: Option<u32>,
}

impl AttemptError {
    pub const JOURNAL_MISMATCH: u32 = 570;
    pub const PROTOCOL_VIOLATION: u32 = 571;
}

/// `SuspensionMessage`: flat up to protocol 6, a tree since 7.
#[derive(Clone, PartialEq, Message)]
pub struct Suspension {
    #[prost(uint32, repeated, tag = "1")]
    waiting_completions: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    waiting_signals: Vec<u32>,
    #[prost(string, repeated, tag = "3")]
    waiting_named_signals: Vec<String>,
    #[prost(message, optional, tag = "4")]
    awaiting_on: Option<Future>,
}

#[derive(Clone, PartialEq, Message)]
struct Future {
    #[prost(uint32, repeated, tag = "1")]
    completions: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    signals: Vec<u32>,
    #[prost(string, repeated, tag = "3")]
    named_signals: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    nested: Vec<Future>,
}

impl Suspension {
    /// All that is waited for. Signal 1, which cancels, is waited for always and left out.
    pub fn awaited(&self) -> Await {
        let mut awaited = Await {
            completions: self.waiting_completions.clone(),
            signals: self.waiting_signals.clone(),
            named_signals: self.waiting_named_signals.clone(),
        };
        let mut pending: Vec<&Future> = self.awaiting_on.iter().collect();
        while let Some(future) = pending.pop() {
            awaited.completions.extend(&future.completions);
            awaited.signals.extend(&future.signals);
            awaited.named_signals.extend(future.named_signals.iter().cloned());
            pending.extend(&future.nested);
        }
        awaited.signals.retain(|signal| *signal != 1);
        awaited
    }
}
