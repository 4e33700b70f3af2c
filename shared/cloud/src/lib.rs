//! Narrow ports to AWS, their adapters and in-memory fakes, one telemetry set-up; and the clients of GBIF's
//! services.

pub mod aws;
pub mod catalog;
mod columns;
pub mod count;
pub mod drift;
mod earliest;
pub mod executions;
pub mod finished_run;
pub mod fleet;
pub mod gbif_download;
pub mod http;
pub mod job_queue;
pub mod names;
pub mod publications;
pub mod publish;
pub mod reference;
pub mod region_list;
pub mod report;
pub mod run_store;
pub mod runtime;
pub mod secrets;
pub mod species_match;
pub mod store;
pub mod summarize;
pub mod tokens;

mod ranged_file;

pub use finished_run::FinishedRun;
pub use run_store::RunStore;
pub use store::Store;
