//! Step Functions: executions and task tokens.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::ExecutionStatus as SfnStatus;
use bisonflow_contract::StepError;
use serde_json::Value;

use super::failed;
use crate::executions::{ExecutionStatus, Executions};
use crate::tokens::{TaskTokens, superseded};

/// What asking for an execution calls.
pub const DESCRIBE: &[&str] = &["states:DescribeExecution"];
/// What reporting under a task token calls.
pub const REPORT: &[&str] = &["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"];
/// All of them.
pub const ACTIONS: &[&str] = &[
    "states:DescribeExecution",
    "states:SendTaskSuccess",
    "states:SendTaskFailure",
    "states:SendTaskHeartbeat",
];

/// The longest cause that SendTaskFailure takes, in characters.
const MAX_CAUSE: usize = 32_768;

/// Executions and task tokens of this account and region.
#[derive(Clone, Debug)]
pub struct StepFunctions {
    client: Client,
}

impl StepFunctions {
    /// The executions that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        StepFunctions { client: Client::new(config) }
    }
}

#[async_trait]
impl Executions for StepFunctions {
    async fn status(&self, execution_arn: &str) -> Result<ExecutionStatus, StepError> {
        match self.client.describe_execution().execution_arn(execution_arn).send().await {
            Ok(answer) => Ok(match answer.status() {
                SfnStatus::Succeeded => ExecutionStatus::Succeeded,
                SfnStatus::Failed | SfnStatus::TimedOut | SfnStatus::Aborted => ExecutionStatus::Failed,
                _ => ExecutionStatus::Running,
            }),
            Err(error) if matches!(error.code(), Some("ExecutionDoesNotExist" | "InvalidArn")) => {
                Ok(ExecutionStatus::Unknown)
            }
            Err(error) => Err(failed("states:DescribeExecution", &error)),
        }
    }
}

/// The step error for a failed report.
fn report_failed<E: ProvideErrorMetadata + std::error::Error>(action: &str, error: &E) -> StepError {
    match error.code() {
        Some("TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken") => superseded(),
        _ => failed(action, error),
    }
}

#[async_trait]
impl TaskTokens for StepFunctions {
    async fn send_success(&self, token: &str, result: &Value) -> Result<(), StepError> {
        let sent = self.client.send_task_success().task_token(token).output(result.to_string()).send().await;
        sent.map(drop).map_err(|error| report_failed("states:SendTaskSuccess", &error))
    }

    async fn send_failure(&self, token: &str, error: &StepError) -> Result<(), StepError> {
        let cause: String = error.to_string().chars().take(MAX_CAUSE).collect();
        let request = self.client.send_task_failure().task_token(token).error(error.name().as_str());
        let sent = request.cause(cause).send().await;
        sent.map(drop).map_err(|error| report_failed("states:SendTaskFailure", &error))
    }

    async fn heartbeat(&self, token: &str) -> Result<(), StepError> {
        let sent = self.client.send_task_heartbeat().task_token(token).send().await;
        sent.map(drop).map_err(|error| report_failed("states:SendTaskHeartbeat", &error))
    }
}
