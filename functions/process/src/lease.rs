//! The lease: extended while the work runs.

use std::future::Future;
use std::pin::pin;

use domain::item::Item;
use entry::{Chain, clock};

use crate::handler::Context;

/// Works, and extends the lease every third of its time. `None` if another worker has taken the item: the work is
/// dropped then.
pub(crate) async fn run_under_lease<T>(
    parts: &Context,
    item: &Item,
    slot: Option<u32>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let interval = (parts.lease / 3_i32).unsigned_abs();
    let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Some(done),
            _ = heartbeat.tick() => {
                let now = clock::now();
                let until = domain::millis(now + parts.lease);
                if let Some(slot) = slot {
                    drop(parts.table.claim_slot(item.app, slot, &item.id.to_string(), now, now + parts.lease).await);
                }
                match parts.table.extend_lease(item, until).await {
                    Ok(true) => {}
                    Ok(false) => return None,
                    // the next beat tries again; two thirds of the lease are left
                    Err(error) => tracing::warn!(item.id = %item.id, error = %Chain(&error), "could not extend the lease"),
                }
            }
        }
    }
}
