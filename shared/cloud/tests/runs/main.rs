//! Runs in memory: reference data, counting, summarizing.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

mod count;
mod publications;
mod reference;
mod region_list;
mod report;
mod summarize;
mod support;
