//! One look at what the payment provider has.

use billing::{Billing, SyncOutcome};
use domain::billing::command::{BillingCommand, BillingSubject};
use entry::{Message, MessageError};

/// What no repeat of a message can help with.
#[derive(Debug, thiserror::Error)]
enum SyncError {
    /// A new subscription gives nothing until its price is added to the plans.
    #[error(
        "the subscription {subscription} has the price {price}, which no plan has: add it to the plans, then redrive"
    )]
    UnknownPrice { subscription: String, price: String },
}

/// Handles a `BillingCommand`. The event that led to it says nothing but whose subscriptions may have changed: so its order,
/// and whether it comes twice, does not matter.
pub(crate) async fn handle(billing: Option<&Billing>, message: Message) -> Result<(), MessageError> {
    let command: BillingCommand = message.command("billing command")?;
    let Some(billing) = billing else {
        tracing::warn!("a message is dropped: billing is not set up any more");
        return Ok(());
    };
    let app = match &command.subject {
        BillingSubject::App(app) => Some(*app),
        BillingSubject::Customer(customer) => billing.table.application_of_customer(customer).await?,
    };
    let Some(app) = app else {
        // the account at the provider may have other customers than ours
        tracing::info!(event.id = command.event, "an event is of no customer of ours");
        return Ok(());
    };
    let ending_trial = command.subscription.as_deref().filter(|_| command.trial_ending);
    match billing.synchronize(app, ending_trial).await? {
        SyncOutcome::Done | SyncOutcome::NoCustomer => Ok(()),
        SyncOutcome::UnknownPrice { subscription, price } => {
            Err(MessageError::DeadLetter(Box::new(SyncError::UnknownPrice { subscription, price })))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_events_decode() {
        for (event, is_of_customer) in [
            (include_str!("../../../events/billing-sync.event.json"), true),
            (include_str!("../../../events/billing-sync.daily.json"), false),
        ] {
            let event: serde_json::Value = serde_json::from_str(event).unwrap();
            let body = event["Records"][0]["body"].as_str().unwrap();
            let command: BillingCommand = serde_json::from_str(body).unwrap();
            assert_eq!(matches!(command.subject, BillingSubject::Customer(_)), is_of_customer, "{body}");
        }
    }
}
