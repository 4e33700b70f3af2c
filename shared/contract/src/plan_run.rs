//! `PlanRun`: validates the input, takes the run, pins the reference data.

use serde::{Deserialize, Serialize};

use crate::{RunId, RunRef};

/// What the state machine asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The execution that asks (`$$.Execution.Id`).
    pub execution_arn: String,
    /// The execution's input, as it came; see [`crate::input::Request::parse`].
    pub input: serde_json::Value,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "outcome", deny_unknown_fields)]
pub enum Response {
    /// Go on with the run.
    Planned {
        /// The run.
        run: RunRef,
        /// How the records land.
        landing: Landing,
    },
    /// The run is finished or under way; nothing to do.
    Duplicate {
        /// The run.
        run_id: RunId,
        /// Which execution made or is making it.
        execution_arn: String,
    },
    /// Not something to run: a folder marker.
    Ignored {
        /// Why.
        reason: String,
    },
}

/// How the records land.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Landing {
    /// An instance downloads them.
    Download,
    /// They are a snapshot, used in place.
    Snapshot,
    /// An earlier generation landed them; source and columns are unchanged.
    Kept,
}
