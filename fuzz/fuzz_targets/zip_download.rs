//! Any bytes as a download.
#![no_main]

libfuzzer_sys::fuzz_target!(
    // The parquet crate asserts what damaged files need not fulfil, and our reader catches that: libFuzzer's own hook
    // would end the process before. A panic that nobody catches still does.
    init: std::panic::set_hook(Box::new(|_| {})),
    |bytes: &[u8]| bisonflow_fuzz::occurrence::zip_download(bytes)
);
