//! Connections that are reused while an environment is warm: one per receiver, with one call at a time. Calls to
//! different receivers do not wait for each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use domain::delivery::DeliveryOutcome;
use tokio::sync::Mutex as AsyncMutex;

/// Connections at most; one more empties the pool.
const MAX_CONNECTIONS: usize = 50;

/// Connections by receiver.
pub(crate) struct ConnectionPool<L>(Mutex<HashMap<String, Arc<AsyncMutex<Slot<L>>>>>);

/// A connection, if there is one, and when a call to the receiver last timed out.
pub(crate) struct Slot<L> {
    pub(crate) connection: Option<L>,
    timed_out_at: Option<Instant>,
}

impl<L> Default for ConnectionPool<L> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<L> ConnectionPool<L> {
    /// Waits for the calls before it, then makes a call that may take [`guard::TOTAL_TIMEOUT`]. If one of the calls
    /// that it waited for has timed out, it is not made: the calls of a batch would time out one after the other.
    /// `response` names what is waited for.
    pub(crate) async fn call<T: From<DeliveryOutcome>>(
        &self,
        key: String,
        response: &str,
        call: impl AsyncFnOnce(&mut Slot<L>) -> T,
    ) -> T {
        let slot = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MAX_CONNECTIONS && !all.contains_key(&key) {
                all.clear();
            }
            all.entry(key)
                .or_insert_with(|| Arc::new(AsyncMutex::new(Slot { connection: None, timed_out_at: None })))
                .clone()
        };
        let queued_at = Instant::now();
        let mut slot = slot.lock().await;
        if slot.timed_out_at.is_some_and(|it| it > queued_at) {
            return DeliveryOutcome::Unreachable { why: "no answer to the message before this one".to_owned() }.into();
        }
        let result = tokio::time::timeout(guard::TOTAL_TIMEOUT, call(&mut slot)).await;
        result.unwrap_or_else(|_| {
            // the connection is in an unknown state
            (slot.connection, slot.timed_out_at) = (None, Some(Instant::now()));
            DeliveryOutcome::Unreachable {
                why: format!("no {response} within {} seconds", guard::TOTAL_TIMEOUT.as_secs()),
            }
            .into()
        })
    }
}
