//! A limit on wrong credentials per client address: above it they are answered with 429 for a while. Right credentials
//! still pass, since many callers can share an address (NAT, proxies).

use super::auth_error::{AuthError, THROTTLE_WINDOW};
use crate::ttl_cache::TtlCache;

/// The most wrong credentials of an address within the window, counted per execution environment.
const MAX_FAILURES: u32 = 100;
const MAX_ADDRESSES: usize = 10_000;

/// The number of wrong credentials by address.
pub(crate) struct AuthThrottle(TtlCache<String, u32>);

impl Default for AuthThrottle {
    fn default() -> Self {
        Self(TtlCache::new(MAX_ADDRESSES))
    }
}

impl AuthThrottle {
    /// Counts wrong credentials of an address; returns the error to answer with.
    pub(crate) fn record_failure(&self, address: &str) -> AuthError {
        let count = self.0.get(address).unwrap_or_default();
        if count >= MAX_FAILURES {
            return AuthError::TooManyFailures;
        }
        self.0.put(address.to_owned(), count + 1, THROTTLE_WINDOW);
        AuthError::InvalidCredentials
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_wrong_ones_are_enough() {
        let throttle = AuthThrottle::default();
        for _ in 0..MAX_FAILURES {
            assert!(matches!(throttle.record_failure("192.0.2.1"), AuthError::InvalidCredentials));
        }
        assert!(matches!(throttle.record_failure("192.0.2.1"), AuthError::TooManyFailures));
        assert!(matches!(throttle.record_failure("192.0.2.2"), AuthError::InvalidCredentials));
    }
}
