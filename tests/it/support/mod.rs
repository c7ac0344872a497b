//! What the tests of this binary share. What the end-to-end tests use as well is in `tests/support`.

pub mod handmade;
pub mod seeded;
pub mod stand_in;

#[path = "../../support/folders.rs"]
pub mod folders;
#[path = "../../support/large_reports.rs"]
pub mod large_reports;
#[path = "../../support/live/mod.rs"]
pub mod live;
#[path = "../../support/quiet.rs"]
pub mod quiet;
#[path = "../../support/runner.rs"]
pub mod runner;
#[path = "../../support/rust_services.rs"]
pub mod rust_services;
#[path = "../../support/sample_report.rs"]
pub mod sample_report;
