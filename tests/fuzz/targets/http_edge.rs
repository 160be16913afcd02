//! Fuzzes `properties/http_edge.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::http_edge::check(input));
