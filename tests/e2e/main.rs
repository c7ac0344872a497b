//! The end-to-end tests: a real Restate server, real SDKs in their own runtimes, a browser, and the scripts around the
//! binary. They provision themselves; `provisioning` says what is left out where a runtime is missing.
#![cfg(unix)]

mod action;
mod browser;
mod cluster;
mod junit_schema;
mod live;
mod operate;
mod packaging;
mod provisioning;
mod server;
mod support;

use support::quiet;
