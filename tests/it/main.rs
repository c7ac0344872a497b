//! The tests that need nothing but Rust, in one binary. Those that need other programs are in `tests/e2e`.

mod bad_input;
mod cases;
mod cli;
mod determinism;
mod formats;
mod fuzz;
mod gate;
mod hostile;
mod imports;
#[cfg(unix)]
mod interrupt;
mod lambda;
mod layers;
mod misbehaving_candidates;
mod oracle;
mod rules;
mod rust_sdk;
mod support;
mod truth;
mod wire;
