//! A notification: the result of a command, or a signal. All kinds share one message.

use prost::Message;

use super::DecodeError;
use crate::journal::NotificationKind;
use crate::journal::command::{FailureMessage, StateKeyList};

/// What a notification completes: a command's completion id, or a signal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotificationId {
    Completion(u32),
    Signal(u32),
    NamedSignal(String),
}

/// The result that a notification carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompletionResult {
    Void,
    Value(Vec<u8>),
    Failure(FailureMessage),
    InvocationId(String),
    StateKeys(Vec<Vec<u8>>),
}

/// A decoded notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub id: NotificationId,
    /// `None` where the message has no result.
    pub outcome: Option<CompletionResult>,
}

/// Decodes a notification's `raw`.
pub fn decode_notification(kind: NotificationKind, raw: &[u8]) -> Result<Notification, DecodeError> {
    let malformed = |reason: String| DecodeError::Malformed { entry: format!("Notification: {}", kind.name()), reason };
    let message = NotificationMessage::decode(raw).map_err(|error| malformed(error.to_string()))?;
    let id = match message.id {
        Some(message::Id::Completion(id)) => NotificationId::Completion(id),
        Some(message::Id::Signal(id)) => NotificationId::Signal(id),
        Some(message::Id::NamedSignal(name)) => NotificationId::NamedSignal(name),
        None => return Err(malformed("it names neither a completion nor a signal".to_owned())),
    };
    let outcome = message.result.map(|result| match result {
        message::Result::Void(_) => CompletionResult::Void,
        message::Result::Value(value) => CompletionResult::Value(value.content),
        message::Result::Failure(failure) => CompletionResult::Failure(failure),
        message::Result::InvocationId(id) => CompletionResult::InvocationId(id),
        message::Result::StateKeys(keys) => CompletionResult::StateKeys(keys.keys),
    });
    Ok(Notification { id, outcome })
}

/// Encodes a notification.
pub fn encode_notification(notification: &Notification) -> Vec<u8> {
    let id = Some(match notification.id.clone() {
        NotificationId::Completion(id) => message::Id::Completion(id),
        NotificationId::Signal(id) => message::Id::Signal(id),
        NotificationId::NamedSignal(name) => message::Id::NamedSignal(name),
    });
    let result = notification.outcome.clone().map(|outcome| match outcome {
        CompletionResult::Void => message::Result::Void(message::Void {}),
        CompletionResult::Value(content) => message::Result::Value(message::ValueMessage { content }),
        CompletionResult::Failure(failure) => message::Result::Failure(failure),
        CompletionResult::InvocationId(id) => message::Result::InvocationId(id),
        CompletionResult::StateKeys(keys) => message::Result::StateKeys(StateKeyList { keys }),
    });
    NotificationMessage { id, result }.encode_to_vec()
}

#[derive(Clone, PartialEq, Message)]
struct NotificationMessage {
    #[prost(oneof = "message::Id", tags = "1, 2, 3")]
    id: Option<message::Id>,
    #[prost(oneof = "message::Result", tags = "4, 5, 6, 16, 17")]
    result: Option<message::Result>,
}

mod message {
    use super::{FailureMessage, StateKeyList};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Id {
        #[prost(uint32, tag = "1")]
        Completion(u32),
        #[prost(uint32, tag = "2")]
        Signal(u32),
        #[prost(string, tag = "3")]
        NamedSignal(String),
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Result {
        #[prost(message, tag = "4")]
        Void(Void),
        #[prost(message, tag = "5")]
        Value(ValueMessage),
        #[prost(message, tag = "6")]
        Failure(FailureMessage),
        #[prost(string, tag = "16")]
        InvocationId(String),
        #[prost(message, tag = "17")]
        StateKeys(StateKeyList),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Void {}

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ValueMessage {
        #[prost(bytes = "vec", tag = "1")]
        pub content: Vec<u8>,
    }
}
