//! Addresses that keep guessing credentials: they are not listened to for a while, which costs them time and us nothing.

use std::time::Duration;

use super::Unknown;
use crate::Remembered;

/// So many wrong credentials within this time, counted per environment.
const MOST: u32 = 100;
const WHILE: Duration = Duration::from_secs(60);
const ADDRESSES: usize = 10_000;

/// Wrong credentials by address.
pub(crate) struct Attackers(Remembered<String, u32>);

impl Default for Attackers {
    fn default() -> Self {
        Self(Remembered::new(ADDRESSES))
    }
}

impl Attackers {
    /// Whether something may be looked up for this address. What is remembered needs no look: whoever has good
    /// credentials that were used a moment ago gets in from the same address.
    pub(crate) fn check(&self, from: &str) -> Result<(), Unknown> {
        if self.0.get(from).is_some_and(|it| it >= MOST) { Err(Unknown::TooMany) } else { Ok(()) }
    }

    pub(crate) fn failed(&self, from: &str) {
        let count = self.0.get(from).unwrap_or_default();
        if count < MOST {
            self.0.put(from.to_owned(), count + 1, WHILE);
        }
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
            attackers.failed("192.0.2.1");
        }
        assert!(matches!(attackers.check("192.0.2.1"), Err(Unknown::TooMany)));
        assert!(attackers.check("192.0.2.2").is_ok());
    }
}
