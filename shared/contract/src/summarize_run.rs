//! `SummarizeRun`: merges the partial counts, closes the ledger, makes the tables; and `PublishRun`, which shows them
//! as the latest, once `AwaitApproval` has an answer where one is needed; without a yes, `CheckPublished` looks whether
//! somebody published them by hand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::{LayerCount, RiisCounts};
use crate::{RunId, RunRef};

/// What the state machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What to do.
    #[serde(default)]
    pub action: Action,
    /// The run.
    pub run: RunRef,
    /// The token to answer with (`$$.Task.Token`); for `hold` only. A secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_token: Option<String>,
}

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Summarize the run and compare it with the one published before.
    #[default]
    Start,
    /// Keep the token until a person answers with it.
    Hold,
    /// Say whether a run that nobody approved of was published all the same, and forget its token.
    Check,
    /// Show the run's tables as the latest.
    Publish,
}

/// What the function answers, by what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To `start`.
    Summarized(Box<Response>),
    /// To `hold`; the state's result is the [`Approval`].
    Held {},
    /// To `check`.
    Checked(Checked),
    /// To `publish`.
    Published(Published),
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
    /// What changed against the run published before, in a few sentences.
    pub drift: String,
    /// Whether a person has to approve before the run is published.
    pub hold: bool,
    /// Where all of it is: `s3://BUCKET`.
    pub root: String,
    /// What is newly published for a region (not necessarily newly arrived), a few lines.
    pub new_in_run: String,
    /// Where the report is: `s3://…`.
    pub report: String,
    /// Where the manifest is: `s3://…`.
    pub manifest: String,
    /// Where the annotated records are: `s3://…`.
    pub annotated_location: String,
    /// Where the tables for download are: `s3://…`.
    pub csv_location: String,
}

/// What a person answers: the result of `AwaitApproval`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// When (RFC 3339, UTC).
    pub approved_at: String,
}

/// The result of `CheckPublished`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// Whether the run is published: by hand, while it waited for an answer.
    pub published: bool,
}

/// The result of `PublishRun`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// How many tables `<table>_latest` show the run now.
    pub tables: u64,
    /// How many older runs the retention setting had deleted.
    pub deleted_runs: u64,
}
