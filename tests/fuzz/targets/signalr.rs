//! Fuzzes `properties/signalr.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::signalr::check(input));
