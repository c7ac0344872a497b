//! What an operator does with a running cluster: find what is stuck and why, plan what to do, and carry the plan out.

mod apply;
mod audit;
mod cause;
mod deployments;
mod judge;
pub mod log;
mod matrix;
mod message_template;
mod observe;
pub mod plan;
mod prefix;
mod repoint;
mod report;
mod stuck;

pub use apply::{Applier, ApplyOptions, Target, Turn, Unfinished};
pub use audit::{Audit, in_flight};
pub use cause::{Cause, Oldest, group};
pub use deployments::{COUNTS, CountRow, Surveyed, endpoint, same_endpoint, survey};
pub use judge::{CHUNK, JudgedOn, Prefixes, judge_on};
pub use matrix::{Cell, Checked, Judged, Matrix, Prefix, Row, RowOf};
pub use observe::{Before, Standing, became, look, restarts};
pub use prefix::{WholePrefix, largest_whole};
pub use repoint::{Repoint, check_all, register, repoint};
pub use report::{AuditReport, Help};
pub use stuck::{EventRow, FailingStep, FailureCause, Stuck, StuckRow, StuckStatus};
