//! Addresses that keep guessing credentials: their wrong ones are answered with 429 for a while. Right ones pass, of every
//! kind: many callers can share an address (NAT, proxies), and whoever guesses there must not lock out the others.

use std::time::Duration;

use super::Unknown;
use crate::Remembered;

/// So many wrong credentials within this time, counted per environment.
const MOST: u32 = 100;
pub(super) const WHILE: Duration = Duration::from_secs(60);
const ADDRESSES: usize = 10_000;

/// Wrong credentials by address.
pub(crate) struct Attackers(Remembered<String, u32>);

impl Default for Attackers {
    fn default() -> Self {
        Self(Remembered::new(ADDRESSES))
    }
}

impl Attackers {
    /// Counts wrong credentials, which were looked at; answers how they are refused.
    pub(crate) fn failed(&self, from: &str) -> Unknown {
        let count = self.0.get(from).unwrap_or_default();
        if count >= MOST {
            return Unknown::TooMany;
        }
        self.0.put(from.to_owned(), count + 1, WHILE);
        Unknown::Credentials
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_wrong_ones_are_enough() {
        let attackers = Attackers::default();
        for _ in 0..MOST {
            assert!(matches!(attackers.failed("192.0.2.1"), Unknown::Credentials));
        }
        assert!(matches!(attackers.failed("192.0.2.1"), Unknown::TooMany));
        assert!(matches!(attackers.failed("192.0.2.2"), Unknown::Credentials));
    }
}
