//! Fuzzes `properties/iconik.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::iconik::check(input));
