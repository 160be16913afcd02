//! Connections that wait for their next request.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Idle connections per origin: as many requests as a batch makes side by side, or each round would close and open some.
pub(crate) const MAX_PER_ORIGIN: usize = 50;
/// Idle connections in all, so that many origins do not use up the process's 1,024 file descriptors (AWS Lambda, quotas).
/// One more closes those of the origin that has waited longest.
const MAX_TOTAL: usize = 300;
/// A connection that was idle for longer is not used again: a proxy or NAT on the way may have dropped it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle connections by origin, each with the time since when it is idle; the newest last.
pub(crate) struct IdleConnections<C>(Mutex<HashMap<String, Vec<(Instant, C)>>>);

impl<C> Default for IdleConnections<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C> IdleConnections<C> {
    /// The newest connection to an origin that is usable. Those that are not are closed on the way.
    pub(crate) fn take(&self, origin: &str, is_usable: impl Fn(&C) -> bool) -> Option<C> {
        let mut all = self.lock();
        let connections = all.get_mut(origin)?;
        while let Some((since, connection)) = connections.pop() {
            if since.elapsed() < IDLE_TIMEOUT && is_usable(&connection) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, origin: &str, connection: C) {
        let mut all = self.lock();
        if all.values().map(Vec::len).sum::<usize>() >= MAX_TOTAL {
            close_oldest(&mut all);
        }
        match all.get_mut(origin) {
            Some(connections) if connections.len() < MAX_PER_ORIGIN => connections.push((Instant::now(), connection)),
            Some(_) => {}
            None => drop(all.insert(origin.to_owned(), vec![(Instant::now(), connection)])),
        }
    }

    #[cfg(test)]
    pub(crate) fn any(&self, is_usable: impl Fn(&C) -> bool) -> bool {
        self.lock().values().flatten().any(|(_, connection)| is_usable(connection))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<(Instant, C)>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the connections of the origin whose newest one is the oldest, and forgets the origins that have none.
fn close_oldest<C>(all: &mut HashMap<String, Vec<(Instant, C)>>) {
    all.retain(|_, connections| !connections.is_empty());
    let newest = |connections: &Vec<(Instant, C)>| connections.last().map(|it| it.0);
    if let Some(oldest) = all.iter().min_by_key(|it| newest(it.1)).map(|it| it.0.clone()) {
        all.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_origins_do_not_keep_many_connections() {
        let idle = IdleConnections::default();
        for origin in 0..1_000 {
            for connection in 0..60 {
                idle.put(&origin.to_string(), connection);
            }
        }
        let all = idle.lock();
        let sizes: Vec<usize> = all.values().map(Vec::len).collect();
        assert!(sizes.iter().sum::<usize>() <= MAX_TOTAL && sizes.iter().all(|it| *it <= MAX_PER_ORIGIN), "{sizes:?}");
        assert!(all.contains_key("999") && !all.contains_key("0"), "the origins that were used last keep theirs");
    }

    #[test]
    fn the_newest_that_is_usable_is_taken() {
        let idle = IdleConnections::default();
        [1, 2, 3, 4].iter().for_each(|it| idle.put("a", *it));
        assert_eq!(idle.take("a", |it| *it < 4), Some(3));
        assert_eq!(
            (idle.take("b", |_| true), idle.take("a", |_| true), idle.take("a", |it| *it > 1)),
            (None, Some(2), None)
        );
        assert_eq!(idle.take("a", |_| true), None, "what is not usable is closed");
    }
}
