//! See `fuzz::zone`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::zone::run(bytes));
