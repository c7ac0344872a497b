//! A running cluster, spoken to over its admin API: what is asked, and how its answers are read.

mod admin;
mod apply;
pub mod apply_log;
mod audit;
mod cause;
mod chosen;
mod copy;
mod deployments;
mod fold;
mod journals;
mod judge;
mod listing;
mod matrix;
pub mod plan;
mod prefix;
mod recording;
mod repoint;
mod report;
mod sql;
mod stuck;
mod tally;
mod watch;

pub use admin::{
    Access, Admin, AdminError, Answer, Deployment, DeploymentService, Download, Request, Service, Version,
};
pub use apply::{Applier, ApplyOptions, Target, Turn, Unfinished};
pub use audit::{Audit, in_flight};
pub use cause::{Cause, Oldest, group};
pub use chosen::Chosen;
pub use copy::{Copied, CopyError, Pace, copy};
pub use deployments::{COUNTS, CountRow, Surveyed, endpoint, same_endpoint, survey};
pub use journals::{JournalsError, fetch};
pub use judge::{CHUNK, JudgedOn, Prefixes, judge_on};
pub use matrix::{Cell, Checked, Judged, Matrix, Prefix, Row, RowOf};
pub use prefix::{WholePrefix, largest_whole};
pub use recording::{Begun, Recording, RecordingError, Subject};
pub use repoint::{Repoint, check_all, register, repoint};
pub use report::{AuditReport, Help};
pub use sql::{any_of, quoted};
pub use stuck::{EventRow, FailingStep, FailureCause, Stuck, StuckRow, StuckStatus};
pub use watch::{Before, Standing, became, look, restarts};
