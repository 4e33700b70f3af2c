//! Tries at what fails now and then, with pauses between them.

use std::time::{Duration, Instant};

use bisonflow_contract::StepError;

use super::Trouble;

/// The longest pause between two tries that the server did not ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The longest pause that a server may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// How much trouble is borne.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For so long no byte may come before we give up.
    pub silence: Duration,
    /// For so long nobody may answer at the beginning: a server whose name is wrong never will.
    pub first_answer: Duration,
    /// The pause after a first failure is at most so long; it doubles with every further one, up to a minute.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            silence: Duration::from_secs(600),
            first_answer: Duration::from_secs(60),
            pause: Duration::from_millis(500),
        }
    }
}

/// Tries at one range.
pub(super) struct Tries {
    pub(super) patience: Patience,
    /// Since when no byte has come.
    since: Instant,
    failures: u32,
}

impl Tries {
    pub(super) fn new(patience: Patience) -> Tries {
        Tries { patience, since: Instant::now(), failures: 0 }
    }

    pub(super) fn begin_anew(&mut self) {
        *self = Tries::new(self.patience);
    }

    /// Waits until the next try, or gives up.
    pub(super) async fn pause(
        &mut self,
        uri: &str,
        at: u64,
        why: &str,
        after: Option<Duration>,
    ) -> Result<(), Trouble> {
        let silence = self.since.elapsed();
        if silence > self.patience.silence {
            return Err(Trouble::Failed(StepError::SourceUnavailable(format!(
                "{uri}: nothing could be read from byte {at} on for {} s: {why}; try again later",
                silence.as_secs()
            ))));
        }
        let most = self.patience.pause.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures += 1;
        let pause = match after {
            Some(after) => after.min(LONGEST_RETRY_AFTER),
            None => most.mul_f64(fastrand::f64()),
        };
        tracing::info!(uri, at, why, pause_seconds = pause.as_secs_f64(), "reading on after a failure");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
