//! Runs in memory: reference data, counting, summarizing.

mod count;
mod reference;
mod summarize;
mod support;
