//! Narrow ports to AWS, their adapters and in-memory fakes, one telemetry set-up; and the clients of GBIF's
//! services.

pub mod aws;
pub mod catalog;
pub mod count;
pub mod executions;
pub mod fleet;
pub mod gbif_download;
pub mod http;
pub mod job_queue;
pub mod reference;
pub mod run_store;
pub mod runtime;
pub mod species_match;
pub mod store;
pub mod summarize;
pub mod tokens;
pub mod upload;

pub use run_store::RunStore;
pub use store::Store;
