//! The peer: `CoreVM`, the SDKs' own replay machine, driven as an SDK drives it.

use std::time::Duration;

use prost::Message;
use prost::bytes::{BufMut as _, Bytes, BytesMut};
use rehearsal::journal::{CommandKind, Entries, EntryKind, NotificationKind};
use restate_sdk_shared_core::{
    CoreVM, Error, NonEmptyValue, NotificationHandle, PayloadOptions, State, Target, UnresolvedFuture, VM as _,
    VMOptions,
};

/// One operation of the candidate, of the kinds that [`crate::generate`] makes.
#[derive(Clone, PartialEq)]
pub enum Operation {
    Run {
        name: String,
    },
    Set {
        key: String,
        value: Bytes,
    },
    Get {
        key: String,
    },
    Clear {
        key: String,
    },
    Call(Call),
    Send(Call, u64),
    Sleep(u64),
    Output(Bytes),
    /// A result. It is not an operation, but figure (c) decodes it as well.
    Result(Bytes),
}

#[derive(Clone, PartialEq)]
pub struct Call {
    service: String,
    handler: String,
    key: String,
    parameter: Bytes,
}

impl Operation {
    /// Decodes a command with prost; payloads stay slices of `raw`. An Input gives `None`.
    pub fn of(kind: CommandKind, raw: Bytes) -> Option<Self> {
        let message = Fields::decode(raw).expect("generated");
        Some(match (kind, message) {
            (CommandKind::Input, _) => return None,
            (CommandKind::Run, Fields { name, .. }) => Self::Run { name },
            (CommandKind::SetState, Fields { first, third, .. }) => Self::Set { key: first, value: inner(third) },
            (CommandKind::GetLazyState, Fields { first, .. }) => Self::Get { key: first },
            (CommandKind::ClearState, Fields { first, .. }) => Self::Clear { key: first },
            (CommandKind::Call, Fields { first, second, third, fifth, .. }) => {
                Self::Call(Call { service: first, handler: second, key: fifth, parameter: third })
            }
            (CommandKind::OneWayCall, Fields { first, second, third, fourth, .. }) => {
                Self::Send(Call { service: first, handler: second, key: String::new(), parameter: third }, fourth)
            }
            (CommandKind::Output, Fields { value, .. }) => Self::Output(inner(value)),
            (kind, _) => unreachable!("{kind:?} is not generated"),
        })
    }

    /// Like [`Self::of`], but also for sleeps, whose first field is a number.
    pub fn decode(kind: CommandKind, raw: Bytes) -> Option<Self> {
        match kind {
            CommandKind::Sleep => Some(Self::Sleep(SleepFields::decode(raw).expect("generated").wake_up_time)),
            kind => Self::of(kind, raw),
        }
    }
}

impl Operation {
    /// Decodes the result of a notification.
    pub fn notification(raw: Bytes) -> Option<Self> {
        Some(Self::Result(ResultFields::decode(raw).expect("generated").value))
    }
}

#[derive(Clone, PartialEq, Message)]
struct ResultFields {
    #[prost(uint32, tag = "1")]
    completion_id: u32,
    #[prost(bytes = "bytes", tag = "5")]
    value: Bytes,
    #[prost(string, tag = "16")]
    invocation_id: String,
}

/// All fields of the generated commands. One message for all commands keeps the peer short and does not slow it down.
#[derive(Clone, PartialEq, Message)]
struct Fields {
    #[prost(string, tag = "1")]
    first: String,
    #[prost(string, tag = "2")]
    second: String,
    #[prost(bytes = "bytes", tag = "3")]
    third: Bytes,
    #[prost(uint64, tag = "4")]
    fourth: u64,
    #[prost(string, tag = "5")]
    fifth: String,
    #[prost(string, tag = "12")]
    name: String,
    #[prost(bytes = "bytes", tag = "14")]
    value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct SleepFields {
    #[prost(uint64, tag = "1")]
    wake_up_time: u64,
}

#[derive(Clone, PartialEq, Message)]
struct ValueFields {
    #[prost(bytes = "bytes", tag = "1")]
    content: Bytes,
}

fn inner(value: Bytes) -> Bytes {
    ValueFields::decode(value).expect("generated").content
}

#[derive(Clone, PartialEq, Message)]
struct Start {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, tag = "2")]
    debug_id: String,
    #[prost(uint32, tag = "3")]
    known_entries: u32,
    #[prost(bool, tag = "5")]
    partial_state: bool,
}

/// The Start message and the recorded entries, framed as the runtime sends them.
pub fn frames(count: usize, bytes: usize, entries: impl Iterator<Item = (EntryKind, impl AsRef<[u8]>)>) -> Bytes {
    let start =
        Start { id: vec![7; 24], debug_id: "inv_1".to_owned(), known_entries: count as u32, partial_state: true };
    let mut out = BytesMut::with_capacity(bytes + 8 * count + 64);
    frame(0, &start.encode_to_vec(), &mut out);
    for (kind, raw) in entries {
        frame(message_type(kind), raw.as_ref(), &mut out);
    }
    out.freeze()
}

pub fn frames_of(entries: Entries<'_>) -> Bytes {
    let bytes = (0..entries.len()).map(|at| entries.raw(at).len()).sum();
    frames(entries.len(), bytes, (0..entries.len()).map(|at| (entries.kind(at), entries.raw(at))))
}

pub fn operations_of(entries: Entries<'_>) -> Vec<Operation> {
    entries
        .commands()
        .filter_map(|at| Operation::decode(entries.command_kind(at)?, Bytes::copy_from_slice(entries.raw(at))))
        .collect()
}

fn message_type(kind: EntryKind) -> u16 {
    match kind {
        EntryKind::Command(kind) => 0x0400 + kind as u16,
        EntryKind::Notification(NotificationKind::Signal) => 0xFBFF,
        EntryKind::Notification(kind) => 0x8000 + kind as u16,
    }
}

fn frame(message_type: u16, raw: &[u8], out: &mut BytesMut) {
    out.put_u16(message_type);
    out.put_u16(0);
    out.put_u32(raw.len() as u32);
    out.put_slice(raw);
}

/// Replays a framed journal, and returns whether the machine reached its frontier.
pub fn replay(frames: Bytes, operations: impl IntoIterator<Item = Operation>) -> bool {
    let headers = vec![("content-type".to_owned(), "application/vnd.restate.invocation.v7".to_owned())];
    let mut vm = CoreVM::new(headers, VMOptions::default()).expect("a known version");
    vm.notify_input(frames);
    vm.notify_input_closed();
    assert!(matches!(vm.is_ready_to_execute(), Ok(true)));
    let outcome = (|| {
        vm.sys_input()?;
        for operation in operations {
            issue(&mut vm, operation)?;
        }
        Ok::<_, Error>(())
    })();
    outcome.is_ok() && vm.state() == State::Processing
}

/// Replays parallel runs: starts all of them, then awaits all of them.
pub fn replay_parallel(frames: Bytes, operations: impl IntoIterator<Item = Operation>) -> bool {
    let headers = vec![("content-type".to_owned(), "application/vnd.restate.invocation.v7".to_owned())];
    let mut vm = CoreVM::new(headers, VMOptions::default()).expect("a known version");
    vm.notify_input(frames);
    vm.notify_input_closed();
    let outcome = (|| {
        vm.sys_input()?;
        let mut handles = Vec::new();
        let mut output = None;
        for operation in operations {
            match operation {
                Operation::Run { name } => handles.push(vm.sys_run(name)?.handle),
                other => output = Some(other),
            }
        }
        let mut pending = handles.clone();
        while !pending.is_empty() {
            vm.do_await(UnresolvedFuture::AllCompleted(
                pending.iter().copied().map(UnresolvedFuture::Single).collect(),
            ))?;
            let mut left = Vec::new();
            for handle in pending {
                if vm.take_notification(handle)?.is_none() {
                    left.push(handle);
                }
            }
            pending = left;
        }
        issue(&mut vm, output.expect("an Output"))
    })();
    outcome.is_ok() && vm.state() == State::Processing
}

fn issue(vm: &mut CoreVM, operation: Operation) -> Result<(), Error> {
    let stable = PayloadOptions::stable_serialization();
    match operation {
        Operation::Run { name } => {
            let handle = vm.sys_run(name)?.handle;
            wait(vm, handle)
        }
        Operation::Set { key, value } => vm.sys_state_set(key, value, None, stable),
        Operation::Get { key } => {
            let handle = vm.sys_state_get(key, None, stable)?;
            wait(vm, handle)
        }
        Operation::Clear { key } => vm.sys_state_clear(key, None),
        Operation::Call(call) => {
            let (target, parameter) = call.target();
            let handle = vm.sys_call(target, parameter, None, stable)?.call_notification_handle;
            wait(vm, handle)
        }
        Operation::Send(call, at) => {
            let (target, parameter) = call.target();
            vm.sys_send(target, parameter, Some(Duration::from_millis(at)), None, stable).map(|_| ())
        }
        Operation::Sleep(at) => {
            let handle = vm.sys_sleep(String::new(), Duration::from_millis(at), None)?;
            wait(vm, handle)
        }
        Operation::Result(_) => Ok(()),
        Operation::Output(value) => vm.sys_write_output(NonEmptyValue::Success(value), stable),
    }
}

fn wait(vm: &mut CoreVM, handle: NotificationHandle) -> Result<(), Error> {
    vm.do_await(UnresolvedFuture::Single(handle))?;
    vm.take_notification(handle)?.expect("recorded");
    Ok(())
}

impl Call {
    fn target(self) -> (Target, Bytes) {
        let target = Target {
            service: self.service,
            handler: self.handler,
            key: Some(self.key).filter(|key| !key.is_empty()),
            idempotency_key: None,
            scope: None,
            limit_key: None,
            headers: Vec::new(),
        };
        (target, self.parameter)
    }
}
