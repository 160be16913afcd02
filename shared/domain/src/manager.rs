//! The connection to an application's asset manager: is it well, what has to be repaired, what has been missed.

use serde::{Deserialize, Serialize};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::notification::News;
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
        ..state.clone()
    };
    let news = if first { vec![News::new("iconik.unauthorized", json!({ "error": why }))] } else { Vec::new() };
    Checked { next, repair: Vec::new(), catch_up: None, news }
}

/// The webhooks were seen. What is not as it should be is repaired; what may have been missed meanwhile is caught up;
/// and every `reconcile` minutes all is compared anyway, since a single event can be lost without a trace.
pub fn checked(now: OffsetDateTime, state: &State, user: &str, seen: Vec<Health>, reconcile: Duration) -> Checked {
    let at = millis(now);
    let ill = |it: &Health| it.status != "ENABLED";
    let repair: Vec<usize> = (0..seen.len()).filter(|it| ill(&seen[*it])).collect();
    let mut news = Vec::new();
    let mut since: Option<i64> = state.blocked.as_ref().map(|it| it.0);
    if let Some((from, _)) = &state.blocked {
        news.push(News::new("iconik.authorized", json!({ "blockedSince": rfc3339(from_millis(*from)) })));
    }
    for it in seen.iter().filter(|it| ill(it)) {
        // a webhook that was never there is made, not missed
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
    let due = state.reconciled_to.is_some_and(|it| it + reconcile.whole_milliseconds() as i64 <= at);
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
        let gone = checked(NOW, &well, "u", vec![webhook("MISSING", None)], HOUR);
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
