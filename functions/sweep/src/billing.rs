//! Queues the daily look at each customer's subscriptions, which finds what no event of the payment provider has said.
//! `billing-sync` looks.

use domain::AppId;
use domain::billing::command::{BillingCommand, BillingSubject};
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::error::SweepError;

/// How long after a look was queued another one is, if nobody looks: the queue is held up, or looks fail.
const QUEUED_AGAIN: Duration = Duration::HOUR;

/// Queues a look for each customer that is due.
pub(crate) async fn run(context: &Context, now: OffsetDateTime) -> Result<(), SweepError> {
    let due = context.table.billing_looks_due(now).await?;
    let command = |app: &AppId| BillingCommand {
        v: 1,
        subject: BillingSubject::App(*app),
        event: None,
        trial_ending: false,
        subscription: None,
    };
    let commands: Vec<(BillingCommand, Duration)> = due.iter().map(|app| (command(app), Duration::ZERO)).collect();
    context.billing.send_all(&commands).await?;
    for app in due {
        context.table.delay_billing_look(app, now + QUEUED_AGAIN).await?;
    }
    Ok(())
}
