//! Fuzzes `properties/form.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::form::check(input));
