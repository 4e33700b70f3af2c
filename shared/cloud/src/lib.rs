//! Narrow ports to AWS, their adapters and in-memory fakes, one telemetry set-up; and the client of GBIF's species
//! match service.

pub mod aws;
pub mod catalog;
pub mod count;
pub mod executions;
pub mod fleet;
pub mod job_queue;
pub mod reference;
pub mod run_store;
pub mod runtime;
pub mod species_match;
pub mod store;
pub mod summarize;
pub mod tokens;

pub use run_store::RunStore;
pub use store::Store;
