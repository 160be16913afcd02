//! Fuzzes `properties/cursor.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::cursor::check(input));
