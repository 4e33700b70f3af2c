//! Any bytes as the rows of a text.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bisonflow_fuzz::occurrence::text_rows(bytes));
