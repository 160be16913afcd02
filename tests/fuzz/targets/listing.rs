//! Fuzzes `properties/listing.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::listing::check(input));
