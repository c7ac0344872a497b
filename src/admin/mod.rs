//! The admin API of a running cluster: its client, its SQL, and the selection flags as conditions.
//!
//! It knows requests and answers; what an operator does with them is [`crate::operate`]'s.

mod client;
mod selection;
mod sql;

pub use client::{
    Access, Admin, AdminError, Answer, Deployment, DeploymentService, Download, Patience, Request, Service, Version,
};
pub use selection::Chosen;
pub use sql::{any_of, quoted};
