//! Interruption: the first Ctrl-C stops the work and reports what was done, the second ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The exit status that shells give to a program that SIGINT ended.
const ENDED_AT_ONCE: i32 = 130;

/// Whether the user asked to stop.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts watching: from now on the first SIGINT or SIGTERM only sets the flag, and the second ends the process.
    pub fn watch() -> Self {
        let came = Arc::new(AtomicBool::new(false));
        let watched: io::Result<()> = [SIGINT, SIGTERM].into_iter().try_for_each(|signal| {
            // The order matters: at the first signal the shutdown sees a lowered flag, and only then is the flag raised.
            flag::register_conditional_shutdown(signal, ENDED_AT_ONCE, Arc::clone(&came))?;
            flag::register(signal, Arc::clone(&came)).map(drop)
        });
        if let Err(error) = watched {
            tracing::debug!(%error, "could not watch for signals");
        }
        Self(came)
    }

    /// Whether a signal has arrived.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until a signal arrives.
    pub async fn wait(&self) {
        while !self.came() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
