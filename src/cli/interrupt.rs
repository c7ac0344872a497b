//! Ctrl-C: once to stop and tell what was done, twice to end at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// What a shell gives for a program that SIGINT has ended.
const ENDED_AT_ONCE: i32 = 130;

/// Whether to stop.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on a signal does not end the program, but the second one does.
    pub fn watch() -> Self {
        let came = Arc::new(AtomicBool::new(false));
        let watched: io::Result<()> = [SIGINT, SIGTERM].into_iter().try_for_each(|signal| {
            // In this order: the first signal finds the flag down, and raises it.
            flag::register_conditional_shutdown(signal, ENDED_AT_ONCE, Arc::clone(&came))?;
            flag::register(signal, Arc::clone(&came)).map(drop)
        });
        if let Err(error) = watched {
            tracing::debug!(%error, "signals are not watched");
        }
        Self(came)
    }

    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits for it.
    pub async fn wait(&self) {
        while !self.came() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
