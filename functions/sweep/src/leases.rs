//! Items whose worker has gone silent: back to Pending, or Failed when all attempts are used up.

use domain::processing::expire;
use table::{Committed, Table};
use time::OffsetDateTime;

use crate::SweepError;

pub(crate) async fn run(table: &Table, now: OffsetDateTime) -> Result<(), SweepError> {
    for held in table.expired_leases(now).await? {
        let Some(item) = table.item(held.id).await? else { continue };
        let Some(plan) = expire(now, &item) else { continue };
        if table.commit(&plan, now).await? == Committed::Done {
            tracing::warn!(item.id = %item.id, key = %item.key, "the worker of {} has gone silent; it is {} now", item.key, plan.item.status.name());
        }
    }
    Ok(())
}
