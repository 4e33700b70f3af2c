//! Any bytes as the description of an archive.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bisonflow_fuzz::occurrence::meta_xml(bytes));
