//! `SummarizeRun`: merges the partial counts, closes the ledger, publishes the tables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::{LayerCount, RiisCounts};
use crate::{RunId, RunRef};

/// What the state machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The run.
    pub run: RunRef,
}

/// The result of the run, as `NotifySuccess` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The run.
    pub run_id: RunId,
    /// Rows read.
    pub read: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Records held back by the filters.
    pub filtered: u64,
    /// Records annotated.
    pub annotated: u64,
    /// By layer.
    pub layers: BTreeMap<String, LayerCount>,
    /// By status.
    pub riis: RiisCounts,
    /// The ledger in one line: `read 600 = rejected 0 + filtered 0 + annotated 600`.
    pub ledger_line: String,
    /// Where the report is: `s3://…`.
    pub report: String,
    /// Where the manifest is: `s3://…`.
    pub manifest: String,
    /// Where the annotated records are: `s3://…`.
    pub annotated_location: String,
    /// Where the tables for download are: `s3://…`.
    pub csv_location: String,
}
