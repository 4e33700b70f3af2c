//! Any bytes as the register of introduced and invasive species.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bisonflow_fuzz::register::register(bytes));
