//! Billing: an application's customer at the payment provider, its subscriptions, and the events that have come.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, TransactWriteItem};
use domain::AppId;
use domain::billing::state::ProductState;
use domain::notification::NewNotification;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::codec::{self, Attributes};
use crate::commit::CommitOutcome;
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{IF_REVISION, Table, condition_held, revision_before};

/// How long an event is remembered: the provider repeats one for three days at most (billing, section 4.2).
const EVENT_RETENTION: Duration = Duration::days(30);
/// The partition of the index `open` that holds the customers, by the time of the next look at each.
const OPEN: &str = "BILLING";
/// Customers that are looked at in one run.
const MAX_DUE: usize = 1_000;

/// An application's customer at the payment provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingCustomer {
    pub app: AppId,
    /// The provider's id of it; `None` once it was deleted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The customer that was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
    /// The card's token that came last, as its SHA-256, and the payment method that it has become.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<(String, String)>,
    /// When its subscriptions are looked at next without a reason, in milliseconds since 1970.
    pub next_look_at: i64,
    /// Version for optimistic locking.
    pub revision: u64,
}

#[derive(Serialize, Deserialize)]
struct CustomerAppRow {
    app: AppId,
}

#[derive(Serialize)]
struct EventRow {
    at: i64,
}

impl Table {
    /// An application's customer; `None` if it never had one.
    pub async fn billing_customer(&self, app: AppId) -> Result<Option<BillingCustomer>, TableError> {
        self.get(&Row::BillingCustomer(app)).await
    }

    /// The application of a customer of the payment provider.
    pub async fn application_of_customer(&self, customer: &str) -> Result<Option<AppId>, TableError> {
        let row: Option<CustomerAppRow> = self.get(&Row::BillingCustomerApp(customer.to_owned())).await?;
        Ok(row.map(|it| it.app))
    }

    /// Stores an application's customer, and whose customer it is. Its `revision` is one higher than the stored one's.
    /// `Conflict` if the row has changed since it was read.
    pub async fn put_billing_customer(&self, customer: &BillingCustomer) -> Result<CommitOutcome, TableError> {
        let row = Row::BillingCustomer(customer.app);
        let extra = match &customer.customer {
            Some(_) => open_index(customer),
            None => Attributes::new(),
        };
        let mut put = self.transaction_put(&row, customer, extra, IF_REVISION)?;
        put.expression_attribute_values = Some([(":before".to_owned(), revision_before(customer.revision))].into());
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        if let Some(id) = &customer.customer {
            let of = CustomerAppRow { app: customer.app };
            let always = "attribute_not_exists(PK) OR attribute_exists(PK)";
            let put = self.transaction_put(&Row::BillingCustomerApp(id.clone()), &of, Attributes::new(), always)?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        match self.transaction(writes).send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => Ok(CommitOutcome::Committed),
            Err(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let first = canceled.cancellation_reasons().first().and_then(CancellationReason::code);
                match first {
                    Some("ConditionalCheckFailed") => Ok(CommitOutcome::Conflict),
                    _ => Err(TableError::conflict(&row)),
                }
            }
            Err(source) => Err(TableError::write(&row, source)),
        }
    }

    /// Delays the next look at a customer's subscriptions until `at`; without effect if the customer was deleted.
    pub async fn delay_billing_look(&self, app: AppId, at: OffsetDateTime) -> Result<(), TableError> {
        let row = Row::BillingCustomer(app);
        let next = domain::millis(at);
        let update = self
            .update_item(&row)
            .update_expression("SET next_look_at = :next, open_at = :open_at")
            .condition_expression("attribute_exists(customer)")
            .expression_attribute_values(":next", AttributeValue::N(next.to_string()))
            .expression_attribute_values(":open_at", AttributeValue::S(keys::time_key(next, &app.to_string())));
        condition_held(&row, update.send().await).map(drop)
    }

    /// The applications whose subscriptions are due for a look at `now`.
    pub async fn billing_looks_due(&self, now: OffsetDateTime) -> Result<Vec<AppId>, TableError> {
        let to = keys::time_key(domain::millis(now), "~");
        let due: Vec<CustomerAppRow> = self.query_open_index(OPEN, &to, "billing", MAX_DUE).await?;
        Ok(due.into_iter().map(|it| it.app).collect())
    }

    /// What is known of an application's subscriptions for a product.
    pub async fn product_state(&self, app: AppId, product: &str) -> Result<Option<ProductState>, TableError> {
        self.get(&Row::BillingProduct(app, product.to_owned())).await
    }

    /// What is known of an application's subscriptions, by product.
    pub async fn product_states(&self, app: AppId) -> Result<Vec<ProductState>, TableError> {
        self.query_by_prefix(app, "PLAN", "plan").await
    }

    /// Stores a state, and publishes what has changed with it, in one transaction. `Conflict` if the row has changed since
    /// it was read.
    pub async fn put_product_state(
        &self,
        state: &ProductState,
        changes: &[NewNotification],
        now: OffsetDateTime,
    ) -> Result<CommitOutcome, TableError> {
        let row = Row::BillingProduct(state.app, state.product.clone());
        let before = revision_before(state.revision);
        if !changes.is_empty() {
            let mut put = self.transaction_put(&row, state, Attributes::new(), IF_REVISION)?;
            put.expression_attribute_values = Some([(":before".to_owned(), before)].into());
            let writes = vec![TransactWriteItem::builder().put(put).build()];
            return self.write_and_publish(&row, state.app, writes, changes, now).await;
        }
        let put = self
            .put_item()
            .set_item(Some(codec::encode(&row, state, Attributes::new())?))
            .condition_expression(IF_REVISION)
            .expression_attribute_values(":before", before);
        if condition_held(&row, put.send().await)? {
            return Ok(CommitOutcome::Committed);
        }
        // the condition also fails on our own write, when its answer was lost and the SDK tried again
        let stored: Option<ProductState> = self.get(&row).await?;
        Ok(if stored.as_ref() == Some(state) { CommitOutcome::Committed } else { CommitOutcome::Conflict })
    }

    /// Takes the lease of an application's subscription for a product until `until`; `false` if another request has it.
    pub async fn acquire_billing_lease(
        &self,
        app: AppId,
        product: &str,
        holder: &str,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<bool, TableError> {
        self.claim(&Row::BillingLease(app, product.to_owned()), holder, now, until).await
    }

    /// Leaves a holder's lease to another holder until `until`.
    pub async fn hand_over_billing_lease(
        &self,
        app: AppId,
        product: &str,
        holder: &str,
        to: &str,
        until: OffsetDateTime,
    ) -> Result<(), TableError> {
        self.hand_over(&Row::BillingLease(app, product.to_owned()), holder, to, until).await
    }

    /// Gives a lease back, if it is still this holder's.
    pub async fn release_billing_lease(&self, app: AppId, product: &str, holder: &str) -> Result<(), TableError> {
        self.release(&Row::BillingLease(app, product.to_owned()), holder).await
    }

    /// Whether an event of the payment provider was stored before.
    pub async fn has_stripe_event(&self, id: &str) -> Result<bool, TableError> {
        Ok(self.get_row(&Row::StripeEvent(id.to_owned())).await?.is_some())
    }

    /// Stores that an event of the payment provider is queued.
    pub async fn put_stripe_event(&self, id: &str, now: OffsetDateTime) -> Result<(), TableError> {
        let ttl = codec::ttl((now + EVENT_RETENTION).unix_timestamp());
        self.put(&Row::StripeEvent(id.to_owned()), &EventRow { at: domain::millis(now) }, ttl).await
    }
}

fn open_index(customer: &BillingCustomer) -> Attributes {
    codec::open_index(OPEN, keys::time_key(customer.next_look_at, &customer.app.to_string()))
}
