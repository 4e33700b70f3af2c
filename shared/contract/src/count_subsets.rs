//! `CountSubsets`: counts the landed records and splits them.

use serde::{Deserialize, Serialize};

use crate::RunRef;

/// What the state machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The run.
    pub run: RunRef,
}

/// What was counted; the subsets themselves are in `subsets.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Landed records.
    pub records: u64,
    /// Subsets; at least one.
    pub subsets: u64,
}
