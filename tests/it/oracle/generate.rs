//! The operations of a handler: everything that the SDKs' machine offers, in every shape that it can issue.

use prost::bytes::Bytes;
use rehearsal::journal::CommandKind;
use restate_sdk_shared_core::Version;

use super::choices::Choices;

#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    Run { name: String },
    GetState { key: String, name: String },
    GetStateKeys { name: String },
    SetState { key: String, value: Bytes, name: String },
    ClearState { key: String, name: String },
    ClearAllState { name: String },
    GetPromise { key: String },
    PeekPromise { key: String },
    CompletePromise { key: String, result: Outcome },
    Sleep { name: String, wake_up_time: u64 },
    Call(Call),
    Send { call: Call, invoke_time: u64 },
    SendSignal { target: String, signal: String, result: Outcome },
    CancelInvocation { target: String },
    Attach(Target),
    GetOutput(Target),
    CompleteAwakeable { id: String, result: Outcome },
    Output(Outcome),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Value(Bytes),
    Failure { code: u16, message: String, metadata: Vec<(String, String)> },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub service: String,
    pub handler: String,
    pub key: Option<String>,
    pub parameter: Bytes,
    pub headers: Vec<(String, String)>,
    pub idempotency_key: Option<String>,
    pub scope: Option<String>,
    pub limit_key: Option<String>,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Invocation(String),
    Workflow { name: String, key: String, scope: Option<String> },
    Idempotent { service: String, key: Option<String>, handler: String, idempotency_key: String, scope: Option<String> },
}

/// One step of a candidate.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a case has few steps, most of them operations")]
pub enum Step {
    Issue(Operation),
    /// Waits for any of these.
    Await(Vec<Awaited>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Awaited {
    /// A result of an earlier operation, counted back from the last.
    Result(usize),
    /// A new awakeable.
    Awakeable,
    /// A new handle on a named signal.
    Signal(String),
}

/// The state that the runtime sends with the request: known keys are read eagerly.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub partial: bool,
    pub entries: Vec<(String, Bytes)>,
}

impl Operation {
    pub const KINDS: usize = 18;

    /// Any operation that protocol `version` has.
    pub fn any(choices: &mut Choices<'_>, version: Version) -> Self {
        let kind = choices.below(Self::KINDS);
        Self::of_kind(kind, choices, version)
    }

    /// Another operation of the same kind.
    pub fn another(&self, choices: &mut Choices<'_>, version: Version) -> Self {
        Self::of_kind(self.kind(), choices, version)
    }

    fn of_kind(kind: usize, choices: &mut Choices<'_>, version: Version) -> Self {
        match kind {
            0 => Self::Run { name: choices.name() },
            1 => Self::GetState { key: choices.key(), name: choices.name() },
            2 => Self::GetStateKeys { name: choices.name() },
            3 => Self::SetState { key: choices.key(), value: choices.payload(), name: choices.name() },
            4 => Self::ClearState { key: choices.key(), name: choices.name() },
            5 => Self::ClearAllState { name: choices.name() },
            6 => Self::GetPromise { key: choices.key() },
            7 => Self::PeekPromise { key: choices.key() },
            8 => Self::CompletePromise { key: choices.key(), result: Outcome::any(choices, version) },
            9 => Self::Sleep { name: choices.name(), wake_up_time: time(choices) },
            10 => Self::Call(Call::any(choices, version)),
            11 => Self::Send { call: Call::any(choices, version), invoke_time: time(choices) },
            12 => Self::SendSignal {
                target: invocation(choices),
                signal: choices.text(&["go", "", "стоп"]),
                result: Outcome::any(choices, version),
            },
            13 => Self::CancelInvocation { target: invocation(choices) },
            14 => Self::Attach(Target::any(choices, version)),
            15 => Self::GetOutput(Target::any(choices, version)),
            16 => Self::CompleteAwakeable {
                id: choices.text(&["sign_1AAAA", "sign_1BBBB", ""]),
                result: Outcome::any(choices, version),
            },
            _ => Self::Output(Outcome::any(choices, version)),
        }
    }

    fn kind(&self) -> usize {
        match self {
            Self::Run { .. } => 0,
            Self::GetState { .. } => 1,
            Self::GetStateKeys { .. } => 2,
            Self::SetState { .. } => 3,
            Self::ClearState { .. } => 4,
            Self::ClearAllState { .. } => 5,
            Self::GetPromise { .. } => 6,
            Self::PeekPromise { .. } => 7,
            Self::CompletePromise { .. } => 8,
            Self::Sleep { .. } => 9,
            Self::Call(_) => 10,
            Self::Send { .. } => 11,
            Self::SendSignal { .. } => 12,
            Self::CancelInvocation { .. } => 13,
            Self::Attach(_) => 14,
            Self::GetOutput(_) => 15,
            Self::CompleteAwakeable { .. } => 16,
            Self::Output(_) => 17,
        }
    }

    /// The number of completion ids it takes, each with a handle. Counted independently of the library, to check it.
    pub fn completion_ids(&self) -> u32 {
        match self {
            Self::Call(_) => 2,
            Self::Run { .. }
            | Self::GetState { .. }
            | Self::GetStateKeys { .. }
            | Self::GetPromise { .. }
            | Self::PeekPromise { .. }
            | Self::CompletePromise { .. }
            | Self::Sleep { .. }
            | Self::Send { .. }
            | Self::Attach(_)
            | Self::GetOutput(_) => 1,
            _ => 0,
        }
    }
}

/// Whether the message of a command contains its answer.
pub fn is_eager(kind: CommandKind) -> bool {
    matches!(kind, CommandKind::GetEagerState | CommandKind::GetEagerStateKeys)
}

impl Outcome {
    fn any(choices: &mut Choices<'_>, version: Version) -> Self {
        if !choices.once_in(3) {
            return Self::Value(choices.payload());
        }
        let metadata = if version >= Version::V6 { pairs(choices) } else { Vec::new() };
        Self::failure(choices, metadata)
    }

    pub fn failure(choices: &mut Choices<'_>, metadata: Vec<(String, String)>) -> Self {
        Self::Failure {
            code: choices.pick(&[500, 0, 409]), message: choices.text(&["boom", "", "ошибка"]), metadata
        }
    }
}

impl Call {
    fn any(choices: &mut Choices<'_>, version: Version) -> Self {
        let scoped = version >= Version::V7 && choices.once_in(2);
        Self {
            service: choices.text(&["Stock", "Mail", ""]),
            handler: choices.text(&["reserve", "send", ""]),
            parameter: choices.payload(),
            key: choices.pick(&[None, Some("alice"), Some("")]).map(str::to_owned),
            headers: pairs(choices),
            idempotency_key: choices.pick(&[None, None, Some("once"), Some("twice")]).map(str::to_owned),
            scope: choices.pick(&[None, Some("eu"), Some("us")]).filter(|_| scoped).map(str::to_owned),
            limit_key: choices.pick(&[None, Some("limit"), Some("other")]).filter(|_| scoped).map(str::to_owned),
            name: choices.name(),
        }
    }
}

impl Target {
    fn any(choices: &mut Choices<'_>, version: Version) -> Self {
        let form = choices.below(3);
        let scope = choices.pick(&[None, Some("eu")]).filter(|_| version >= Version::V7).map(str::to_owned);
        match form {
            0 => Self::Invocation(invocation(choices)),
            1 => Self::Workflow { name: choices.text(&["Signup", ""]), key: choices.key(), scope },
            _ => Self::Idempotent {
                service: choices.text(&["Stock", ""]),
                key: choices.pick(&[None, Some("alice"), Some("")]).map(str::to_owned),
                handler: choices.text(&["reserve", ""]),
                idempotency_key: choices.text(&["once", ""]),
                scope,
            },
        }
    }
}

impl Awaited {
    pub fn any(choices: &mut Choices<'_>) -> Self {
        match choices.below(6) {
            0..=3 => Self::Result(choices.below(8)),
            4 => Self::Awakeable,
            _ => Self::Signal(choices.text(&["go", "stop"])),
        }
    }
}

impl State {
    pub fn any(choices: &mut Choices<'_>) -> Self {
        let known = ["cart", "", "ключ"].map(|key| (key, choices.once_in(2)));
        let entries = known.into_iter().filter(|(_, known)| *known);
        let entries = entries.map(|(key, _)| (key.to_owned(), choices.payload())).collect();
        Self { partial: !choices.once_in(2), entries }
    }
}

fn pairs(choices: &mut Choices<'_>) -> Vec<(String, String)> {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    choices.pick(&[
        Vec::new(),
        Vec::new(),
        vec![pair("x-a", "1")],
        vec![pair("x-a", "1"), pair("x-b", "2")],
        vec![pair("x-b", "2"), pair("x-a", "1")],
        vec![pair("", "")],
    ])
}

fn time(choices: &mut Choices<'_>) -> u64 {
    choices.pick(&[1_700_000_000_000, 0, 1, u64::from(u32::MAX) + 7, u64::MAX])
}

fn invocation(choices: &mut Choices<'_>) -> String {
    choices.text(&["inv_1l3Hc716hrBy2a7ymYunS7YfxrkDUBIRDT", "inv_1000000000000000000000000000000000", ""])
}
