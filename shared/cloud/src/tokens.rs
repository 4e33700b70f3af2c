//! The port to task tokens: how the worker on an instance reports to the state machine.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bisonflow_contract::StepError;
use serde_json::Value;

/// The tokens of waiting states. A token that its state no longer waits for (timed out, unknown, used) is
/// [`StepError::RunTakenOver`]: who holds it has to stop.
#[async_trait]
pub trait TaskTokens: Send + Sync {
    /// Ends the state with this result.
    ///
    /// # Errors
    /// Of every method: [`StepError::RunTakenOver`], [`StepError::Throttled`],
    /// [`StepError::SourceUnavailable`], or [`StepError::Internal`] for a missing permission.
    async fn send_success(&self, token: &str, result: &Value) -> Result<(), StepError>;

    /// Ends the state with this error, name and sentence.
    ///
    /// # Errors
    /// As [`TaskTokens::send_success`].
    async fn send_failure(&self, token: &str, error: &StepError) -> Result<(), StepError>;

    /// Says that the work goes on.
    ///
    /// # Errors
    /// As [`TaskTokens::send_success`].
    async fn heartbeat(&self, token: &str) -> Result<(), StepError>;
}

/// What was reported under a token.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The result.
    Success(Value),
    /// The error.
    Failure(StepError),
    /// Still at work.
    Heartbeat,
}

/// Tokens in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryTaskTokens {
    state: Mutex<TokenState>,
}

/// What [`MemoryTaskTokens`] hold; tests set it up and look at it.
#[derive(Debug, Default)]
pub struct TokenState {
    /// What was reported, in order, with the token.
    pub reports: Vec<(String, Report)>,
    /// Tokens that no state waits for.
    pub superseded: Vec<String>,
}

impl MemoryTaskTokens {
    /// Every token is waited for.
    pub fn new() -> Self {
        Self::default()
    }

    /// What they hold.
    pub fn state(&self) -> MutexGuard<'_, TokenState> {
        self.state.lock().expect("no test panics while it holds the tokens")
    }

    fn report(&self, token: &str, report: Report) -> Result<(), StepError> {
        let mut state = self.state();
        if state.superseded.iter().any(|superseded| superseded == token) {
            return Err(superseded());
        }
        state.reports.push((token.to_owned(), report));
        Ok(())
    }
}

/// The error of a token that no state waits for.
pub(crate) fn superseded() -> StepError {
    StepError::RunTakenOver(
        "the task token is no longer waited for: the state timed out, or another attempt took its place; this \
         one has to stop"
            .into(),
    )
}

#[async_trait]
impl TaskTokens for MemoryTaskTokens {
    async fn send_success(&self, token: &str, result: &Value) -> Result<(), StepError> {
        self.report(token, Report::Success(result.clone()))
    }

    async fn send_failure(&self, token: &str, error: &StepError) -> Result<(), StepError> {
        self.report(token, Report::Failure(error.clone()))
    }

    async fn heartbeat(&self, token: &str) -> Result<(), StepError> {
        self.report(token, Report::Heartbeat)
    }
}
