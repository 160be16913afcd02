//! A cache that an execution environment keeps between invocations, bounded in size and time.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Values by their keys, each with an expiry.
pub struct TtlCache<K, V> {
    capacity: usize,
    entries: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash, V: Clone> TtlCache<K, V> {
    /// A cache of at most `capacity` values. When it is full, the next new value clears it: simpler than evicting the oldest,
    /// and as good for what is read again soon.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::default() }
    }

    /// The value of a key, unless it has expired.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (until, value) = self.lock().get(key).cloned()?;
        (Instant::now() < until).then_some(value)
    }

    /// Stores a value for `time`.
    pub fn put(&self, key: K, value: V, time: Duration) {
        let mut kept = self.lock();
        if kept.len() >= self.capacity {
            kept.clear();
        }
        kept.insert(key, (Instant::now() + time, value));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, (Instant, V)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_in_time_and_when_there_is_too_much() {
        let all = TtlCache::new(2);
        all.put("a".to_owned(), 1, Duration::from_secs(60));
        all.put("b".to_owned(), 2, Duration::ZERO);
        assert_eq!((all.get("a"), all.get("b"), all.get("c")), (Some(1), None, None));
        all.put("c".to_owned(), 3, Duration::from_secs(60));
        assert_eq!((all.get("a"), all.get("c")), (None, Some(3)));
    }
}
