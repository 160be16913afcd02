//! What an environment remembers between invocations: so much, and for so long.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Values by their keys, each until a time.
pub struct TtlCache<K, V> {
    capacity: usize,
    entries: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash, V: Clone> TtlCache<K, V> {
    /// Room for so many values. With one more all are forgotten: simpler than to find the oldest, and as good.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::default() }
    }

    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (until, it) = self.lock().get(key).cloned()?;
        (Instant::now() < until).then_some(it)
    }

    pub fn put(&self, key: K, it: V, time: Duration) {
        let mut kept = self.lock();
        if kept.len() >= self.capacity {
            kept.clear();
        }
        kept.insert(key, (Instant::now() + time, it));
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
