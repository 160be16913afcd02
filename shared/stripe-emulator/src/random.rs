//! Random ids.

use ring::rand::{SecureRandom, SystemRandom};

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A random text of ASCII letters and digits. Panics if the operating system has no random bytes.
pub(crate) fn random_text(length: usize) -> String {
    let mut bytes = vec![0; length];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.into_iter().map(|it| char::from(ALPHABET[usize::from(it) % ALPHABET.len()])).collect()
}

/// An id as Stripe makes them: a prefix, and 24 letters and digits.
pub(crate) fn random_id(prefix: &str) -> String {
    format!("{prefix}_{}", random_text(24))
}
