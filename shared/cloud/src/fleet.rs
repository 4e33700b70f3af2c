//! The port to EC2: the instances that land downloads.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bisonflow_contract::input::Market;
use bisonflow_contract::{RunId, StepError};

/// The tag that names an instance's run.
pub const RUN_TAG: &str = "bisonflow:run";
/// The tag that tells the attempt an instance belongs to: the first 16 hexadecimal digits of the SHA-256 of its
/// task token.
pub const TOKEN_HASH_TAG: &str = "bisonflow:token-hash";

/// One instance to launch, from one pool (type and subnet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchRequest {
    /// The launch template.
    pub launch_template_id: String,
    /// The subnet, and so the zone.
    pub subnet_id: String,
    /// The type, such as `c7g.large`.
    pub instance_type: String,
    /// Spot (one-time, terminated when interrupted) or On-Demand.
    pub market: Market,
    /// Makes a repeat of this very request harmless; at most 64 ASCII characters.
    pub client_token: String,
    /// The script to run at the first start, as text.
    pub user_data: String,
    /// Tags of the instance and its volumes.
    pub tags: BTreeMap<String, String>,
}

/// An instance that is not terminated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its [`TOKEN_HASH_TAG`].
    pub token_hash: Option<String>,
}

/// The instances of this account and region.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Launches an instance; answers its id. The same client token answers the same instance.
    ///
    /// # Errors
    /// [`StepError::CapacityUnavailable`] if this pool has none to give: try the next.
    /// [`StepError::Throttled`], [`StepError::SourceUnavailable`]; [`StepError::Internal`] for anything that
    /// another pool would not mend (quota, permission, parameter).
    async fn run_instance(&self, request: &LaunchRequest) -> Result<String, StepError>;

    /// The run's instances that are not (being) terminated.
    ///
    /// # Errors
    /// As [`Fleet::run_instance`], but for capacity.
    async fn instances_of_run(&self, run: &RunId) -> Result<Vec<Instance>, StepError>;

    /// Terminates instances; ones that are gone are no error.
    ///
    /// # Errors
    /// As [`Fleet::instances_of_run`].
    async fn terminate(&self, ids: &[String]) -> Result<(), StepError>;
}

/// A fleet in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryFleet {
    state: Mutex<FleetState>,
}

/// What a [`MemoryFleet`] holds; tests set it up and look at it.
#[derive(Debug, Default)]
pub struct FleetState {
    /// Every launch asked for, in order.
    pub asked: Vec<LaunchRequest>,
    /// Living instances: id and the request that made them.
    pub living: BTreeMap<String, LaunchRequest>,
    /// Ids terminated, in order.
    pub terminated: Vec<String>,
    /// Instance types without capacity.
    pub without_capacity: Vec<String>,
    /// Whether there are no Spot instances of any type.
    pub without_spot: bool,
    /// An error that every launch answers.
    pub refusal: Option<StepError>,
}

impl MemoryFleet {
    /// An empty fleet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it holds.
    pub fn state(&self) -> MutexGuard<'_, FleetState> {
        self.state.lock().expect("no test panics while it holds the fleet")
    }
}

#[async_trait]
impl Fleet for MemoryFleet {
    async fn run_instance(&self, request: &LaunchRequest) -> Result<String, StepError> {
        let mut state = self.state();
        state.asked.push(request.clone());
        if let Some(refusal) = &state.refusal {
            return Err(refusal.clone());
        }
        let without_spot = state.without_spot && request.market == Market::Spot;
        if without_spot || state.without_capacity.contains(&request.instance_type) {
            return Err(StepError::CapacityUnavailable(format!("{}: no capacity", request.instance_type)));
        }
        let same = |(_, made): &(&String, &LaunchRequest)| made.client_token == request.client_token;
        if let Some((id, _)) = state.living.iter().find(same) {
            return Ok(id.clone());
        }
        let id = format!("i-{:017x}", state.asked.len());
        state.living.insert(id.clone(), request.clone());
        Ok(id)
    }

    async fn instances_of_run(&self, run: &RunId) -> Result<Vec<Instance>, StepError> {
        let of_run = |made: &LaunchRequest| made.tags.get(RUN_TAG).map(String::as_str) == Some(run.as_str());
        Ok(self
            .state()
            .living
            .iter()
            .filter(|(_, made)| of_run(made))
            .map(|(id, made)| Instance { id: id.clone(), token_hash: made.tags.get(TOKEN_HASH_TAG).cloned() })
            .collect())
    }

    async fn terminate(&self, ids: &[String]) -> Result<(), StepError> {
        let mut state = self.state();
        for id in ids {
            if state.living.remove(id).is_some() {
                state.terminated.push(id.clone());
            }
        }
        Ok(())
    }
}
