//! The `rehearse` binary: see [`rehearsal::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rehearsal::cli::run(std::env::args_os())
}
