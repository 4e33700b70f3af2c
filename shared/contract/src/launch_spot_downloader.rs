//! `LaunchSpotDownloader`: launches the instance that lands the download.

use serde::{Deserialize, Serialize};

use crate::RunRef;
use crate::document::LandingRecords;

/// What the state machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Launch, or end the run's instances.
    #[serde(default)]
    pub action: Action,
    /// The run.
    pub run: RunRef,
    /// The token with which the instance reports back (`$$.Task.Token`); for `start` only. A secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_token: Option<String>,
}

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Launch an instance; its report is the state's result.
    #[default]
    Start,
    /// End the run's instances.
    Terminate,
}

/// What the function answers; for `start` the state's result is [`Landed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The instances launched or ended.
    pub instance_ids: Vec<String>,
}

/// What the instance reports with SendTaskSuccess: the state's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Landed {
    /// Records, counted.
    pub records: LandingRecords,
    /// How many parts there are.
    pub parts: u64,
}
