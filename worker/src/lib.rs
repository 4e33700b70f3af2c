//! The worker: land, annotate, summarize, or all of it in one process.

pub mod sample;
