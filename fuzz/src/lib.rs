//! What the fuzz targets do with their bytes; one module for every crate that is fuzzed.
//!
//! A new target is a function here, seeds in its test, a file of two lines in `fuzz_targets`, and a `[[bin]]`
//! in `Cargo.toml`. `cargo +nightly fuzz run TARGET` looks for new bytes; `cargo test --no-default-features`
//! replays the seeds.

pub mod index_file;
pub mod occurrence;
pub mod register;
