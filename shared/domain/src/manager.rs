//! The connection to an application's asset manager: is it well, what has to be repaired, what has been missed.

use serde::{Deserialize, Serialize};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::notification::News;
use crate::schedule::HALF_TICK;
use crate::{from_millis, millis, rfc3339};

/// Lists and searches lag behind what happens, and clocks differ: what is caught up begins so much earlier.
const OVERLAP: Duration = Duration::minutes(15);
/// The next look at webhooks that are well, and at anything that is not.
const WELL: Duration = Duration::minutes(5);
const UNWELL: Duration = Duration::minutes(1);

/// What is remembered between two looks; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Since when, and why, nothing is asked: the credentials are refused.
    pub blocked: Option<(i64, String)>,
    /// The user that our token stands for: what it does is our own doing.
    pub user: Option<String>,
    /// The domain that Iconik itself named for our token: its events on the common queue are for this application.
    pub domain: Option<String>,
    /// The last time that every webhook was as it should be.
    pub well_at: Option<i64>,
    /// Everything that was made before has been looked at.
    pub reconciled_to: Option<i64>,
    /// When to look again.
    pub next_at: i64,
    /// The webhooks as they were seen last.
    pub webhooks: Vec<Health>,
    /// The asset manager's ids of the webhooks that are ours, whatever they are called and wherever they point to.
    pub ours: Vec<String>,
    /// Since when, and why, the asset manager does not answer.
    pub unreachable: Option<(i64, String)>,
    /// Since when, and why, the queue of another system cannot be read.
    pub queue_failed: Option<(i64, String)>,
}

/// A webhook, as the asset manager shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub name: String,
    /// `ENABLED`, `FAILING`, `DISABLED`; `MISSING` where there is none, `CHANGED` where it is not as it should be.
    pub status: String,
    /// Since when it fails, in milliseconds, where the asset manager says so.
    pub failing_since: Option<i64>,
    pub error: Option<String>,
}

/// What follows from a look.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub next: State,
    /// The places, in what was seen, of webhooks to put right.
    pub repair: Vec<usize>,
    /// The time whose events may be missing.
    pub catch_up: Option<(i64, i64)>,
    pub news: Vec<News>,
}

/// The credentials were refused: nothing is asked until a probe succeeds, and the application is told once.
pub fn blocked(now: OffsetDateTime, state: &State, why: &str) -> Checked {
    let first = state.blocked.is_none();
    let next = State {
        blocked: state.blocked.clone().or_else(|| Some((millis(now), why.to_owned()))),
        next_at: millis(now + UNWELL),
        unreachable: None,
        ..state.clone()
    };
    let mut news = Vec::from_iter(reachable(state)); // it answers, if only that
    if first {
        news.push(News::new("iconik.unauthorized", json!({ "error": why })));
    }
    Checked { next, repair: Vec::new(), catch_up: None, news }
}

/// The asset manager did not answer: it is looked at again soon, and the application is told once per outage.
pub fn unreachable(now: OffsetDateTime, state: &State, why: &str) -> Checked {
    let first = state.unreachable.is_none();
    let next = State {
        unreachable: state.unreachable.clone().or_else(|| Some((millis(now), why.to_owned()))),
        next_at: millis(now + UNWELL),
        ..state.clone()
    };
    let news = if first { vec![News::new("iconik.unreachable", json!({ "error": why }))] } else { Vec::new() };
    Checked { next, repair: Vec::new(), catch_up: None, news }
}

fn reachable(state: &State) -> Option<News> {
    let (since, _) = state.unreachable.as_ref()?;
    Some(News::new("iconik.reachable", json!({ "unreachableSince": rfc3339(from_millis(*since)) })))
}

/// The queue of another system was read, or could not be (`why`): what is remembered, and what is told, once per outage.
pub fn queue_read(now: OffsetDateTime, state: &State, why: Option<String>) -> (Option<(i64, String)>, Option<News>) {
    match (&state.queue_failed, why) {
        (None, Some(why)) => {
            let news = News::new("iconik.queue.unreadable", json!({ "error": why }));
            (Some((millis(now), why)), Some(news))
        }
        (Some((since, _)), None) => {
            let data = json!({ "unreadableSince": rfc3339(from_millis(*since)) });
            (None, Some(News::new("iconik.queue.readable", data)))
        }
        (as_before, _) => (as_before.clone(), None),
    }
}

/// The webhooks were seen. What is not as it should be is repaired; what may have been missed meanwhile is caught up;
/// and every `reconcile` minutes all is compared anyway, since a single event can be lost without a trace.
pub fn checked(now: OffsetDateTime, state: &State, user: &str, seen: Vec<Health>, reconcile: Duration) -> Checked {
    let at = millis(now);
    let ill = |it: &Health| it.status != "ENABLED";
    let repair: Vec<usize> = (0..seen.len()).filter(|it| ill(&seen[*it])).collect();
    let mut news = Vec::new();
    // what came while it did not answer could not be looked at
    let mut since: Option<i64> = [&state.blocked, &state.unreachable].into_iter().flatten().map(|it| it.0).min();
    news.extend(reachable(state));
    if let Some((from, _)) = &state.blocked {
        news.push(News::new("iconik.authorized", json!({ "blockedSince": rfc3339(from_millis(*from)) })));
    }
    // one that was not among ours before is new, and nothing was missed by it
    let new = |it: &Health| it.status == "MISSING" && !state.webhooks.iter().any(|old| old.name == it.name);
    for it in seen.iter().filter(|it| ill(it) && !new(it)) {
        let known = state.well_at.or(it.failing_since);
        let from = it.failing_since.or(known);
        since = since.into_iter().chain(from).min();
        if known.is_some() && it.status != "CHANGED" {
            let data = json!({
                "webhook": it.name, "status": it.status, "error": it.error, "since": from.map(|it| rfc3339(from_millis(it))),
            });
            news.push(News::new("iconik.webhook.disabled", data));
        }
    }
    let due =
        state.reconciled_to.is_some_and(|it| it + reconcile.whole_milliseconds() as i64 <= millis(now + HALF_TICK));
    if due {
        since = since.into_iter().chain(state.reconciled_to).min();
    }
    let overlap = OVERLAP.whole_milliseconds() as i64;
    let next = State {
        blocked: None,
        user: Some(user.to_owned()),
        domain: state.domain.clone(),
        well_at: if repair.is_empty() { Some(at) } else { state.well_at },
        reconciled_to: if due || state.reconciled_to.is_none() { Some(at) } else { state.reconciled_to },
        next_at: millis(now + if repair.is_empty() { WELL.min(reconcile) } else { UNWELL }),
        webhooks: seen,
        ours: state.ours.clone(),
        unreachable: None,
        queue_failed: state.queue_failed.clone(),
    };
    Checked { next, repair, catch_up: since.map(|it| (it - overlap, at)), news }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);
    const HOUR: Duration = Duration::HOUR;

    fn webhook(status: &str, failing_since: Option<i64>) -> Health {
        Health { name: "N".into(), status: status.into(), failing_since, error: None }
    }

    fn kinds(it: &Checked) -> Vec<&str> {
        it.news.iter().map(|it| it.kind.as_str()).collect()
    }

    #[test]
    fn a_webhook_that_was_never_there_is_made_without_alarm() {
        let got = checked(NOW, &State::default(), "u", vec![webhook("MISSING", None)], HOUR);
        assert_eq!((got.repair.as_slice(), got.catch_up, kinds(&got).len()), (&[0][..], None, 0));
        assert_eq!(got.next.reconciled_to, Some(millis(NOW)));
    }

    #[test]
    fn a_disabled_webhook_is_repaired_told_and_its_gap_caught_up() {
        let well = State {
            well_at: Some(millis(NOW - Duration::minutes(5))),
            reconciled_to: Some(millis(NOW)),
            ..State::default()
        };
        let failed = millis(NOW - Duration::hours(6));
        let got = checked(NOW, &well, "u", vec![webhook("ENABLED", None), webhook("DISABLED", Some(failed))], HOUR);
        assert_eq!((got.repair.as_slice(), kinds(&got)), (&[1][..], vec!["iconik.webhook.disabled"]));
        assert_eq!(got.catch_up, Some((failed - 900_000, millis(NOW))));
        let there = State { webhooks: vec![webhook("ENABLED", None)], ..well.clone() };
        let gone = checked(NOW, &there, "u", vec![webhook("MISSING", None)], HOUR);
        assert_eq!(kinds(&gone), ["iconik.webhook.disabled"]);
        assert_eq!(gone.catch_up, Some((well.well_at.unwrap() - 900_000, millis(NOW))));
    }

    #[test]
    fn everything_is_compared_now_and_then() {
        let state = State { reconciled_to: Some(millis(NOW - Duration::minutes(59))), ..State::default() };
        assert_eq!(checked(NOW, &state, "u", vec![webhook("ENABLED", None)], HOUR).catch_up, None);
        let state = State { reconciled_to: Some(millis(NOW - HOUR)), ..State::default() };
        let got = checked(NOW, &state, "u", vec![webhook("ENABLED", None)], HOUR);
        assert_eq!(got.catch_up, Some((millis(NOW - HOUR) - 900_000, millis(NOW))));
        assert!(got.news.is_empty() && got.repair.is_empty());
    }

    #[test]
    fn a_webhook_that_is_wanted_anew_is_no_alarm() {
        let well = State {
            well_at: Some(millis(NOW - Duration::minutes(5))),
            reconciled_to: Some(millis(NOW)),
            webhooks: vec![webhook("ENABLED", None)],
            ..State::default()
        };
        let other = Health { name: "N (files)".into(), ..webhook("MISSING", None) };
        let got = checked(NOW, &well, "u", vec![webhook("CHANGED", None), other], HOUR);
        assert_eq!((got.repair.as_slice(), kinds(&got)), (&[0, 1][..], Vec::new()));
    }

    #[test]
    fn an_outage_is_told_once_and_its_end_too() {
        let first = unreachable(NOW, &State::default(), "connection refused");
        assert_eq!(kinds(&first), ["iconik.unreachable"]);
        let later = NOW + Duration::minutes(3);
        let second = unreachable(later, &first.next, "timed out");
        assert!(second.news.is_empty());
        assert_eq!(second.next.unreachable, Some((millis(NOW), "connection refused".to_owned())));
        let well = checked(later, &second.next, "u", vec![webhook("ENABLED", None)], HOUR);
        assert_eq!(
            (kinds(&well), well.catch_up),
            (vec!["iconik.reachable"], Some((millis(NOW) - 900_000, millis(later))))
        );
        assert_eq!(well.next.unreachable, None);
        let refused = blocked(later, &second.next, "Token is invalid");
        assert_eq!(kinds(&refused), ["iconik.reachable", "iconik.unauthorized"]);

        let (kept, told) = queue_read(NOW, &State::default(), Some("no such queue".into()));
        assert_eq!(told.unwrap().kind, "iconik.queue.unreadable");
        let failed = State { queue_failed: kept, ..State::default() };
        assert_eq!(queue_read(later, &failed, Some("denied".into())), (failed.queue_failed.clone(), None));
        let (kept, told) = queue_read(later, &failed, None);
        assert_eq!((kept, told.unwrap().kind.as_str()), (None, "iconik.queue.readable"));
        assert_eq!(queue_read(later, &State::default(), None), (None, None));
    }

    /// A clock of a minute is never exactly a minute later.
    #[test]
    fn a_period_of_one_tick_is_kept_at_every_tick() {
        let minute = Duration::MINUTE;
        let state =
            State { reconciled_to: Some(millis(NOW - minute + Duration::milliseconds(40))), ..State::default() };
        assert!(checked(NOW, &state, "u", vec![webhook("ENABLED", None)], minute).catch_up.is_some());
        let state =
            State { reconciled_to: Some(millis(NOW - minute / 2 + Duration::milliseconds(40))), ..State::default() };
        assert_eq!(checked(NOW, &state, "u", vec![webhook("ENABLED", None)], minute).catch_up, None);
    }

    #[test]
    fn refused_credentials_are_told_once_and_what_was_missed_is_caught_up() {
        let first = blocked(NOW, &State::default(), "Token is invalid");
        assert_eq!(kinds(&first), ["iconik.unauthorized"]);
        let later = NOW + Duration::minutes(3);
        let second = blocked(later, &first.next, "Token is invalid");
        assert!(second.news.is_empty() && second.next.blocked.as_ref().unwrap().0 == millis(NOW));
        let well = checked(later, &second.next, "u", vec![webhook("ENABLED", None)], HOUR);
        assert_eq!(kinds(&well), ["iconik.authorized"]);
        assert_eq!(well.catch_up, Some((millis(NOW) - 900_000, millis(later))));
        assert_eq!(well.next.blocked, None);
    }
}
