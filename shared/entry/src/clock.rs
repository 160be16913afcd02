//! The clock and randomness. All other crates take both as arguments.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;

/// The current time, in UTC.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Waits for a time, where no condition tells when another invocation, or the network, has done its part.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Random bytes from the operating system.
///
/// # Panics
/// If the operating system has none, which no caller could handle.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A random number from 0 to 1, both included.
pub fn random_fraction() -> f64 {
    f64::from(u32::from_be_bytes(random_bytes())) / f64::from(u32::MAX)
}

/// A random text of ASCII letters and digits, for keys that people copy.
pub fn random_alphanumeric(length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes: [u8; 32] = random_bytes();
        // 248 is the largest multiple of 62: every letter is equally likely
        let letters = bytes.into_iter().filter(|it| *it < 248).map(|it| ALPHABET[usize::from(it % 62)]);
        text.extend(letters.take(length - text.len()).map(char::from));
    }
    text
}
