//! The worker: land, annotate, summarize, or all of it in one process.
//!
//! Its commands are I/O shells around the data crates; the same binary runs on the Spot instance, in AWS Batch
//! and on a laptop.

pub mod annotate;
pub mod cli;
pub mod control;
pub mod land;
pub mod list;
pub mod location;
pub mod object_file;
pub mod one_pass;
pub mod progress;
pub mod publish;
pub mod regions;
pub mod remote_file;
pub mod report;
pub mod resolve;
pub mod run;
#[cfg(test)]
mod run_tests;
pub mod sample;
pub mod spot;
pub mod stop;
pub mod whole_file;
