//! Connections that are kept while an environment is warm: one per receiver, one call at a time, and nobody waits for
//! another receiver's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use domain::delivery::DeliveryOutcome;
use tokio::sync::Mutex as Turn;

/// Connections at most; with one more all are forgotten.
const MAX_CONNECTIONS: usize = 50;

/// Connections by name.
pub(crate) struct ConnectionPool<L>(Mutex<HashMap<String, Arc<Turn<Slot<L>>>>>);

/// A connection, if there is one, and when a call last had no answer.
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
    /// Makes a call when it is its turn, with the whole deadline from then on. If the receiver went silent on a call that
    /// this one waited for, it is not tried: all of a batch would wait one after the other.
    pub(crate) async fn call<T: From<DeliveryOutcome>>(
        &self,
        name: String,
        what: &str,
        call: impl AsyncFnOnce(&mut Slot<L>) -> T,
    ) -> T {
        let slot = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MAX_CONNECTIONS && !all.contains_key(&name) {
                all.clear();
            }
            all.entry(name)
                .or_insert_with(|| Arc::new(Turn::new(Slot { connection: None, timed_out_at: None })))
                .clone()
        };
        let asked = Instant::now();
        let mut slot = slot.lock().await;
        if slot.timed_out_at.is_some_and(|it| it > asked) {
            return DeliveryOutcome::Unreachable { why: "no answer to the message before this one".to_owned() }.into();
        }
        let called = tokio::time::timeout(guard::TOTAL_TIMEOUT, call(&mut slot)).await;
        called.unwrap_or_else(|_| {
            // whatever it waits for, nobody waits for it any more
            (slot.connection, slot.timed_out_at) = (None, Some(Instant::now()));
            DeliveryOutcome::Unreachable { why: format!("no {what} within {} seconds", guard::TOTAL_TIMEOUT.as_secs()) }
                .into()
        })
    }
}
