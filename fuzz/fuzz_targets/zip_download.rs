//! Any bytes as a download.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bisonflow_fuzz::occurrence::zip_download(bytes));
