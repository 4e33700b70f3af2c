//! The crate as its users see it: layers.toml and files in, regions of places out.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers of a test for something else")]

mod borders;
mod config;
mod damaged;
mod drawing;
mod files;
mod index_file;
mod kinds;
mod overlaps;
mod real_data;
mod sameness;
