//! What was recorded: plain data. No I/O, no bytes-to-message decoding, no judgement.
//!
//! A journal is a sequence of entries: commands (what the handler asked for) and notifications (results and
//! signals). [`command`] holds the one table of each command's fields, from which decoding, equality, diff and
//! display all come.

mod bytes;
pub mod command;
mod describe;
mod entries;
mod id;
mod kind;
mod trace;

pub(crate) use bytes::first_difference;
pub use command::{Command, Compared, Field, FieldKind, FieldValue};
pub use describe::describe;
pub use entries::{Entries, EntryBuffer, Position};
pub use id::{IdOrder, InvocationId};
pub use kind::{CommandKind, EntryKind, NotificationKind};
pub use trace::{Await, Ending, Step, Trace};

/// What is known of an invocation beside its journal (`sys_invocation`); all of it optional, since a check
/// needs none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct InvocationInfo {
    /// `Service/key/handler`, or `Service/handler` where the service has no keys.
    pub target: Option<String>,
    pub service: Option<String>,
    pub key: Option<String>,
    pub handler: Option<String>,
    /// `target_service_ty`.
    pub service_type: Option<String>,
    /// `pinned_deployment_id`.
    pub deployment: Option<String>,
    /// `pending`, `running`, `backing-off`, `paused`, `completed`, …
    pub status: Option<String>,
    /// `pinned_service_protocol_version`.
    pub protocol_version: Option<u32>,
    pub created_at: Option<String>,
}

impl InvocationInfo {
    /// The target as the server prints it, put together from its parts where only those are known.
    pub fn target(&self) -> Option<String> {
        if let Some(target) = &self.target {
            return Some(target.clone());
        }
        let service = self.service.as_deref()?;
        let handler = self.handler.as_deref()?;
        Some(match self.key.as_deref() {
            Some(key) if !key.is_empty() => format!("{service}/{key}/{handler}"),
            _ => format!("{service}/{handler}"),
        })
    }

    /// Service and handler, split out of the target where the parts are not known. A key may contain slashes.
    pub fn service_and_handler(&self) -> Option<(String, String)> {
        if let (Some(service), Some(handler)) = (&self.service, &self.handler) {
            return Some((service.clone(), handler.clone()));
        }
        let target = self.target.as_deref()?;
        let (service, rest) = target.split_once('/')?;
        let handler = rest.rsplit_once('/').map_or(rest, |(_, handler)| handler);
        Some((service.to_owned(), handler.to_owned()))
    }

    /// The key of a virtual object or workflow, split out of the target where it is not known by itself.
    pub fn key(&self) -> Option<String> {
        if self.key.is_some() {
            return self.key.clone();
        }
        let rest = self.target.as_deref()?.split_once('/')?.1;
        rest.rsplit_once('/').map(|(key, _)| key.to_owned())
    }

    /// Sets what a column of `sys_invocation` says, by the column's name; other columns are no business of ours.
    pub fn set(&mut self, column: &str, text: String) {
        match column {
            "target" => self.target = Some(text),
            "target_service_name" => self.service = Some(text),
            "target_service_key" => self.key = Some(text),
            "target_handler_name" => self.handler = Some(text),
            "target_service_ty" => self.service_type = Some(text),
            "pinned_deployment_id" => self.deployment = Some(text),
            "status" => self.status = Some(text),
            "pinned_service_protocol_version" => {
                self.protocol_version = text.parse().ok().filter(|version| *version != 0)
            }
            "created_at" => self.created_at = Some(text),
            _ => {}
        }
    }

    /// The columns of `sys_invocation`, in the order in which files have them; empty where nothing is known.
    pub fn columns(&self) -> [String; 9] {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        [
            text(&self.target),
            text(&self.service),
            text(&self.key),
            text(&self.handler),
            text(&self.service_type),
            text(&self.deployment),
            text(&self.status),
            self.protocol_version.map(|version| version.to_string()).unwrap_or_default(),
            text(&self.created_at),
        ]
    }

    /// Fills what is missing here from `other`.
    pub fn or(mut self, other: &Self) -> Self {
        fn fill<T: Clone>(slot: &mut Option<T>, from: &Option<T>) {
            if slot.is_none() {
                slot.clone_from(from);
            }
        }
        fill(&mut self.target, &other.target);
        fill(&mut self.service, &other.service);
        fill(&mut self.key, &other.key);
        fill(&mut self.handler, &other.handler);
        fill(&mut self.service_type, &other.service_type);
        fill(&mut self.deployment, &other.deployment);
        fill(&mut self.status, &other.status);
        fill(&mut self.protocol_version, &other.protocol_version);
        fill(&mut self.created_at, &other.created_at);
        self
    }
}

/// One invocation with all of its entries, as [`crate::source`] puts it together.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    pub id: InvocationId,
    pub info: InvocationInfo,
    pub entries: EntryBuffer,
}
