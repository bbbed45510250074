//! See `fuzz::game`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::game::run(bytes));
