//! What is published when subscriptions change: the difference between two states of a product. Whoever sees a change
//! first (a request, an event of the payment provider, the daily look) publishes it with the row, and so once.

use serde_json::{Value, json};

use crate::billing::state::ProductState;
use crate::billing::subscription::{Status, Subscription};
use crate::notification::NewNotification;
use crate::rfc3339;

/// A subscription is paid for, for the first time or again.
pub const STARTED: &str = "billing.subscription.started";
/// Something else of a subscription has changed; `changed` names what.
pub const UPDATED: &str = "billing.subscription.updated";
/// It was decided that a subscription ends, at its period's end or now.
pub const CANCELLED: &str = "billing.subscription.cancelled";
/// A subscription has ended.
pub const ENDED: &str = "billing.subscription.ended";
/// A trial has begun.
pub const TRIAL_STARTED: &str = "billing.trial.started";
/// A trial ends in three days (Stripe API, `customer.subscription.trial_will_end`).
pub const TRIAL_ENDING: &str = "billing.trial.ending";

/// The types of the notifications, with what each says.
pub const TYPES: [(&str, &str); 6] = [
    (STARTED, "a subscription is paid for, for the first time or again"),
    (UPDATED, "plan, cycle, quantity or status of a subscription have changed"),
    (CANCELLED, "it was decided that a subscription ends"),
    (ENDED, "a subscription has ended"),
    (TRIAL_STARTED, "a trial has begun"),
    (TRIAL_ENDING, "a trial ends in three days"),
];

/// What has changed between two states of a product. `cta` is what led to the change, if its request said so.
pub fn changes(before: Option<&ProductState>, after: &ProductState, cta: Option<&str>) -> Vec<NewNotification> {
    let known = before.map_or(&[][..], |it| it.subscriptions.as_slice());
    let of = |all: &[Subscription], id: &str| all.iter().find(|it| it.id == id).cloned();
    let mut published = Vec::new();
    for subscription in &after.subscriptions {
        let kinds = kinds(of(known, &subscription.id).as_ref(), subscription);
        published
            .extend(kinds.into_iter().map(|(kind, more)| notification(kind, &after.product, subscription, more, cta)));
    }
    for gone in known.iter().filter(|it| of(&after.subscriptions, &it.id).is_none()) {
        // one whose first payment was never made was none
        if gone.status == Status::Incomplete {
            continue;
        }
        if !gone.cancel_at_period_end {
            let now = json!({ "atPeriodEnd": false });
            published.push(notification(CANCELLED, &after.product, gone, now, cta));
        }
        published.push(notification(ENDED, &after.product, gone, json!({}), cta));
    }
    published
}

/// The types of what has changed of a subscription, each with its own members.
fn kinds(before: Option<&Subscription>, after: &Subscription) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    let was = |is: fn(Status) -> bool| before.is_some_and(|it| is(it.status));
    let is_trial = |status: Status| status == Status::Trialing;
    let starts = after.status.is_paying() && !was(Status::is_paying);
    if is_trial(after.status) && !was(is_trial) {
        all.push((TRIAL_STARTED, json!({})));
    }
    if starts {
        all.push((STARTED, json!({ "afterTrial": was(is_trial) })));
    }
    if let Some(before) = before {
        let changed: Vec<&str> = [
            ("plan", before.plan != after.plan),
            ("cycle", before.cycle != after.cycle),
            ("quantity", before.quantity != after.quantity),
            ("status", before.status != after.status && !starts),
            ("cancelAtPeriodEnd", before.cancel_at_period_end && !after.cancel_at_period_end),
        ]
        .into_iter()
        .filter_map(|(name, has_changed)| has_changed.then_some(name))
        .collect();
        if !changed.is_empty() {
            let previous = json!({
                "plan": before.plan, "cycle": before.cycle, "quantity": before.quantity, "status": before.status,
            });
            all.push((UPDATED, json!({ "changed": changed, "previous": previous })));
        }
    }
    if after.cancel_at_period_end && before.is_none_or(|it| !it.cancel_at_period_end) {
        all.push((CANCELLED, json!({ "atPeriodEnd": true })));
    }
    if after.trial_ending && before.is_none_or(|it| !it.trial_ending) {
        all.push((TRIAL_ENDING, json!({})));
    }
    all
}

fn notification(
    kind: &str,
    product: &str,
    subscription: &Subscription,
    more: Value,
    cta: Option<&str>,
) -> NewNotification {
    let shown = |seconds: i64| {
        let at = time::OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|_| seconds > 0);
        at.map(rfc3339)
    };
    let mut data = json!({
        "product": product, "subscription": subscription.id, "plan": subscription.plan, "cycle": subscription.cycle,
        "quantity": subscription.quantity, "status": subscription.status,
        "currentPeriodEnd": shown(subscription.period_end), "cancelAtPeriodEnd": subscription.cancel_at_period_end,
        "trialEnd": subscription.trial_end.and_then(shown), "cta": cta.or(subscription.cta.as_deref()),
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        data[name] = value.clone();
    }
    NewNotification::new(kind, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::state::tests::{remote, seen};
    use crate::billing::subscription::RemoteSubscription;

    fn published(before: &[RemoteSubscription], after: &[RemoteSubscription]) -> Vec<NewNotification> {
        let before = seen(None, before);
        changes(Some(&before), &seen(Some(&before), after), None)
    }

    #[track_caller]
    fn check(before: &[RemoteSubscription], after: &[RemoteSubscription], want: &[&str]) {
        let published = published(before, after);
        assert_eq!(published.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), want);
        for one in published {
            assert!(TYPES.iter().any(|(kind, _)| *kind == one.kind) && one.data["product"] == "publish", "{one:?}");
        }
    }

    #[test]
    fn each_change_is_told_by_its_type() {
        let one = |price: &str, status: Status| vec![remote("a", price, status)];
        let (active, trial) = (one("pro-m", Status::Active), one("pro-m", Status::Trialing));
        let mut cancelling = active.clone();
        cancelling[0].cancelling = true;
        check(&[], &[], &[]);
        check(&active, &active, &[]);
        check(&[], &active, &[STARTED]);
        check(&[], &trial, &[TRIAL_STARTED]);
        check(&trial, &active, &[STARTED]);
        check(&[], &one("pro-m", Status::Incomplete), &[]);
        check(&one("pro-m", Status::Incomplete), &active, &[STARTED]);
        check(&one("pro-m", Status::Incomplete), &[], &[]);
        check(&active, &one("agency-y", Status::Active), &[UPDATED]);
        check(&active, &one("pro-old", Status::Active), &[]);
        check(&active, &one("pro-m", Status::PastDue), &[UPDATED]);
        check(&one("pro-m", Status::PastDue), &active, &[UPDATED]);
        check(&one("pro-m", Status::PastDue), &one("pro-m", Status::Unpaid), &[UPDATED]);
        check(&one("pro-m", Status::Unpaid), &active, &[STARTED]);
        check(&trial, &one("agency-y", Status::Active), &[STARTED, UPDATED]);
        check(&trial, &one("pro-m", Status::Paused), &[UPDATED]);
        check(&active, &cancelling, &[CANCELLED]);
        check(&cancelling, &active, &[UPDATED]);
        check(&cancelling, &[], &[ENDED]);
        check(&active, &[], &[CANCELLED, ENDED]);
        check(&active, &[remote("b", "pro-m", Status::Active)], &[STARTED, CANCELLED, ENDED]);
    }

    #[test]
    fn what_has_changed_is_named() {
        let active = [remote("a", "pro-m", Status::Active)];
        let mut more = [remote("a", "agency-y", Status::Active)];
        (more[0].items[0].quantity, more[0].cta) = (3, Some("stored".to_owned()));
        let updated = published(&active, &more).remove(0);
        assert_eq!(updated.data["changed"], json!(["plan", "cycle", "quantity"]));
        assert_eq!((&updated.data["plan"], &updated.data["previous"]["plan"]), (&json!("agency"), &json!("pro")));
        assert_eq!((&updated.data["cta"], &updated.data["trialEnd"]), (&json!("stored"), &Value::Null));
        assert_eq!(updated.data["currentPeriodEnd"], "1970-01-01T00:01:40Z");
        let asked = changes(None, &seen(None, &more), Some("asked"));
        assert_eq!((&asked[0].data["cta"], &asked[0].data["afterTrial"]), (&json!("asked"), &json!(false)));
        let trial = published(&[remote("a", "pro-m", Status::Trialing)], &active).remove(0);
        assert_eq!(trial.data["afterTrial"], true);
    }
}
