//! Extends the lease of a job while the work on it runs.

use std::future::Future;
use std::pin::pin;

use domain::item::Item;
use domain::job::Hold;
use entry::{Chain, clock};

use crate::admission::slot_holder;
use crate::context::Context;

/// Runs `work`, and extends the lease (and the concurrency slot) every third of its duration. `None` if another worker has
/// claimed the job, or it has ended: the work is cancelled then.
pub(crate) async fn run_under_lease<T>(
    context: &Context,
    item: &Item,
    hold: Hold,
    slot: Option<u32>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let interval = (context.lease / 3_i32).unsigned_abs();
    let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Some(done),
            _ = heartbeat.tick() => {
                let now = clock::now();
                let until = domain::millis(now + context.lease);
                if let Some(slot) = slot {
                    let holder = slot_holder(item, hold.processor);
                    drop(context.table.claim_slot(item.app, slot, &holder, now, now + context.lease).await);
                }
                match context.table.extend_lease(item, hold, until).await {
                    Ok(true) => {}
                    Ok(false) => return None,
                    // the next heartbeat tries again; two thirds of the lease are left
                    Err(error) => tracing::warn!(item.id = %item.id, error = %Chain(&error), "could not extend the lease"),
                }
            }
        }
    }
}
