//! Subscriptions: as the payment provider has them, and as we keep them.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::billing::plans::{Cycle, Plans};

/// How long a subscription whose payment failed still gives its plan.
pub const GRACE: Duration = Duration::days(7);

/// The state of a subscription (Stripe API, the subscription object, `status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Trialing,
    Active,
    PastDue,
    Unpaid,
    /// A trial has ended without a card.
    Paused,
    /// The first payment waits for its customer.
    Incomplete,
    IncompleteExpired,
    Canceled,
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

impl Status {
    /// Whether a subscription in this state can be changed, and would be in the way of a second one.
    pub fn is_live(self) -> bool {
        match self {
            Self::Trialing | Self::Active | Self::PastDue | Self::Unpaid | Self::Paused | Self::Incomplete => true,
            Self::IncompleteExpired | Self::Canceled | Self::Other => false,
        }
    }

    /// Whether a subscription in this state is paid for, or is about to be.
    pub fn is_paying(self) -> bool {
        matches!(self, Self::Active | Self::PastDue)
    }

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Canceled => "canceled",
            Self::Other => "other",
        }
    }
}

/// A subscription of a customer, as the payment provider has it now. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteSubscription {
    pub id: String,
    pub status: Status,
    pub items: Vec<RemoteItem>,
    /// It ends when its period, or its trial, ends.
    pub cancelling: bool,
    /// When its trial began, if it has or had one.
    pub trial_start: Option<i64>,
    pub trial_end: Option<i64>,
    pub created: i64,
    /// When it ended, if it has.
    pub ended_at: Option<i64>,
    /// What it is paid with, if that is not the customer's default.
    pub own_card: Option<String>,
    /// The product that its request named.
    pub product: Option<String>,
    /// What led to it, as its request said.
    pub cta: Option<String>,
}

/// An item of a subscription: what is paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteItem {
    pub id: String,
    pub price: String,
    pub quantity: u32,
    /// The end of the period that is paid, in seconds since 1970; 0 if it is unknown.
    pub period_end: i64,
}

impl RemoteSubscription {
    /// Its item for a product, if it has one. One at a price that no plan has any more is still of the product that the
    /// subscription's request named: it is paid for, and a second subscription would be paid for beside it.
    pub fn item_of(&self, plans: &Plans, product: &str) -> Option<&RemoteItem> {
        let sold = self.items.iter().find(|item| plans.of_price(&item.price).is_some_and(|it| it.product == product));
        sold.or_else(|| self.unknown_item(plans).filter(|_| self.product.as_deref() == Some(product)))
    }

    /// Its item at a price that no plan has, if it has one.
    pub fn unknown_item(&self, plans: &Plans) -> Option<&RemoteItem> {
        self.items.iter().find(|item| plans.of_price(&item.price).is_none())
    }
}

/// The subscriptions that have an item of a product, whatever their state.
pub fn of_product<'a>(
    all: &'a [RemoteSubscription],
    plans: &Plans,
    product: &str,
) -> Vec<(&'a RemoteSubscription, &'a RemoteItem)> {
    all.iter().filter_map(|it| Some((it, it.item_of(plans, product)?))).collect()
}

/// The live subscription of a product that is paid with a card of its own, which is another one than `card`.
pub fn paid_otherwise<'a>(
    all: &'a [RemoteSubscription],
    plans: &Plans,
    product: &str,
    card: &str,
) -> Option<&'a RemoteSubscription> {
    let mut live = of_product(all, plans, product).into_iter().map(|it| it.0).filter(|it| it.status.is_live());
    live.find(|it| it.own_card.as_deref().is_some_and(|own| own != card))
}

/// A subscription as it is kept. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    pub id: String,
    pub status: Status,
    pub plan: String,
    pub cycle: Cycle,
    pub price: String,
    pub quantity: u32,
    /// The end of the period that is paid; 0 if it is unknown.
    pub period_end: i64,
    pub cancel_at_period_end: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_end: Option<i64>,
    pub created: i64,
    /// Since when its payment is due, as far as it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past_due_since: Option<i64>,
    /// Whether it was announced that its trial is about to end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trial_ending: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cta: Option<String>,
}

impl Subscription {
    /// Whether it gives its plan at `now` (billing, section 3.9).
    pub fn is_entitled(&self, now: OffsetDateTime) -> bool {
        match self.status {
            Status::Trialing | Status::Active => true,
            Status::PastDue => {
                let since = self.past_due_since.unwrap_or_default();
                now.unix_timestamp() < since.saturating_add(GRACE.whole_seconds())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_is_read_by_its_name_and_an_unknown_one_is_not_live() {
        let all = [
            Status::Trialing,
            Status::Active,
            Status::PastDue,
            Status::Unpaid,
            Status::Paused,
            Status::Incomplete,
            Status::IncompleteExpired,
            Status::Canceled,
        ];
        for status in all {
            assert_eq!(serde_json::from_value::<Status>(json!(status.name())).unwrap(), status);
        }
        let unknown: Status = serde_json::from_value(json!("frozen")).unwrap();
        assert_eq!((unknown, unknown.is_live(), unknown.is_paying()), (Status::Other, false, false));
        assert_eq!(all.into_iter().filter(|it| it.is_live()).count(), 6);
    }

    #[test]
    fn a_card_of_its_own_is_replaced_like_the_default_one() {
        let plans: Plans = r#"{"a": {"b": {"month": "p"}}, "c": {"d": {"month": "q"}}}"#.parse().unwrap();
        let subscription = |id: &str, price: &str, status: Status, own_card: Option<&str>| RemoteSubscription {
            id: id.to_owned(),
            status,
            items: vec![RemoteItem { id: "i".to_owned(), price: price.to_owned(), quantity: 1, period_end: 0 }],
            cancelling: false,
            trial_start: None,
            trial_end: None,
            created: 0,
            ended_at: None,
            own_card: own_card.map(str::to_owned),
            product: None,
            cta: None,
        };
        let all = [
            subscription("default", "p", Status::Active, None),
            subscription("new", "p", Status::Active, Some("pm_new")),
            subscription("ended", "p", Status::Canceled, Some("pm_old")),
            subscription("other", "q", Status::Active, Some("pm_old")),
            subscription("old", "p", Status::PastDue, Some("pm_old")),
        ];
        let found = |product: &str, card: &str| paid_otherwise(&all, &plans, product, card).map(|it| it.id.as_str());
        assert_eq!((found("a", "pm_new"), found("c", "pm_new")), (Some("old"), Some("other")));
        assert_eq!((found("a", "pm_old"), found("c", "pm_old")), (Some("new"), None));
    }

    #[test]
    fn a_plan_is_given_until_the_grace_is_over() {
        let since = 1_795_000_000;
        let subscription = |status, past_due_since| Subscription {
            id: "s".into(),
            status,
            plan: "pro".into(),
            cycle: Cycle::Month,
            price: "p".into(),
            quantity: 1,
            period_end: 0,
            cancel_at_period_end: false,
            trial_end: None,
            created: 0,
            past_due_since,
            trial_ending: false,
            cta: None,
        };
        let now = |days: i64| OffsetDateTime::from_unix_timestamp(since).unwrap() + Duration::days(days);
        for (status, past_due_since, days, want) in [
            (Status::Active, None, 100, true),
            (Status::Trialing, None, 100, true),
            (Status::PastDue, Some(since), 6, true),
            (Status::PastDue, Some(since), 7, false),
            (Status::PastDue, None, 0, false),
            (Status::Unpaid, Some(since), 0, false),
            (Status::Paused, None, 0, false),
            (Status::Incomplete, None, 0, false),
            (Status::Canceled, None, 0, false),
        ] {
            assert_eq!(subscription(status, past_due_since).is_entitled(now(days)), want, "{status:?} {days}");
        }
    }
}
