//! Random bytes and ids.

use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes of the operating system. Panics if it has none: nothing could go on without them.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A random UUID (version 4).
pub(crate) fn random_id() -> String {
    uuid::Builder::from_random_bytes(random_bytes()).into_uuid().to_string()
}
