//! Fuzzes `properties/native_action.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::native_action::check(input));
