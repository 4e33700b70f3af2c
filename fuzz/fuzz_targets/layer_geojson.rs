//! The geojson reader of the region layers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bisonflow_region::fuzzing::geojson(bytes));
