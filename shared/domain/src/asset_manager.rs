//! The health of the connection to an application's asset manager: which webhooks to repair, and which period to catch
//! up.

use serde::{Deserialize, Serialize};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::notification::NewNotification;
use crate::schedule::HALF_TICK;
use crate::{from_millis, millis, rfc3339};

/// Catch-up starts this much earlier, because searches lag behind changes and clocks differ.
const CATCH_UP_OVERLAP: Duration = Duration::minutes(15);
/// Interval between checks while all webhooks are healthy, and while something is not.
const HEALTHY_INTERVAL: Duration = Duration::minutes(5);
const UNHEALTHY_INTERVAL: Duration = Duration::minutes(1);

/// The state of the connection between two checks. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AssetManagerState {
    /// Since when, and why, the asset manager refuses the credentials. No requests are made meanwhile, apart from
    /// probes.
    pub blocked: Option<(i64, String)>,
    /// The user of our token. Changes by this user are our own.
    pub user: Option<String>,
    /// The Iconik domain of our token, as Iconik returned it. Events of this domain on the shared queue belong to this
    /// application.
    pub domain: Option<String>,
    /// When all webhooks were healthy for the last time.
    #[serde(rename = "well_at")]
    pub healthy_at: Option<i64>,
    /// Everything created before this time has been reconciled.
    pub reconciled_to: Option<i64>,
    /// When the next check is due.
    pub next_at: i64,
    /// The webhooks as of the last check.
    pub webhooks: Vec<WebhookHealth>,
    /// The ids of our webhooks in the asset manager, whatever their names and URLs are.
    pub ours: Vec<String>,
    /// Since when, and why, the asset manager does not respond.
    pub unreachable: Option<(i64, String)>,
    /// Since when, and why, the external queue cannot be read.
    pub queue_failed: Option<(i64, String)>,
}

/// The health of a webhook as the asset manager reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookHealth {
    pub name: String,
    /// `ENABLED`, `FAILING` or `DISABLED`; `MISSING` if it does not exist, `CHANGED` if its configuration differs from
    /// ours.
    pub status: String,
    /// Since when it has been failing, in milliseconds, if the asset manager says so.
    pub failing_since: Option<i64>,
    pub error: Option<String>,
}

/// What follows from a check.
#[derive(Debug, Clone, PartialEq)]
pub struct AssetManagerPlan {
    pub next: AssetManagerState,
    /// Indexes of the webhooks to repair, among those that were checked.
    pub repair: Vec<usize>,
    /// The period (from, to) whose events may be missing, in milliseconds.
    pub catch_up: Option<(i64, i64)>,
    pub notifications: Vec<NewNotification>,
}

/// The credentials were refused. No requests are made until a probe succeeds. A notification is published once per
/// outage.
pub fn on_unauthorized(now: OffsetDateTime, state: &AssetManagerState, reason: &str) -> AssetManagerPlan {
    let first = state.blocked.is_none();
    let next = AssetManagerState {
        blocked: state.blocked.clone().or_else(|| Some((millis(now), reason.to_owned()))),
        next_at: millis(now + UNHEALTHY_INTERVAL),
        unreachable: None,
        ..state.clone()
    };
    let mut notifications = Vec::from_iter(reachable_again(state)); // refused credentials are a response, too
    if first {
        notifications.push(NewNotification::new("iconik.unauthorized", json!({ "error": reason })));
    }
    AssetManagerPlan { next, repair: Vec::new(), catch_up: None, notifications }
}

/// The asset manager did not respond. The next check is soon. A notification is published once per outage.
pub fn on_unreachable(now: OffsetDateTime, state: &AssetManagerState, reason: &str) -> AssetManagerPlan {
    let first = state.unreachable.is_none();
    let next = AssetManagerState {
        unreachable: state.unreachable.clone().or_else(|| Some((millis(now), reason.to_owned()))),
        next_at: millis(now + UNHEALTHY_INTERVAL),
        ..state.clone()
    };
    let notifications =
        if first { vec![NewNotification::new("iconik.unreachable", json!({ "error": reason }))] } else { Vec::new() };
    AssetManagerPlan { next, repair: Vec::new(), catch_up: None, notifications }
}

fn reachable_again(state: &AssetManagerState) -> Option<NewNotification> {
    let (since, _) = state.unreachable.as_ref()?;
    Some(NewNotification::new("iconik.reachable", json!({ "unreachableSince": rfc3339(from_millis(*since)) })))
}

/// The external queue was read, or could not be read (`reason`). Returns the new `queue_failed`, and the notification to
/// publish once per outage.
pub fn on_queue_read(
    now: OffsetDateTime,
    state: &AssetManagerState,
    reason: Option<String>,
) -> (Option<(i64, String)>, Option<NewNotification>) {
    match (&state.queue_failed, reason) {
        (None, Some(reason)) => {
            let notification = NewNotification::new("iconik.queue.unreadable", json!({ "error": reason }));
            (Some((millis(now), reason)), Some(notification))
        }
        (Some((since, _)), None) => {
            let data = json!({ "unreadableSince": rfc3339(from_millis(*since)) });
            (None, Some(NewNotification::new("iconik.queue.readable", data)))
        }
        (as_before, _) => (as_before.clone(), None),
    }
}

/// The webhooks were checked. Unhealthy ones are repaired, and the period in which events may have been missed is
/// caught up. Every `reconcile` everything is compared in any case, because a single event can be lost without a trace.
pub fn on_webhooks_checked(
    now: OffsetDateTime,
    state: &AssetManagerState,
    user: &str,
    webhooks: Vec<WebhookHealth>,
    reconcile: Duration,
) -> AssetManagerPlan {
    let at = millis(now);
    let is_unhealthy = |it: &WebhookHealth| it.status != "ENABLED";
    let repair: Vec<usize> = (0..webhooks.len()).filter(|it| is_unhealthy(&webhooks[*it])).collect();
    let mut notifications = Vec::new();
    // events of the time in which it did not respond may be missing
    let mut since: Option<i64> = [&state.blocked, &state.unreachable].into_iter().flatten().map(|it| it.0).min();
    notifications.extend(reachable_again(state));
    if let Some((from, _)) = &state.blocked {
        notifications
            .push(NewNotification::new("iconik.authorized", json!({ "blockedSince": rfc3339(from_millis(*from)) })));
    }
    // a webhook that did not exist before is new, and has missed nothing
    let is_new = |it: &WebhookHealth| it.status == "MISSING" && !state.webhooks.iter().any(|old| old.name == it.name);
    for webhook in webhooks.iter().filter(|it| is_unhealthy(it) && !is_new(it)) {
        let known = state.healthy_at.or(webhook.failing_since);
        let from = webhook.failing_since.or(known);
        since = since.into_iter().chain(from).min();
        if known.is_some() && webhook.status != "CHANGED" {
            let data = json!({
                "webhook": webhook.name, "status": webhook.status, "error": webhook.error, "since": from.map(|it| rfc3339(from_millis(it))),
            });
            notifications.push(NewNotification::new("iconik.webhook.disabled", data));
        }
    }
    let due =
        state.reconciled_to.is_some_and(|it| it + reconcile.whole_milliseconds() as i64 <= millis(now + HALF_TICK));
    if due {
        since = since.into_iter().chain(state.reconciled_to).min();
    }
    let overlap = CATCH_UP_OVERLAP.whole_milliseconds() as i64;
    let next = AssetManagerState {
        blocked: None,
        user: Some(user.to_owned()),
        domain: state.domain.clone(),
        healthy_at: if repair.is_empty() { Some(at) } else { state.healthy_at },
        reconciled_to: if due || state.reconciled_to.is_none() { Some(at) } else { state.reconciled_to },
        next_at: millis(now + if repair.is_empty() { HEALTHY_INTERVAL.min(reconcile) } else { UNHEALTHY_INTERVAL }),
        webhooks,
        ours: state.ours.clone(),
        unreachable: None,
        queue_failed: state.queue_failed.clone(),
    };
    AssetManagerPlan { next, repair, catch_up: since.map(|it| (it - overlap, at)), notifications }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);
    const HOUR: Duration = Duration::HOUR;

    fn webhook(status: &str, failing_since: Option<i64>) -> WebhookHealth {
        WebhookHealth { name: "N".into(), status: status.into(), failing_since, error: None }
    }

    fn kinds(plan: &AssetManagerPlan) -> Vec<&str> {
        plan.notifications.iter().map(|it| it.kind.as_str()).collect()
    }

    #[test]
    fn a_webhook_that_was_never_there_is_made_without_alarm() {
        let plan = on_webhooks_checked(NOW, &AssetManagerState::default(), "u", vec![webhook("MISSING", None)], HOUR);
        assert_eq!((plan.repair.as_slice(), plan.catch_up, kinds(&plan).len()), (&[0][..], None, 0));
        assert_eq!(plan.next.reconciled_to, Some(millis(NOW)));
    }

    #[test]
    fn a_disabled_webhook_is_repaired_told_and_its_gap_caught_up() {
        let healthy = AssetManagerState {
            healthy_at: Some(millis(NOW - Duration::minutes(5))),
            reconciled_to: Some(millis(NOW)),
            ..AssetManagerState::default()
        };
        let failed = millis(NOW - Duration::hours(6));
        let plan = on_webhooks_checked(
            NOW,
            &healthy,
            "u",
            vec![webhook("ENABLED", None), webhook("DISABLED", Some(failed))],
            HOUR,
        );
        assert_eq!((plan.repair.as_slice(), kinds(&plan)), (&[1][..], vec!["iconik.webhook.disabled"]));
        assert_eq!(plan.catch_up, Some((failed - 900_000, millis(NOW))));
        let known = AssetManagerState { webhooks: vec![webhook("ENABLED", None)], ..healthy.clone() };
        let missing = on_webhooks_checked(NOW, &known, "u", vec![webhook("MISSING", None)], HOUR);
        assert_eq!(kinds(&missing), ["iconik.webhook.disabled"]);
        assert_eq!(missing.catch_up, Some((healthy.healthy_at.unwrap() - 900_000, millis(NOW))));
    }

    #[test]
    fn everything_is_compared_now_and_then() {
        let state = AssetManagerState {
            reconciled_to: Some(millis(NOW - Duration::minutes(59))),
            ..AssetManagerState::default()
        };
        assert_eq!(on_webhooks_checked(NOW, &state, "u", vec![webhook("ENABLED", None)], HOUR).catch_up, None);
        let state = AssetManagerState { reconciled_to: Some(millis(NOW - HOUR)), ..AssetManagerState::default() };
        let plan = on_webhooks_checked(NOW, &state, "u", vec![webhook("ENABLED", None)], HOUR);
        assert_eq!(plan.catch_up, Some((millis(NOW - HOUR) - 900_000, millis(NOW))));
        assert!(plan.notifications.is_empty() && plan.repair.is_empty());
    }

    #[test]
    fn a_webhook_that_is_wanted_anew_is_no_alarm() {
        let healthy = AssetManagerState {
            healthy_at: Some(millis(NOW - Duration::minutes(5))),
            reconciled_to: Some(millis(NOW)),
            webhooks: vec![webhook("ENABLED", None)],
            ..AssetManagerState::default()
        };
        let other = WebhookHealth { name: "N (files)".into(), ..webhook("MISSING", None) };
        let plan = on_webhooks_checked(NOW, &healthy, "u", vec![webhook("CHANGED", None), other], HOUR);
        assert_eq!((plan.repair.as_slice(), kinds(&plan)), (&[0, 1][..], Vec::new()));
    }

    #[test]
    fn an_outage_is_told_once_and_its_end_too() {
        let first = on_unreachable(NOW, &AssetManagerState::default(), "connection refused");
        assert_eq!(kinds(&first), ["iconik.unreachable"]);
        let later = NOW + Duration::minutes(3);
        let second = on_unreachable(later, &first.next, "timed out");
        assert!(second.notifications.is_empty());
        assert_eq!(second.next.unreachable, Some((millis(NOW), "connection refused".to_owned())));
        let healthy = on_webhooks_checked(later, &second.next, "u", vec![webhook("ENABLED", None)], HOUR);
        assert_eq!(
            (kinds(&healthy), healthy.catch_up),
            (vec!["iconik.reachable"], Some((millis(NOW) - 900_000, millis(later))))
        );
        assert_eq!(healthy.next.unreachable, None);
        let refused = on_unauthorized(later, &second.next, "Token is invalid");
        assert_eq!(kinds(&refused), ["iconik.reachable", "iconik.unauthorized"]);

        let (queue_failed, notification) =
            on_queue_read(NOW, &AssetManagerState::default(), Some("no such queue".into()));
        assert_eq!(notification.unwrap().kind, "iconik.queue.unreadable");
        let failed = AssetManagerState { queue_failed, ..AssetManagerState::default() };
        assert_eq!(on_queue_read(later, &failed, Some("denied".into())), (failed.queue_failed.clone(), None));
        let (queue_failed, notification) = on_queue_read(later, &failed, None);
        assert_eq!((queue_failed, notification.unwrap().kind.as_str()), (None, "iconik.queue.readable"));
        assert_eq!(on_queue_read(later, &AssetManagerState::default(), None), (None, None));
    }

    /// A scheduler with an interval of a minute never runs exactly a minute later.
    #[test]
    fn a_period_of_one_tick_is_kept_at_every_tick() {
        let minute = Duration::MINUTE;
        let state = AssetManagerState {
            reconciled_to: Some(millis(NOW - minute + Duration::milliseconds(40))),
            ..AssetManagerState::default()
        };
        assert!(on_webhooks_checked(NOW, &state, "u", vec![webhook("ENABLED", None)], minute).catch_up.is_some());
        let state = AssetManagerState {
            reconciled_to: Some(millis(NOW - minute / 2 + Duration::milliseconds(40))),
            ..AssetManagerState::default()
        };
        assert_eq!(on_webhooks_checked(NOW, &state, "u", vec![webhook("ENABLED", None)], minute).catch_up, None);
    }

    #[test]
    fn refused_credentials_are_told_once_and_what_was_missed_is_caught_up() {
        let first = on_unauthorized(NOW, &AssetManagerState::default(), "Token is invalid");
        assert_eq!(kinds(&first), ["iconik.unauthorized"]);
        let later = NOW + Duration::minutes(3);
        let second = on_unauthorized(later, &first.next, "Token is invalid");
        assert!(second.notifications.is_empty() && second.next.blocked.as_ref().unwrap().0 == millis(NOW));
        let healthy = on_webhooks_checked(later, &second.next, "u", vec![webhook("ENABLED", None)], HOUR);
        assert_eq!(kinds(&healthy), ["iconik.authorized"]);
        assert_eq!(healthy.catch_up, Some((millis(NOW) - 900_000, millis(later))));
        assert_eq!(healthy.next.blocked, None);
    }
}
