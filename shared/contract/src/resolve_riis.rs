//! `ResolveRiis` and `ResolveMore`: the register's names against the checklist of the records.

use serde::{Deserialize, Serialize};

use crate::RunRef;

/// What the state machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The run.
    pub run: RunRef,
    /// How often it has been asked; counted by the function, limited by the definition.
    #[serde(default)]
    pub turns: u32,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Whether the run's register is as it is to be used.
    pub state: State,
    /// The request's turns, plus one.
    pub turns: u32,
    /// Names that have their answer by now; 0 where nothing had to be resolved.
    pub names: u64,
    /// How many of them were answered in this turn.
    pub answered: u64,
}

/// Whether the register can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not yet: the time of a turn was not enough.
    Running,
    /// It is resolved, or needs no resolving.
    Done,
}
