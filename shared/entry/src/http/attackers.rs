//! Addresses that keep guessing credentials: they are not listened to for a while, which costs them time and us nothing.

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
    /// Whether tokens and tickets of this address may be looked up. Key pairs are not asked this: a right one is never
    /// locked out, whoever else guesses at the same address.
    pub(crate) fn check(&self, from: &str) -> Result<(), Unknown> {
        if self.0.get(from).is_some_and(|it| it >= MOST) { Err(Unknown::TooMany) } else { Ok(()) }
    }

    /// Counts a wrong guess; answers how it is refused.
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
            assert!(attackers.check("192.0.2.1").is_ok());
            assert!(matches!(attackers.failed("192.0.2.1"), Unknown::Credentials));
        }
        assert!(matches!(attackers.failed("192.0.2.1"), Unknown::TooMany));
        assert!(matches!(attackers.check("192.0.2.1"), Err(Unknown::TooMany)));
        assert!(attackers.check("192.0.2.2").is_ok());
    }
}
