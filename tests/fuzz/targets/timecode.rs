//! Fuzzes `properties/timecode.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::timecode::check(input));
