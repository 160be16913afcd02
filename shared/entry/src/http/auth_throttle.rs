//! Addresses that keep guessing credentials: their wrong ones are answered with 429 for a while. Right ones pass, of every
//! kind: many callers can share an address (NAT, proxies), and whoever guesses there must not lock out the others.

use std::time::Duration;

use super::AuthError;
use crate::TtlCache;

/// So many wrong credentials within this time, counted per environment.
const MAX_FAILURES: u32 = 100;
pub(super) const WINDOW: Duration = Duration::from_secs(60);
const MAX_ADDRESSES: usize = 10_000;

/// Wrong credentials by address.
pub(crate) struct AuthThrottle(TtlCache<String, u32>);

impl Default for AuthThrottle {
    fn default() -> Self {
        Self(TtlCache::new(MAX_ADDRESSES))
    }
}

impl AuthThrottle {
    /// Counts wrong credentials, which were looked at; answers how they are refused.
    pub(crate) fn record_failure(&self, from: &str) -> AuthError {
        let count = self.0.get(from).unwrap_or_default();
        if count >= MAX_FAILURES {
            return AuthError::TooManyFailures;
        }
        self.0.put(from.to_owned(), count + 1, WINDOW);
        AuthError::InvalidCredentials
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_wrong_ones_are_enough() {
        let attackers = AuthThrottle::default();
        for _ in 0..MAX_FAILURES {
            assert!(matches!(attackers.record_failure("192.0.2.1"), AuthError::InvalidCredentials));
        }
        assert!(matches!(attackers.record_failure("192.0.2.1"), AuthError::TooManyFailures));
        assert!(matches!(attackers.record_failure("192.0.2.2"), AuthError::InvalidCredentials));
    }
}
