//! The SDKs' own replay machine, driven as an SDK drives it.

use std::collections::HashSet;
use std::time::Duration;

use prost::Message as _;
use prost::bytes::{Buf as _, Bytes, BytesMut};
use rehearsal::journal::{Await, EntryBuffer, EntryKind};
use restate_sdk_shared_core::{
    AttachInvocationTarget, AwaitResponse, CoreVM, Error, Header, ImplicitCancellationOption, NonEmptyValue,
    NotificationHandle, PayloadOptions, TerminalFailure, UnresolvedFuture, VM as _, VMOptions, Version,
};

use super::generate::{Awaited, Call, Operation, Outcome, State, Step, Target};

const MISMATCH: u16 = 570;
const PROTOCOL_VIOLATION: u16 = 571;

/// How a replay by the machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All recorded commands were consumed.
    Frontier,
    /// A command raised error 570.
    Mismatch,
    /// An await raised error 570.
    Await,
    /// The candidate had no more steps.
    Ended,
    /// Another error, which no journal recorded by an SDK causes.
    Broken { code: u16, message: String },
}

#[derive(Debug)]
pub struct Replay {
    pub verdict: Verdict,
    /// Recorded commands that were replayed, Input included.
    pub consumed: usize,
    /// `related_command_index` of the error message that the machine sent.
    pub related: Option<u32>,
    /// For each step that replay reached: the await, where the machine was asked for one.
    pub awaits: Vec<Option<Await>>,
}

/// Replays `recorded` on a candidate's steps, as far as they agree.
pub fn replay(version: Version, recorded: &EntryBuffer, steps: &[Step]) -> Replay {
    let mut vm = start(version, recorded, &State { partial: true, entries: Vec::new() });
    let mut replay = Replay { verdict: Verdict::Ended, consumed: 0, related: None, awaits: vec![None; steps.len()] };
    let mut handles = Handles::default();
    let mut outcome = vm.sys_input().map(|_| ());
    let mut awaiting = false;
    for (at, step) in steps.iter().enumerate() {
        if outcome.is_err() {
            break;
        }
        awaiting = false;
        match step {
            Step::Issue(operation) => {
                outcome = issue(&mut vm, operation).map(|results| handles.completions(operation, results));
            }
            // Steps beyond the frontier are not judged.
            Step::Await(awaited) if vm.state() == restate_sdk_shared_core::State::Replaying => {
                awaiting = true;
                outcome = handles.wait(&mut vm, awaited).map(|waited| replay.awaits[at] = waited);
                if outcome.is_err() {
                    replay.awaits[at] = Some(handles.last.clone());
                }
            }
            Step::Await(_) => {}
        }
    }
    let last = usize::try_from(vm.last_command_index()).expect("Input was replayed");
    let frontier = vm.state() == restate_sdk_shared_core::State::Processing;
    (replay.verdict, replay.consumed) = match outcome {
        Ok(()) if frontier => (Verdict::Frontier, last + 1),
        Ok(()) => (Verdict::Ended, last + 1),
        Err(error) if error.code() != MISMATCH => {
            (Verdict::Broken { code: error.code(), message: error.message().to_owned() }, last)
        }
        Err(_) if awaiting => (Verdict::Await, last + 1),
        Err(_) => (Verdict::Mismatch, last),
    };
    if replay.verdict == Verdict::Ended {
        // The machine sees no mismatch in a return without an output, but it does not replay any further.
        assert_eq!(vm.sys_end().map_err(|error| error.code()), Err(PROTOCOL_VIOLATION));
    }
    replay.related = messages(vm.take_output()).into_iter().find(|(kind, _)| *kind == ERROR).and_then(|(_, raw)| {
        let error = ErrorMessage::decode(raw).expect("the machine writes its own messages");
        assert_eq!(error.related_command_index.is_some(), error.related_command_type.is_some());
        error.related_command_index
    });
    replay
}

/// The commands that an SDK writes for these operations, when it replays nothing.
pub fn write(version: Version, input: &[u8], operations: &[&Operation], state: &State) -> EntryBuffer {
    let mut entries = EntryBuffer::default();
    entries.push(EntryKind::Command(rehearsal::journal::CommandKind::Input), input);
    let mut vm = start(version, &entries, state);
    vm.sys_input().expect("the input is there");
    for operation in operations {
        issue(&mut vm, operation).unwrap_or_else(|error| panic!("{operation:?}: {error}"));
    }
    for (kind, raw) in messages(vm.take_output()) {
        entries.push(entry_kind(kind), &raw);
    }
    entries
}

fn start(version: Version, recorded: &EntryBuffer, state: &State) -> CoreVM {
    let options = VMOptions {
        // Without this the machine issues commands of its own on cancellation, which no candidate's trace has.
        implicit_cancellation: ImplicitCancellationOption::Enabled {
            cancel_children_calls: false,
            cancel_children_one_way_calls: false,
        },
        ..VMOptions::default()
    };
    let headers = vec![("content-type".to_owned(), version.content_type().to_owned())];
    let mut vm = CoreVM::new(headers, options).expect("a version that the machine supports");
    let entries = recorded.view();
    let start = StartMessage {
        id: vec![7; 24],
        debug_id: "inv_1".to_owned(),
        known_entries: u32::try_from(entries.len()).expect("few entries"),
        state_map: state
            .entries
            .iter()
            .map(|(key, value)| StateEntry { key: key.clone().into(), value: value.to_vec() })
            .collect(),
        partial_state: state.partial,
    };
    let mut input = BytesMut::new();
    frame(0, &start.encode_to_vec(), &mut input);
    for at in 0..entries.len() {
        frame(message_type(entries.kind(at)), entries.raw(at), &mut input);
    }
    vm.notify_input(input.freeze());
    vm.notify_input_closed();
    assert!(matches!(vm.is_ready_to_execute(), Ok(true)), "the machine refuses the journal: {vm:?}");
    vm
}

/// The handles that the machine gave out, and what each waits for.
#[derive(Default)]
struct Handles {
    results: Vec<(NotificationHandle, u32)>,
    next_completion: u32,
    awakeables: u32,
    settled: HashSet<NotificationHandle>,
    last: Await,
}

impl Handles {
    fn completions(&mut self, operation: &Operation, handles: Vec<NotificationHandle>) {
        assert_eq!(handles.len(), operation.completion_ids() as usize);
        for handle in handles {
            self.next_completion += 1;
            self.results.push((handle, self.next_completion));
        }
    }

    /// `None` where an SDK would not ask the machine: there is nothing to wait for, or one of the handles is settled.
    fn wait(&mut self, vm: &mut CoreVM, awaited: &[Awaited]) -> Result<Option<Await>, Error> {
        let mut waited = Await::default();
        let mut handles = Vec::new();
        for one in awaited {
            match one {
                Awaited::Result(_) if self.results.is_empty() => {}
                Awaited::Result(back) => {
                    let (handle, id) = self.results[self.results.len() - 1 - back % self.results.len()];
                    handles.push(handle);
                    waited.completions.push(id);
                }
                Awaited::Awakeable => {
                    handles.push(vm.sys_awakeable()?.handle);
                    waited.signals.push(17 + self.awakeables);
                    self.awakeables += 1;
                }
                Awaited::Signal(name) => {
                    handles.push(vm.create_signal_handle(name.clone())?);
                    waited.named_signals.push(name.clone());
                }
            }
        }
        if handles.is_empty() || handles.iter().any(|handle| self.settled.contains(handle)) {
            return Ok(None);
        }
        self.last = waited.clone();
        let future = match &handles[..] {
            [handle] => UnresolvedFuture::Single(*handle),
            _ => UnresolvedFuture::FirstCompleted(handles.iter().copied().map(UnresolvedFuture::Single).collect()),
        };
        match vm.do_await(future)? {
            AwaitResponse::AnyCompleted => {
                for handle in handles {
                    if vm.take_notification(handle)?.is_some() {
                        self.settled.insert(handle);
                    }
                }
            }
            AwaitResponse::CancelSignalReceived => {}
            other => panic!("{other:?} while replaying"),
        }
        Ok(Some(waited))
    }
}

fn issue(vm: &mut CoreVM, operation: &Operation) -> Result<Vec<NotificationHandle>, Error> {
    let stable = PayloadOptions::stable_serialization();
    let optional = |name: &String| (!name.is_empty()).then(|| name.clone());
    let one = |handle| vec![handle];
    Ok(match operation.clone() {
        Operation::Run { name } => one(vm.sys_run(name)?.handle),
        Operation::GetState { key, name } => one(vm.sys_state_get(key, optional(&name), stable)?),
        Operation::GetStateKeys { name } => one(vm.sys_state_get_keys(optional(&name))?),
        Operation::SetState { key, value, name } => none(vm.sys_state_set(key, value, optional(&name), stable)?),
        Operation::ClearState { key, name } => none(vm.sys_state_clear(key, optional(&name))?),
        Operation::ClearAllState { name } => none(vm.sys_state_clear_all(optional(&name))?),
        Operation::GetPromise { key } => one(vm.sys_get_promise(key)?),
        Operation::PeekPromise { key } => one(vm.sys_peek_promise(key)?),
        Operation::CompletePromise { key, result } => one(vm.sys_complete_promise(key, value(result), stable)?),
        Operation::Sleep { name, wake_up_time } => {
            one(vm.sys_sleep(name, Duration::from_millis(wake_up_time), None)?)
        }
        Operation::Call(call) => {
            let (parameter, name) = (call.parameter.clone(), optional(&call.name));
            let handles = vm.sys_call(call_target(call), parameter, name, stable)?;
            vec![handles.invocation_id_notification_handle, handles.call_notification_handle]
        }
        Operation::Send { call, invoke_time } => {
            let (parameter, name) = (call.parameter.clone(), optional(&call.name));
            let at = Some(Duration::from_millis(invoke_time));
            one(vm.sys_send(call_target(call), parameter, at, name, stable)?.invocation_id_notification_handle)
        }
        Operation::SendSignal { target, signal, result } => {
            none(vm.sys_complete_signal(target, signal, value(result))?)
        }
        Operation::CancelInvocation { target } => none(vm.sys_cancel_invocation(target)?),
        Operation::Attach(target) => one(vm.sys_attach_invocation(attach_target(target))?),
        Operation::GetOutput(target) => one(vm.sys_get_invocation_output(attach_target(target))?),
        Operation::CompleteAwakeable { id, result } => none(vm.sys_complete_awakeable(id, value(result), stable)?),
        Operation::Output(result) => none(vm.sys_write_output(value(result), stable)?),
    })
}

fn none((): ()) -> Vec<NotificationHandle> {
    Vec::new()
}

fn value(outcome: Outcome) -> NonEmptyValue {
    match outcome {
        Outcome::Value(value) => NonEmptyValue::Success(value),
        Outcome::Failure { code, message, metadata } => {
            NonEmptyValue::Failure(TerminalFailure { code, message, metadata })
        }
    }
}

fn call_target(call: Call) -> restate_sdk_shared_core::Target {
    restate_sdk_shared_core::Target {
        service: call.service,
        handler: call.handler,
        key: call.key,
        idempotency_key: call.idempotency_key,
        scope: call.scope,
        limit_key: call.limit_key,
        headers: call.headers.into_iter().map(|(key, value)| Header { key: key.into(), value: value.into() }).collect(),
    }
}

fn attach_target(target: Target) -> AttachInvocationTarget {
    match target {
        Target::Invocation(id) => AttachInvocationTarget::InvocationId(id),
        Target::Workflow { name, key, scope } => AttachInvocationTarget::WorkflowId { name, key, scope },
        Target::Idempotent { service, key, handler, idempotency_key, scope } => AttachInvocationTarget::IdempotencyId {
            service_name: service,
            service_key: key,
            handler_name: handler,
            idempotency_key,
            scope,
        },
    }
}

const ERROR: u16 = 0x0002;

fn message_type(kind: EntryKind) -> u16 {
    match kind {
        EntryKind::Command(kind) => 0x0400 + kind as u16,
        EntryKind::Notification(rehearsal::journal::NotificationKind::Signal) => 0xFBFF,
        EntryKind::Notification(kind) => 0x8000 + kind as u16,
    }
}

fn entry_kind(message_type: u16) -> EntryKind {
    let number = message_type.checked_sub(0x0400).and_then(|number| u8::try_from(number).ok());
    let kind = number.and_then(EntryKind::from_code);
    kind.unwrap_or_else(|| panic!("the machine wrote a message of type {message_type:#06x}"))
}

fn frame(message_type: u16, raw: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(&message_type.to_be_bytes());
    out.extend_from_slice(&0u16.to_be_bytes());
    out.extend_from_slice(&u32::try_from(raw.len()).expect("small messages").to_be_bytes());
    out.extend_from_slice(raw);
}

fn messages(mut output: Bytes) -> Vec<(u16, Bytes)> {
    let mut messages = Vec::new();
    while output.has_remaining() {
        let message_type = output.get_u16();
        let _flags = output.get_u16();
        let length = output.get_u32() as usize;
        messages.push((message_type, output.split_to(length)));
    }
    messages
}

#[derive(Clone, PartialEq, prost::Message)]
struct StartMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, tag = "2")]
    debug_id: String,
    #[prost(uint32, tag = "3")]
    known_entries: u32,
    #[prost(message, repeated, tag = "4")]
    state_map: Vec<StateEntry>,
    #[prost(bool, tag = "5")]
    partial_state: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StateEntry {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ErrorMessage {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(uint32, optional, tag = "4")]
    related_command_index: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    related_command_type: Option<u32>,
}
