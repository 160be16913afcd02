//! One page: list, store what is new, go on or end.

use domain::bucket::{Bucket, DiscoveryMode, LastScan, ScanState, SearchProgress};
use domain::command::{ScanCommand, UnreadableObjects};
use domain::notification::{NewNotification, Stream};
use domain::scanning::backoff;
use domain::ssrf::AllowedNetworks;
use entry::{AppSettings, Failure, Message, Meter, Queue, Secrets};
use media::object_store::{Listing, ObjectStore, ObjectStoreError, open};
use serde_json::json;
use table::Table;
use time::{Duration, OffsetDateTime};

use crate::page;

/// A scan holds its bucket for so long without a sign of life, and says that it lives when a third is left.
const SCAN_LEASE: Duration = Duration::minutes(15);

/// A scheduled scan that ends before this time needs no lease: the next one comes after a minute at the earliest.
const SHORT_SCAN: Duration = Duration::MINUTE;

/// Whoever asked for a scan sees how far it is when something was found, or after this time.
const PROGRESS_INTERVAL: Duration = Duration::seconds(10);

/// How far a search looks back behind the last one.
const SEARCH_OVERLAP: Duration = Duration::minutes(15);

/// What the handler works with.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) settings: AppSettings,
    pub(crate) secrets: Secrets,
    pub(crate) scan_queue: Queue,
    pub(crate) allowed_networks: AllowedNetworks,
    pub(crate) meter: Meter,
}

pub(crate) async fn handle(parts: &Context, now: OffsetDateTime, message: Message) -> Result<(), Failure> {
    let order: ScanCommand = message.order("scan order")?;
    let Some(mut bucket) = parts.table.bucket(order.app, order.bucket).await? else { return Ok(()) };
    if bucket.mime_types.is_empty() {
        // the bucket's own list, else the application's, else all that the processor takes
        bucket.mime_types = parts.settings.get(order.app).await?.media_types();
    }
    let mut state = parts.table.scan_state(order.app, order.bucket).await?;
    if !should_scan(&order, &bucket, &state, now) {
        return Ok(());
    }
    let since = search_since(&order, &bucket, &state);
    let credentials = parts.secrets.bucket_credentials(&bucket).await?;
    let opened = open(&bucket, credentials, since, now, &parts.allowed_networks, parts.meter.counter("media"));
    let listed = match &opened {
        Ok(objects) => list_page(objects, &order).await,
        Err(error) => Err(ObjectStoreError::UnexpectedResponse(error.to_string())),
    };
    match (opened, listed) {
        (Ok(objects), Ok(mut listing)) => {
            let stored = match page::store(&parts.table, &order, &bucket, &objects, &listing.objects, now).await {
                Ok(stored) => stored,
                Err(page::PageError::Table(error)) => return Err(error.into()),
                Err(page::PageError::ObjectStore(error)) => {
                    return record_failure(parts, &order, &bucket, &mut state, &error, now).await;
                }
            };
            listing.errors.extend(stored.errors);
            continue_or_complete(parts, order, &bucket, &mut state, listing, stored.found, now).await
        }
        (Err(error), _) | (_, Err(error)) => record_failure(parts, &order, &bucket, &mut state, &error, now).await,
    }
}

/// From when on a search looks, in milliseconds; `None` for a walk of everything. Searches overlap: Swarm's index lags
/// behind its objects (media systems, section 4.3). A scan that a person asked for walks everything.
fn search_since(order: &ScanCommand, bucket: &Bucket, state: &ScanState) -> Option<i64> {
    let DiscoveryMode::Search { full_every } = bucket.poll else { return None };
    let searched = state.searched.filter(|it| it.count < full_every && !order.requested)?;
    Some(searched.to - SEARCH_OVERLAP.whole_milliseconds() as i64)
}

/// How far searches have come when this one ends. Written when something was found, and otherwise once an hour: until
/// then the next search looks a little further back.
fn searched_until(order: &ScanCommand, bucket: &Bucket, state: &ScanState, found: u64) -> Option<SearchProgress> {
    let DiscoveryMode::Search { .. } = bucket.poll else { return None };
    let walked = search_since(order, bucket, state).is_none();
    match state.searched {
        _ if walked => Some(SearchProgress { to: order.at, count: 1 }),
        Some(it) if found > 0 || order.at - it.to > 3_600_000 => {
            Some(SearchProgress { to: order.at, count: it.count + 1 })
        }
        other => other,
    }
}

/// Whether this page is to be listed: not while another scan holds the bucket, nor, unless a person asks for it, while
/// it is inactive or backing off.
fn should_scan(order: &ScanCommand, bucket: &Bucket, state: &ScanState, now: OffsetDateTime) -> bool {
    let is_held_by_another =
        state.running.as_ref().is_some_and(|(scan, until)| *scan != order.scan && *until > domain::millis(now));
    let is_backing_off = order.page == 0 && state.not_before > domain::millis(now);
    !is_held_by_another && (order.requested || (bucket.active && !is_backing_off))
}

async fn list_page(objects: &impl ObjectStore, order: &ScanCommand) -> Result<Listing, ObjectStoreError> {
    let listing = objects.list_page(order.token.as_deref()).await?;
    if order.page == 0 {
        objects.verify_credentials().await?;
    }
    Ok(listing)
}

async fn continue_or_complete(
    parts: &Context,
    order: ScanCommand,
    bucket: &Bucket,
    state: &mut ScanState,
    listing: Listing,
    found: u64,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let new = found;
    let (found, listed) = (order.found + found, order.listed + listing.objects.len() as u64);
    let unreadable = UnreadableObjects::plus_page(order.unreadable.clone(), &listing.errors);
    if let Some(token) = listing.next_token {
        if needs_heartbeat(&order, state, new, now) {
            if order.requested {
                let last = last_scan(&order, listed, found, None, true);
                state.last = Some(LastScan { unreadable: unreadable_count(&unreadable), ..last });
            }
            state.running = Some((order.scan.clone(), domain::millis(now + SCAN_LEASE)));
            parts.table.put_scan_state(order.app, order.bucket, state).await?;
        }
        tracing::info!(bucket = %bucket.bucket, page = order.page, "scanning {}: {listed} objects, {found} new", bucket.bucket);
        let next = ScanCommand { token: Some(token), page: order.page + 1, found, listed, unreadable, ..order };
        return Ok(parts.scan_queue.send(&next, Duration::ZERO).await?);
    }
    if (found > 0 || order.requested) && !order.dry {
        let mut data = json!({ "bucket": { "id": bucket.id, "system": bucket.system, "bucket": bucket.bucket }, "found": found, "listed": listed });
        if let Some(it) = &unreadable {
            (data["unreadable"], data["error"]) = (json!(it.count), json!(it.to_string()));
        }
        let news = [NewNotification::new("scan.completed", data)];
        parts.table.append(order.app, &Stream::App, &news, &format!("{}.end", order.scan), now).await?;
        tracing::info!(bucket = %bucket.bucket, found, listed, "scanned {}: {listed} objects, {found} new", bucket.bucket);
    }
    if let Some(it) = &unreadable {
        tracing::warn!(bucket = %bucket.bucket, unreadable = it.count, "scanned {}: {it}", bucket.bucket);
    }
    let last = order.requested.then(|| last_scan(&order, listed, found, None, false));
    let last = last.map(|it| LastScan { unreadable: unreadable_count(&unreadable), ..it });
    let searched = searched_until(&order, bucket, state, found);
    let last_error = unreadable.map(|it| it.to_string());
    let next = ScanState { last: last.or_else(|| state.last.clone()), last_error, searched, ..ScanState::default() };
    if *state != next {
        parts.table.put_scan_state(order.app, order.bucket, &next).await?;
    }
    Ok(())
}

/// Whether a scan says that it lives, which is a write: a second scan of an unchanged bucket makes none.
fn needs_heartbeat(order: &ScanCommand, state: &ScanState, new: u64, now: OffsetDateTime) -> bool {
    let elapsed = Duration::milliseconds(domain::millis(now) - order.at);
    let held = state.running.as_ref().filter(|it| it.0 == order.scan);
    let left = held.map_or(Duration::ZERO, |(_, until)| Duration::milliseconds(until - domain::millis(now)));
    if order.requested {
        let since_heartbeat = if held.is_some() { SCAN_LEASE - left } else { elapsed };
        new > 0 || since_heartbeat > PROGRESS_INTERVAL
    } else {
        elapsed > SHORT_SCAN && left < SCAN_LEASE / 3
    }
}

fn last_scan(order: &ScanCommand, listed: u64, found: u64, error: Option<String>, running: bool) -> LastScan {
    LastScan { scan: order.scan.clone(), listed, found, error, unreadable: 0, dry: order.dry, running }
}

fn unreadable_count(unreadable: &Option<UnreadableObjects>) -> u64 {
    unreadable.as_ref().map_or(0, |it| it.count)
}

/// The bucket stays active: the next scan comes after a pause that grows with each failure, and is at least as long as
/// the endpoint asks for.
async fn record_failure(
    parts: &Context,
    order: &ScanCommand,
    bucket: &Bucket,
    state: &mut ScanState,
    error: &ObjectStoreError,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let reason = error.to_string();
    tracing::warn!(bucket = %bucket.bucket, error = %reason, "could not scan {}: {reason}", bucket.bucket);
    let failures = state.failures + 1;
    let retry_after = if let ObjectStoreError::Busy { after, .. } = error { *after } else { 0 };
    let asked = Duration::seconds(i64::try_from(retry_after).unwrap_or(i64::MAX)).min(Duration::DAY);
    let not_before = now + backoff(failures).max(asked);
    let data = json!({
        "bucket": { "id": bucket.id, "system": bucket.system, "bucket": bucket.bucket },
        "error": reason, "failures": failures, "nextScanAfter": domain::rfc3339(not_before),
    });
    let write_id = format!("{}.{}.failed", order.scan, order.page);
    parts.table.append(order.app, &Stream::App, &[NewNotification::new("scan.failed", data)], &write_id, now).await?;
    let last = order.requested.then(|| last_scan(order, order.listed, order.found, Some(reason.clone()), false));
    let last = last.or_else(|| state.last.clone());
    let next = ScanState {
        running: None,
        failures,
        last_error: Some(reason),
        not_before: domain::millis(not_before),
        searched: state.searched,
        last,
    };
    parts.table.put_scan_state(order.app, order.bucket, &next).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_scan_that_finds_nothing_writes_no_sign_of_life() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::HOUR;
        let order = |requested: bool, ago: i64| ScanCommand {
            v: 1,
            app: domain::AppId::random([1; 16]),
            bucket: domain::BucketId::random([1; 16]),
            scan: "s".into(),
            requested,
            dry: false,
            token: None,
            page: 3,
            found: 0,
            listed: 3_000,
            unreadable: None,
            at: domain::millis(now - Duration::seconds(ago)),
        };
        let held = |left: Duration| ScanState {
            running: Some(("s".into(), domain::millis(now + left))),
            ..ScanState::default()
        };
        for (order, state, new, want) in [
            (order(false, 30), ScanState::default(), 9, false),
            (order(false, 90), ScanState::default(), 0, true),
            (order(false, 90), held(SCAN_LEASE), 0, false),
            (order(false, 900), held(SCAN_LEASE / 4), 0, true),
            (order(true, 5), ScanState::default(), 0, false),
            (order(true, 5), ScanState::default(), 1, true),
            (order(true, 30), held(SCAN_LEASE - Duration::seconds(5)), 0, false),
            (order(true, 30), held(SCAN_LEASE - Duration::seconds(15)), 0, true),
        ] {
            assert_eq!(needs_heartbeat(&order, &state, new, now), want, "{order:?} {state:?}");
        }
    }

    #[test]
    fn its_events_decode() {
        let event: serde_json::Value =
            serde_json::from_str(include_str!("../../../events/scan.first-page.json")).unwrap();
        let order: ScanCommand = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((order.page, order.token), (0, None));
    }
}
