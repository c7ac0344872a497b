//! A control message: it starts an attempt, or ends it.

use prost::Message;

use crate::journal::Await;

/// `StartMessage`, the first message of an attempt.
#[derive(Clone, PartialEq, Message)]
pub struct Start {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(string, tag = "2")]
    pub debug_id: String,
    /// Number of entries that follow: commands and notifications.
    #[prost(uint32, tag = "3")]
    pub known_entries: u32,
    #[prost(bool, tag = "5")]
    pub partial_state: bool,
    #[prost(string, tag = "6")]
    pub key: String,
    /// Sent since protocol 6.
    #[prost(uint64, tag = "9")]
    pub random_seed: u64,
    /// Sent since protocol 7, like the two fields that follow.
    #[prost(string, optional, tag = "10")]
    pub scope: Option<String>,
    #[prost(string, optional, tag = "11")]
    pub limit_key: Option<String>,
    #[prost(string, optional, tag = "12")]
    pub idempotency_key: Option<String>,
}

/// `ErrorMessage`: the candidate's attempt failed.
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

/// `SuspensionMessage`: the candidate waits for notifications. They are three lists up to protocol 6, and a tree since
/// protocol 7.
#[derive(Clone, PartialEq, Message)]
pub struct Suspension {
    #[prost(uint32, repeated, tag = "1")]
    waiting_completions: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    waiting_signals: Vec<u32>,
    #[prost(string, repeated, tag = "3")]
    waiting_named_signals: Vec<String>,
    #[prost(message, optional, tag = "4")]
    awaiting_on: Option<FutureMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct FutureMessage {
    #[prost(uint32, repeated, tag = "1")]
    completions: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    signals: Vec<u32>,
    #[prost(string, repeated, tag = "3")]
    named_signals: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    nested: Vec<FutureMessage>,
}

impl Suspension {
    /// All notifications that the candidate waits for, except signal 1 (cancel), for which every candidate waits.
    pub fn awaited(&self) -> Await {
        let mut awaited = Await {
            completions: self.waiting_completions.clone(),
            signals: self.waiting_signals.clone(),
            named_signals: self.waiting_named_signals.clone(),
        };
        let mut pending: Vec<&FutureMessage> = self.awaiting_on.iter().collect();
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
