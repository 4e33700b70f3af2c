//! What the steps say to each other: requests, responses, ids, documents and error names.
//!
//! One module per step ([`plan_run`], [`launch_spot_downloader`], …), one for each kind of thing that several
//! of them share: ids ([`id`]), the execution's input ([`input`]), the documents that a run leaves under
//! `runs/run=<id>/` ([`document`]), what is published ([`publication`]), where everything lies ([`layout`]) and the errors ([`error`]).
//! Unknown fields of our own input are refused by name.

pub mod add_annotation_fields;
pub mod checklist;
pub mod count_subsets;
pub mod document;
pub mod drift;
pub mod error;
pub mod id;
pub mod input;
pub mod launch_spot_downloader;
pub mod layout;
pub mod plan_run;
pub mod publication;
pub mod resolve_riis;
pub mod start_crawler;
pub mod submit_batch_job;
pub mod summarize_run;
pub mod text;

use serde::{Deserialize, Serialize};

pub use checklist::Checklist;
pub use error::{ErrorName, StepError};
pub use id::{DownloadKey, RunId, S3Uri, SnapshotDate};

/// The run that a step works on; the same in every request after `PlanRun`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRef {
    /// The run.
    pub run_id: RunId,
    /// Which attempt at the whole run this is; raised by `force`. Starts at 1.
    pub generation: u32,
    /// The Step Functions execution that holds the run's lock.
    pub execution_arn: String,
}

/// What a request asks of a step that has several things to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckAction {
    /// Start the work.
    #[default]
    Start,
    /// Ask how the work is going.
    Check,
}

/// Parses a request or document from JSON; the error names the field.
///
/// # Errors
/// [`StepError::InvalidInput`] with serde's own sentence, which names an unknown or malformed field.
pub fn parse<T: serde::de::DeserializeOwned>(what: &str, value: serde_json::Value) -> Result<T, StepError> {
    serde_json::from_value(value).map_err(|error| StepError::invalid(what, error))
}
