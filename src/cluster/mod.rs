//! A running cluster, spoken to over its admin API: what is asked, and how its answers are read.

mod admin;
mod sql;

pub use admin::{
    Access, Admin, AdminError, Answer, Deployment, DeploymentService, Download, Request, Service, Version,
};
pub use sql::{any_of, quoted};
