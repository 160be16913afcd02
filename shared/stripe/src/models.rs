//! What is read of Stripe's answers. Members that are not used are left out, and absent ones have their defaults.

use std::collections::BTreeMap;

use domain::billing::subscription::{RemoteItem, RemoteSubscription, Status};
use serde::Deserialize;
use serde_json::Value;

/// A customer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Customer {
    pub id: String,
    /// Whether it was deleted. Of such a one nothing else is known.
    pub deleted: bool,
    invoice_settings: InvoiceSettings,
    /// A card of the older kind.
    default_source: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct InvoiceSettings {
    default_payment_method: Value,
}

impl Customer {
    /// The payment method that its subscriptions are paid with, if it has one of the newer kind.
    pub fn default_payment_method(&self) -> Option<&str> {
        self.invoice_settings.default_payment_method.as_str()
    }

    /// Whether it has a card that subscriptions are paid with.
    pub fn has_card(&self) -> bool {
        !(self.invoice_settings.default_payment_method.is_null() && self.default_source.is_null())
    }
}

/// Anything that has an id.
#[derive(Debug, Deserialize)]
pub(crate) struct Identified {
    pub(crate) id: String,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    #[serde(default)]
    pub(crate) has_more: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    status: Status,
    #[serde(default)]
    items: Items,
    #[serde(default)]
    cancel_at_period_end: bool,
    #[serde(default)]
    cancel_at: Option<i64>,
    #[serde(default)]
    trial_start: Option<i64>,
    #[serde(default)]
    trial_end: Option<i64>,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    ended_at: Option<i64>,
    /// Of versions before 2025-03-31; since then it is a member of the items (billing, section 3.7).
    #[serde(default)]
    current_period_end: Option<i64>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    latest_invoice: Value,
    /// Instead of the customer's.
    #[serde(default)]
    default_payment_method: Value,
    /// The same of the older kind.
    #[serde(default)]
    default_source: Value,
}

#[derive(Debug, Default, Deserialize)]
struct Items {
    data: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    id: String,
    price: Identified,
    /// Prices by usage have none.
    #[serde(default)]
    quantity: Option<u32>,
    #[serde(default)]
    current_period_end: Option<i64>,
}

impl Subscription {
    /// The secret with which its customer completes the first payment, if there is one to complete.
    pub(crate) fn client_secret(&self) -> Option<String> {
        // the first since 2025-03-31, the second before
        let secrets = ["/confirmation_secret/client_secret", "/payment_intent/client_secret"];
        secrets.iter().find_map(|it| self.latest_invoice.pointer(it)?.as_str()).map(str::to_owned)
    }
}

impl From<Subscription> for RemoteSubscription {
    fn from(mut it: Subscription) -> Self {
        let period_end = it.current_period_end;
        let item = |item: Item| RemoteItem {
            id: item.id,
            price: item.price.id,
            quantity: item.quantity.unwrap_or(1),
            period_end: item.current_period_end.or(period_end).unwrap_or_default(),
        };
        let items: Vec<RemoteItem> = it.items.data.into_iter().map(item).collect();
        // one that is to end in a later period is renewed until then
        let last_end = items.iter().map(|it| it.period_end).max().filter(|it| *it > 0).unwrap_or(i64::MAX);
        Self {
            id: it.id,
            status: it.status,
            items,
            cancelling: it.cancel_at_period_end || it.cancel_at.is_some_and(|at| at <= last_end),
            trial_start: it.trial_start,
            trial_end: it.trial_end,
            created: it.created,
            ended_at: it.ended_at,
            own_card: [it.default_payment_method, it.default_source].iter().find_map(Value::as_str).map(str::to_owned),
            product: it.metadata.remove("product"),
            cta: it.metadata.remove("cta").filter(|cta| !cta.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(more: Value) -> RemoteSubscription {
        let mut all = json!({ "id": "sub_1", "object": "subscription", "status": "active", "customer": "cus_1" });
        for (name, value) in more.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        serde_json::from_value::<Subscription>(all).unwrap().into()
    }

    #[test]
    fn a_period_stands_in_the_item_or_where_it_stood_before() {
        let item = |more: Value| {
            let mut item = json!({ "id": "si_1", "price": { "id": "price_a", "unit_amount": 500 }, "quantity": 2 });
            for (name, value) in more.as_object().into_iter().flatten() {
                item[name] = value.clone();
            }
            json!({ "object": "list", "data": [item] })
        };
        let newer = read(json!({ "items": item(json!({ "current_period_end": 7 })), "current_period_end": 3 }));
        assert_eq!((newer.items[0].period_end, newer.items[0].quantity), (7, 2));
        assert_eq!(read(json!({ "items": item(json!({})), "current_period_end": 3 })).items[0].period_end, 3);
        let usage = read(json!({ "items": item(json!({ "quantity": null })) }));
        assert_eq!((usage.items[0].quantity, usage.items[0].period_end), (1, 0));
        assert_eq!(read(json!({})).items, []);
    }

    #[test]
    fn a_subscription_ends_by_a_flag_or_at_a_time_within_its_period() {
        let item = |end: i64| json!({ "id": "si_1", "price": { "id": "price_a" }, "current_period_end": end });
        let items = |ends: &[i64]| json!({ "data": ends.iter().map(|it| item(*it)).collect::<Vec<_>>() });
        for (more, want) in [
            (json!({ "cancel_at_period_end": true }), true),
            (json!({ "cancel_at": 1_795_000_000 }), true),
            (json!({ "cancel_at": 700, "items": items(&[700]) }), true),
            (json!({ "cancel_at": 650, "items": items(&[700]) }), true),
            (json!({ "cancel_at": 701, "items": items(&[700]) }), false),
            (json!({ "cancel_at": 701, "items": items(&[700]), "cancel_at_period_end": true }), true),
            (json!({ "cancel_at": 900, "items": items(&[700, 900]) }), true),
            (json!({ "cancel_at": null, "cancel_at_period_end": false }), false),
        ] {
            assert_eq!(read(more.clone()).cancelling, want, "{more}");
        }
        let metadata = json!({ "cta": "a", "plan": "pro", "product": "publish" });
        assert_eq!(
            (read(json!({ "ended_at": 7 })).ended_at, read(json!({ "ended_at": null })).ended_at),
            (Some(7), None)
        );
        let trial = read(json!({ "status": "trialing", "trial_start": 1, "metadata": metadata }));
        assert_eq!((trial.status, trial.trial_start, trial.cta.as_deref()), (Status::Trialing, Some(1), Some("a")));
        assert_eq!(trial.product.as_deref(), Some("publish"));
        assert_eq!(read(json!({ "status": "thawing", "metadata": { "cta": "" } })).status, Status::Other);
    }

    #[test]
    fn a_subscription_may_have_a_card_of_its_own() {
        for (more, want) in [
            (json!({}), None),
            (json!({ "default_payment_method": null, "default_source": null }), None),
            (json!({ "default_payment_method": "pm_1", "default_source": "card_1" }), Some("pm_1")),
            (json!({ "default_source": "card_1" }), Some("card_1")),
        ] {
            assert_eq!(read(more.clone()).own_card.as_deref(), want, "{more}");
        }
    }

    #[test]
    fn the_secret_of_a_first_payment_is_found_in_both_places() {
        for (invoice, want) in [
            (json!({ "confirmation_secret": { "client_secret": "new" } }), Some("new")),
            (json!({ "payment_intent": { "client_secret": "old" } }), Some("old")),
            (json!("in_1"), None),
            (json!(null), None),
        ] {
            let all = json!({ "id": "sub_1", "status": "incomplete", "latest_invoice": invoice });
            let subscription: Subscription = serde_json::from_value(all).unwrap();
            assert_eq!(subscription.client_secret().as_deref(), want, "{invoice}");
        }
    }

    #[test]
    fn a_card_is_a_payment_method_or_a_source() {
        for (customer, want) in [
            (json!({ "id": "cus_1" }), false),
            (
                json!({ "id": "cus_1", "invoice_settings": { "default_payment_method": null }, "default_source": null }),
                false,
            ),
            (json!({ "id": "cus_1", "invoice_settings": { "default_payment_method": "pm_1" } }), true),
            (json!({ "id": "cus_1", "default_source": "card_1" }), true),
            (json!({ "id": "cus_1", "deleted": true }), false),
        ] {
            let read: Customer = serde_json::from_value(customer.clone()).unwrap();
            assert_eq!(read.has_card(), want, "{customer}");
        }
    }
}
