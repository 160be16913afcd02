//! State transitions of an item: claim, complete, fail, postpone, skip, lease expiry and reprocessing.

use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::item::{Item, ItemStatus, Problem, ResultSummary, URGENT_PRIORITY};
use crate::notification::NewNotification;

/// Maximum number of attempts; the item is Failed after the last one (processors, section 2.5).
pub const MAX_ATTEMPTS: u32 = 3;

/// Error code of a postponed item.
pub const POSTPONED: &str = "postponed";

/// An item with its new status, and the notification to publish. Both are written in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemTransition {
    pub item: Item,
    pub notification: Option<NewNotification>,
}

/// Claims a Pending item until `now + lease`; `None` if it has another status.
pub fn claim(now: OffsetDateTime, item: &Item, lease: Duration) -> Option<ItemTransition> {
    if item.status != ItemStatus::Pending {
        return None;
    }
    let mut next = item.with_status(now, ItemStatus::Processing, None);
    next.attempts += 1;
    next.lease_until = Some(crate::millis(now + lease));
    Some(ItemTransition { item: next, notification: None })
}

/// The delay before an item that returned to Pending is processed: what its system asked for, otherwise 5, 20, …
/// seconds by the number of attempts (processors, section 5.3).
pub fn retry_delay(item: &Item) -> Duration {
    if let Some(seconds) = item.wait {
        return Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
    }
    if item.error.as_ref().is_some_and(|it| it.code == POSTPONED) {
        return Duration::seconds(20);
    }
    if item.attempts == 0 { Duration::ZERO } else { Duration::seconds(5 << (2 * (item.attempts - 1).min(4))) }
}

/// Processing succeeded.
pub fn complete(now: OffsetDateTime, item: &Item, results: ResultSummary) -> ItemTransition {
    let mut next = item.with_status(now, ItemStatus::Completed, None);
    next.error = None;
    let notification = NewNotification::new(
        "item.completed",
        json!({
            "item": next.reference(),
            "results": { item.processor.name(): { "faces": results.faces, "quality": results.quality } },
        }),
    );
    next.results = Some(results);
    ItemTransition { item: next, notification: Some(notification) }
}

/// An attempt failed. The item returns to Pending if the error is retryable and attempts are left; otherwise it is
/// Failed.
pub fn fail(now: OffsetDateTime, item: &Item, problem: Problem, retryable: bool) -> ItemTransition {
    if retryable && item.attempts < MAX_ATTEMPTS {
        let mut next = item.with_status(now, ItemStatus::Pending, Some(problem.message.clone()));
        next.error = Some(problem);
        return ItemTransition { item: next, notification: None };
    }
    finish(now, item, ItemStatus::Failed, "item.failed", problem)
}

/// A temporary obstacle. The item returns to Pending, and the attempt does not count. `wait` is the number of seconds
/// that the system asked us to wait.
pub fn postpone(now: OffsetDateTime, item: &Item, problem: Problem, wait: Option<u64>) -> ItemTransition {
    let mut next = item.with_status(now, ItemStatus::Pending, Some(problem.message.clone()));
    next.wait = wait;
    next.attempts = item.attempts.saturating_sub(1);
    next.error = Some(problem);
    ItemTransition { item: next, notification: None }
}

/// There is nothing to process: the item is Skipped.
pub fn skip(now: OffsetDateTime, item: &Item, problem: Problem) -> ItemTransition {
    finish(now, item, ItemStatus::Skipped, "item.skipped", problem)
}

/// The worker's lease has expired, which counts as a failed attempt; `None` while the lease is valid.
pub fn expire_lease(now: OffsetDateTime, item: &Item) -> Option<ItemTransition> {
    let expired = item.status == ItemStatus::Processing && item.lease_until.is_none_or(|it| it <= crate::millis(now));
    let problem = || Problem::new("internal", format!("the worker of attempt {} stopped responding", item.attempts));
    expired.then(|| fail(now, item, problem(), true))
}

/// A user requested reprocessing; `None` if the item is Pending or Processing.
pub fn reprocess(now: OffsetDateTime, item: &Item) -> Option<ItemTransition> {
    if matches!(item.status, ItemStatus::Pending | ItemStatus::Processing) {
        return None;
    }
    let mut next = item.with_status(now, ItemStatus::Pending, Some("asked for again".to_owned()));
    next.attempts = 0;
    next.error = None;
    // a user waits for it
    next.priority = next.priority.max(URGENT_PRIORITY);
    Some(ItemTransition { item: next, notification: None })
}

/// A user has the results erased, with the faces in them; `None` if the item is Pending or Processing, or has no results.
pub fn erase_results(now: OffsetDateTime, item: &Item) -> Option<ItemTransition> {
    if matches!(item.status, ItemStatus::Pending | ItemStatus::Processing) || item.results.is_none() {
        return None;
    }
    let problem = Problem::new("erased", "its results were erased on request");
    let mut erased = finish(now, item, ItemStatus::Skipped, "item.skipped", problem);
    erased.item.results = None;
    Some(erased)
}

fn finish(
    now: OffsetDateTime,
    item: &Item,
    status: ItemStatus,
    kind: &'static str,
    problem: Problem,
) -> ItemTransition {
    let mut next = item.with_status(now, status, Some(problem.message.clone()));
    let mut error = json!({ "code": problem.code, "message": problem.message });
    if let Some(hint) = &problem.hint {
        error["hint"] = json!(hint);
    }
    let notification = NewNotification::new(kind, json!({ "item": next.reference(), "error": error }));
    next.error = Some(problem);
    ItemTransition { item: next, notification: Some(notification) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::scanning::{ListedObject, tests::bucket};

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    #[test]
    fn results_are_erased_from_an_item_that_nobody_works_on() {
        let results = ResultSummary {
            faces: 2,
            quality: "demo".to_owned(),
            document: "d".to_owned(),
            preview: "p".to_owned(),
            sha256: "s".to_owned(),
        };
        let with = |status: ItemStatus| Item { status, results: Some(results.clone()), ..item() };
        assert_eq!(erase_results(NOW, &with(ItemStatus::Processing)), None);
        assert_eq!(erase_results(NOW, &with(ItemStatus::Pending)), None);
        assert_eq!(erase_results(NOW, &Item { status: ItemStatus::Completed, ..item() }), None, "there are none");
        let plan = erase_results(NOW, &with(ItemStatus::Completed)).unwrap();
        assert_eq!((plan.item.status, plan.item.results), (ItemStatus::Skipped, None));
        assert_eq!(plan.item.error.map(|it| it.code).as_deref(), Some("erased"));
        assert_eq!(plan.notification.map(|it| it.kind).as_deref(), Some("item.skipped"));
    }

    fn item() -> Item {
        let object = ListedObject { key: "a.jpg".into(), etag: "e".into(), size: 7, media_type: None };
        Item::from_object(&bucket(), &object, "image/jpeg".into(), "p", NOW)
    }

    fn results() -> ResultSummary {
        ResultSummary {
            faces: 2,
            quality: "demo".into(),
            document: "d".into(),
            preview: "p".into(),
            sha256: "s".into(),
        }
    }

    #[test]
    fn a_claim_is_for_one_worker() {
        let held = claim(NOW, &item(), Duration::minutes(1)).unwrap().item;
        assert_eq!((held.status, held.attempts, held.revision), (ItemStatus::Processing, 1, 1));
        assert_eq!(claim(NOW, &held, Duration::minutes(1)), None);
        assert_eq!(expire_lease(NOW + Duration::seconds(59), &held), None);
        assert_eq!(expire_lease(NOW + Duration::minutes(1), &held).unwrap().item.status, ItemStatus::Pending);
    }

    #[test]
    fn the_third_failure_is_the_last() {
        let mut item = item();
        for attempt in 1..=MAX_ATTEMPTS {
            item = claim(NOW, &item, Duration::MINUTE).unwrap().item;
            let transition = fail(NOW, &item, Problem::new("internal", "boom"), true);
            assert_eq!(transition.notification.is_some(), attempt == MAX_ATTEMPTS);
            item = transition.item;
        }
        assert_eq!(item.status, ItemStatus::Failed);
        assert_eq!(item.error.as_ref().unwrap().message, "boom");
    }

    #[test]
    fn what_can_never_work_fails_at_once() {
        let held = claim(NOW, &item(), Duration::MINUTE).unwrap().item;
        let transition = fail(NOW, &held, Problem::new("media_unreadable", "no picture"), false);
        assert_eq!(transition.item.status, ItemStatus::Failed);
        assert_eq!(transition.notification.unwrap().data["error"]["code"], "media_unreadable");
    }

    #[test]
    fn a_found_item_is_one_write_unit() {
        let object = ListedObject { key: "k".repeat(200), etag: "9".repeat(36), size: 7_000_000_000, media_type: None };
        let row =
            serde_json::to_vec(&Item::from_object(&bucket(), &object, "video/x-matroska".into(), "scan-page", NOW))
                .unwrap();
        assert!(row.len() < 900, "{} bytes", row.len());
    }

    proptest! {
        /// Whatever happens in whatever order, a finished item has published its result exactly once since it was last
        /// requested, and at most three attempts are made.
        #[test]
        fn every_order_ends_once(events in proptest::collection::vec(0_u8..6, 1..60)) {
            let (mut item, mut published, mut now) = (item(), 0, NOW);
            for event in events {
                now += Duration::seconds(40);
                let held = item.status == ItemStatus::Processing;
                let transition = match event {
                    0 => claim(now, &item, Duration::MINUTE),
                    1 if held => Some(complete(now, &item, results())),
                    2 if held => Some(fail(now, &item, Problem::new("internal", "x"), true)),
                    3 if held => Some(skip(now, &item, Problem::new("too_large", "x"))),
                    4 => expire_lease(now, &item),
                    5 => reprocess(now, &item).inspect(|_| published = 0),
                    _ => None,
                };
                let Some(transition) = transition else { continue };
                published += usize::from(transition.notification.is_some());
                prop_assert_eq!(transition.item.revision, item.revision + 1);
                item = transition.item;
                let ended = matches!(item.status, ItemStatus::Completed | ItemStatus::Failed | ItemStatus::Skipped);
                prop_assert_eq!(published, usize::from(ended));
                prop_assert!(item.attempts <= MAX_ATTEMPTS);
                prop_assert_eq!(item.lease_until.is_some(), item.status == ItemStatus::Processing);
                prop_assert!(item.history.len() <= crate::item::MAX_HISTORY);
            }
        }
    }
}
