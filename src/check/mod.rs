//! The main job: the verdict on one journal, and on millions of them, in a total order.
//!
//! [`offline`] compares recorded journals with recorded traces; [`live`] replays them on a deployment.

pub mod live;
pub mod offline;
mod options;
mod report_builder;
mod selection;

pub use offline::{Checked, check, check_journal, check_journals, load_each};
pub use options::Options;
pub use report_builder::ReportBuilder;
pub use selection::Selection;
