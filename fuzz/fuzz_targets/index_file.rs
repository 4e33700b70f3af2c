//! Any bytes as the file of an index.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bisonflow_fuzz::index_file::index_file(bytes));
