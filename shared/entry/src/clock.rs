//! The clock and randomness. Everywhere else both are arguments.

use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;

/// The time now, in UTC.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Random bytes from the operating system.
///
/// # Panics
/// If the operating system has none, which no caller could mend.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A random number from 0 to 1.
pub fn random_fraction() -> f64 {
    f64::from(u32::from_be_bytes(random_bytes())) / f64::from(u32::MAX)
}

/// Random text of letters and digits, for keys that people copy.
pub fn random_alphanumeric(length: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut word = String::with_capacity(length);
    while word.len() < length {
        let bytes: [u8; 32] = random_bytes();
        // 248 is the largest multiple of 62: every letter is equally likely
        let letters = bytes.into_iter().filter(|it| *it < 248).map(|it| LETTERS[usize::from(it % 62)]);
        word.extend(letters.take(length - word.len()).map(char::from));
    }
    word
}
