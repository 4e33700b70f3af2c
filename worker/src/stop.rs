//! How a long work is told to stop.

use std::sync::{Arc, OnceLock};

use bisonflow_contract::StepError;
use tokio::sync::Notify;

/// Tells a work to stop, from another thread. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    why: OnceLock<StepError>,
    now: Notify,
}

impl Stop {
    /// Tells it to stop, and why; the first reason counts.
    pub fn stop(&self, why: StepError) {
        // A second reason changes nothing.
        let _ = self.0.why.set(why);
        self.0.now.notify_waiters();
    }

    /// # Errors
    /// Why it was told to stop, if it was.
    pub fn check(&self) -> Result<(), StepError> {
        self.0.why.get().cloned().map_or(Ok(()), Err)
    }

    /// Waits until it is told to stop; why.
    pub async fn told(&self) -> StepError {
        loop {
            let now = self.0.now.notified();
            if let Err(why) = self.check() {
                return why;
            }
            now.await;
        }
    }
}
