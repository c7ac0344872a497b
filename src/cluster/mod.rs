//! A running cluster, spoken to over its admin API: what is asked, and how its answers are read.

mod admin;
mod chosen;
mod copy;
mod listing;
mod recording;
mod sql;
mod tally;

pub use admin::{
    Access, Admin, AdminError, Answer, Deployment, DeploymentService, Download, Request, Service, Version,
};
pub use chosen::Chosen;
pub use copy::{Copied, CopyError, Pace, copy};
pub use recording::{Begun, Recording, RecordingError, Subject};
pub use sql::{any_of, quoted};
