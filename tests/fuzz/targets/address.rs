//! Fuzzes `properties/address.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::address::check(input));
