//! The admin API of a running cluster: its client, its SQL, and the selection flags as SQL conditions.
//!
//! This folder knows requests and answers only. Copying journals is [`crate::record`]'s task, and deciding what to do with
//! them is [`crate::operate`]'s.

mod client;
mod failure;
mod request;
mod selection;
mod sql;

pub use client::{Admin, RegisteredDeployment, RegisteredService, ServerVersion, ServiceRevision};
pub use failure::AdminError;
pub use request::{Access, AdminRequest, AdminResponse, Download, Patience};
pub use selection::ClusterSelection;
pub use sql::{any_of, quoted};
