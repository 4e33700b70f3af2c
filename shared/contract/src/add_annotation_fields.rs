//! `AddAnnotationFields`: brings the columns of `occurrences` and `annotated` up to date.

use serde::{Deserialize, Serialize};

use crate::RunRef;

/// What the state machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The run.
    pub run: RunRef,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Columns added to `occurrences`.
    pub occurrences_added: u32,
    /// Columns added to `annotated` (all of them when it was created).
    pub annotated_added: u32,
}
