//! A check: judges one journal, or millions of them, and hands on the judgements in the order of ids.
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
