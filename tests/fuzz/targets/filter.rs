//! Fuzzes `properties/filter.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::filter::check(input));
