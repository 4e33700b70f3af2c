//! `SubmitBatchJob` and `CheckBatchJob`: annotate every subset.

use serde::{Deserialize, Serialize};

use crate::{CheckAction, RunRef};

/// What the state machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Submit, or ask how it is going.
    #[serde(default)]
    pub action: CheckAction,
    /// The run.
    pub run: RunRef,
    /// How many subsets there are; for `start`.
    #[serde(default)]
    pub subsets: u64,
    /// The job; for `check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// How often `check` has been asked.
    #[serde(default)]
    pub turns: u32,
}

/// How the job is going.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The job.
    pub job_id: String,
    /// Whether it is over.
    pub state: JobState,
    /// Subsets in all.
    pub subsets: u64,
    /// Subsets waiting for a machine.
    pub waiting: u64,
    /// Subsets being annotated.
    pub running: u64,
    /// Subsets done.
    pub succeeded: u64,
    /// Subsets failed.
    pub failed: u64,
    /// The request's turns, plus one for `check`.
    pub turns: u32,
}

/// Whether the job is over; a failed job is the error `SubsetFailed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Not yet.
    Running,
    /// All subsets are annotated.
    Succeeded,
}
