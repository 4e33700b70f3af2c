//! The port to Step Functions executions: whether the one that holds a lock still lives.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bisonflow_contract::StepError;

/// How an execution is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionStatus {
    /// Under way, or waiting to be redriven.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended otherwise: failed, timed out, aborted.
    Failed,
    /// The service knows no such execution (any more).
    Unknown,
}

impl ExecutionStatus {
    /// Whether it can do nothing any more: its lock may be taken over.
    pub fn is_over(self) -> bool {
        self != ExecutionStatus::Running
    }
}

/// The executions of the state machine.
#[async_trait]
pub trait Executions: Send + Sync {
    /// How an execution is going; one that does not exist is [`ExecutionStatus::Unknown`].
    ///
    /// # Errors
    /// [`StepError::Throttled`], [`StepError::SourceUnavailable`], or [`StepError::Internal`] for a missing
    /// permission: a living run is never taken over because nobody could tell.
    async fn status(&self, execution_arn: &str) -> Result<ExecutionStatus, StepError>;
}

/// Executions in memory, for tests: by ARN; others are unknown.
#[derive(Clone, Debug, Default)]
pub struct MemoryExecutions(pub BTreeMap<String, ExecutionStatus>);

#[async_trait]
impl Executions for MemoryExecutions {
    async fn status(&self, execution_arn: &str) -> Result<ExecutionStatus, StepError> {
        Ok(self.0.get(execution_arn).copied().unwrap_or(ExecutionStatus::Unknown))
    }
}
