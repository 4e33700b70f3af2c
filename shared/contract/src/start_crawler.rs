//! `StartCrawler` and `CheckCrawler`: bring the landed data into the Glue database.

use serde::{Deserialize, Serialize};

use crate::{CheckAction, RunRef};

/// What the state machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Start, or ask how it is going.
    #[serde(default)]
    pub action: CheckAction,
    /// The run.
    pub run: RunRef,
    /// How often `check` has been asked; counted by the function, limited by the definition.
    #[serde(default)]
    pub turns: u32,
}

/// How the crawl is going.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Whether the partition is there.
    pub state: CrawlState,
    /// The request's turns, plus one for `check`.
    pub turns: u32,
}

/// Whether the data is in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CrawlState {
    /// Not yet.
    Running,
    /// The partition `run=<id>` exists at the right location.
    Done,
}
