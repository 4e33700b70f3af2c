//! How often the service is asked, and when it wants to be left alone.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

/// One rate for all requests, however many are on their way.
pub(super) struct Pace {
    interval: Duration,
    times: Mutex<Times>,
}

struct Times {
    /// When the next request may be sent.
    next: Instant,
    /// No request before this.
    held: Instant,
    /// When the service last answered as it should.
    answered: Instant,
}

impl Pace {
    pub(super) fn new(requests_per_second: f64) -> Pace {
        let now = Instant::now();
        Pace {
            interval: Duration::from_secs_f64(1.0 / requests_per_second),
            times: Mutex::new(Times { next: now, held: now, answered: now }),
        }
    }

    /// Waits for a turn: turns are an interval apart.
    pub(super) async fn turn(&self) {
        let mut at = {
            let mut times = self.times();
            let at = times.next.max(times.held).max(Instant::now());
            times.next = at + self.interval;
            at
        };
        loop {
            tokio::time::sleep_until(at).await;
            // Another request may have been told to wait in the meantime.
            let held = self.times().held;
            if held <= Instant::now() {
                return;
            }
            at = held;
        }
    }

    /// Nobody asks for so long.
    pub(super) fn hold(&self, wait: Duration) {
        let mut times = self.times();
        times.held = times.held.max(Instant::now() + wait);
    }

    /// The service has answered.
    pub(super) fn answered(&self) {
        self.times().answered = Instant::now();
    }

    /// For how long the service has not answered any request.
    pub(super) fn silence(&self) -> Duration {
        self.times().answered.elapsed()
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().expect("nothing panics while it holds the times")
    }
}
