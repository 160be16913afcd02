//! One page of a scan: list it, store its new items, continue with the next page or complete the scan.

use domain::bucket::{Bucket, DiscoveryMode, LastScan, ScanState, SearchProgress};
use domain::command::{ScanCommand, UnreadableObjects};
use domain::notification::{NewNotification, Stream};
use domain::scanning::backoff;
use entry::{Message, MessageError};
use object_store::{Listing, ObjectStore, ObjectStoreError, open};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::context::Context;
use crate::page;

/// How long a scan holds its bucket without a heartbeat. A heartbeat is written when a third of this time is left.
const SCAN_LEASE: Duration = Duration::minutes(15);

/// A scheduled scan that ends earlier needs no lease: the next one begins after a minute at the earliest.
const SHORT_SCAN: Duration = Duration::MINUTE;

/// A requested scan stores its progress when it has found something, or after this time.
const PROGRESS_INTERVAL: Duration = Duration::seconds(10);

/// How far a search overlaps with the previous one: Swarm's index lags behind its objects (media systems, section 4.3).
const SEARCH_OVERLAP: Duration = Duration::minutes(15);

/// Handles a `ScanCommand`: lists one page, stores its new items, and sends the command for the next page or completes
/// the scan. A command whose bucket is gone or may not be scanned now is acknowledged without work.
pub(crate) async fn handle(context: &Context, now: OffsetDateTime, message: Message) -> Result<(), MessageError> {
    let command: ScanCommand = message.command("scan command")?;
    let Some(mut bucket) = context.table.bucket(command.app, command.bucket).await? else { return Ok(()) };
    if bucket.mime_types.is_empty() {
        // the bucket's own list, else the application's, else all types that the processor takes
        bucket.mime_types = context.settings.get(command.app).await?.media_types();
    }
    let mut state = context.table.scan_state(command.app, command.bucket).await?;
    if !should_scan(&command, &bucket, &state, now) {
        return Ok(());
    }
    let since = search_since(&command, &bucket, &state);
    let credentials = context.secrets.bucket_credentials(&bucket).await?;
    let opened = open(&bucket, credentials, since, now, &context.allowed_networks, context.meter.counter("media"));
    let listed = match &opened {
        Ok(store) => list_page(store, &command).await,
        Err(error) => Err(ObjectStoreError::UnexpectedResponse(error.to_string())),
    };
    match (opened, listed) {
        (Ok(store), Ok(mut listing)) => {
            let stored = match page::store(&context.table, &command, &bucket, &store, &listing.objects, now).await {
                Ok(stored) => stored,
                Err(page::PageError::Table(error)) => return Err(error.into()),
                Err(page::PageError::ObjectStore(error)) => {
                    return record_failure(context, &command, &bucket, &mut state, &error, now).await;
                }
            };
            listing.errors.extend(stored.errors);
            continue_or_complete(context, command, &bucket, &mut state, listing, stored.found, now).await
        }
        (Err(error), _) | (_, Err(error)) => record_failure(context, &command, &bucket, &mut state, &error, now).await,
    }
}

/// The earliest change that a search looks for, in milliseconds since 1970. `None` for a listing of all objects, as every
/// requested scan makes it.
fn search_since(command: &ScanCommand, bucket: &Bucket, state: &ScanState) -> Option<i64> {
    let DiscoveryMode::Search { full_every } = bucket.poll else { return None };
    let searched = state.searched.filter(|it| it.count < full_every && !command.requested)?;
    Some(searched.to - SEARCH_OVERLAP.whole_milliseconds() as i64)
}

/// The search progress to store when this scan completes. It moves when something was found, and otherwise once an hour:
/// until then the next search covers a longer time, and an unchanged bucket costs no write.
fn searched_until(command: &ScanCommand, bucket: &Bucket, state: &ScanState, found: u64) -> Option<SearchProgress> {
    let DiscoveryMode::Search { .. } = bucket.poll else { return None };
    let walked = search_since(command, bucket, state).is_none();
    match state.searched {
        _ if walked => Some(SearchProgress { to: command.at, count: 1 }),
        Some(last) if found > 0 || command.at - last.to > 3_600_000 => {
            Some(SearchProgress { to: command.at, count: last.count + 1 })
        }
        other => other,
    }
}

/// Whether this page may be listed: not while another scan holds the bucket. A scheduled scan also needs an active bucket
/// that is not backing off.
fn should_scan(command: &ScanCommand, bucket: &Bucket, state: &ScanState, now: OffsetDateTime) -> bool {
    let is_held_by_another =
        state.running.as_ref().is_some_and(|(scan, until)| *scan != command.scan && *until > domain::millis(now));
    let is_backing_off = command.page == 0 && state.not_before > domain::millis(now);
    !is_held_by_another && (command.requested || (bucket.active && !is_backing_off))
}

/// Lists the command's page, and verifies the credentials on the first one.
async fn list_page(store: &impl ObjectStore, command: &ScanCommand) -> Result<Listing, ObjectStoreError> {
    let listing = store.list_page(command.token.as_deref()).await?;
    if command.page == 0 {
        store.verify_credentials().await?;
    }
    Ok(listing)
}

/// Sends the command for the next page. On the last page, publishes `scan.completed` and stores the scan's end.
async fn continue_or_complete(
    context: &Context,
    command: ScanCommand,
    bucket: &Bucket,
    state: &mut ScanState,
    listing: Listing,
    found: u64,
    now: OffsetDateTime,
) -> Result<(), MessageError> {
    let new = found;
    let (found, listed) = (command.found + found, command.listed + listing.objects.len() as u64);
    let unreadable = UnreadableObjects::plus_page(command.unreadable.clone(), &listing.errors);
    if let Some(token) = listing.next_token {
        if needs_heartbeat(&command, state, new, now) {
            if command.requested {
                let last = last_scan(&command, listed, found, None, true);
                state.last = Some(LastScan { unreadable: unreadable_count(&unreadable), ..last });
            }
            state.running = Some((command.scan.clone(), domain::millis(now + SCAN_LEASE)));
            context.table.put_scan_state(command.app, command.bucket, state).await?;
        }
        tracing::info!(bucket = %bucket.bucket, page = command.page, "scanning {}: {listed} objects, {found} new", bucket.bucket);
        let next = ScanCommand { token: Some(token), page: command.page + 1, found, listed, unreadable, ..command };
        return Ok(context.scan_queue.send(&next, Duration::ZERO).await?);
    }
    if (found > 0 || command.requested) && !command.dry {
        let mut data = json!({ "bucket": { "id": bucket.id, "system": bucket.system, "bucket": bucket.bucket }, "found": found, "listed": listed });
        if let Some(unreadable) = &unreadable {
            (data["unreadable"], data["error"]) = (json!(unreadable.count), json!(unreadable.to_string()));
        }
        let notifications = [NewNotification::new("scan.completed", data)];
        context.table.append(command.app, &Stream::App, &notifications, &format!("{}.end", command.scan), now).await?;
        tracing::info!(bucket = %bucket.bucket, found, listed, "scanned {}: {listed} objects, {found} new", bucket.bucket);
    }
    if let Some(unreadable) = &unreadable {
        tracing::warn!(bucket = %bucket.bucket, unreadable = unreadable.count, "scanned {}: {unreadable}", bucket.bucket);
    }
    let last = command.requested.then(|| last_scan(&command, listed, found, None, false));
    let last = last.map(|it| LastScan { unreadable: unreadable_count(&unreadable), ..it });
    let searched = searched_until(&command, bucket, state, found);
    let last_error = unreadable.map(|it| it.to_string());
    let next = ScanState { last: last.or_else(|| state.last.clone()), last_error, searched, ..ScanState::default() };
    if *state != next {
        context.table.put_scan_state(command.app, command.bucket, &next).await?;
    }
    Ok(())
}

/// Whether to write a heartbeat. A repeated scan of an unchanged bucket writes none.
fn needs_heartbeat(command: &ScanCommand, state: &ScanState, new: u64, now: OffsetDateTime) -> bool {
    let elapsed = Duration::milliseconds(domain::millis(now) - command.at);
    let held = state.running.as_ref().filter(|it| it.0 == command.scan);
    let left = held.map_or(Duration::ZERO, |(_, until)| Duration::milliseconds(until - domain::millis(now)));
    if command.requested {
        let since_heartbeat = if held.is_some() { SCAN_LEASE - left } else { elapsed };
        new > 0 || since_heartbeat > PROGRESS_INTERVAL
    } else {
        elapsed > SHORT_SCAN && left < SCAN_LEASE / 3
    }
}

fn last_scan(command: &ScanCommand, listed: u64, found: u64, error: Option<String>, running: bool) -> LastScan {
    LastScan { scan: command.scan.clone(), listed, found, error, unreadable: 0, dry: command.dry, running }
}

fn unreadable_count(unreadable: &Option<UnreadableObjects>) -> u64 {
    unreadable.as_ref().map_or(0, |it| it.count)
}

/// Stores a failed scan and publishes `scan.failed`. The bucket stays active: the next scan begins after a backoff that
/// grows with each failure, and is at least as long as the endpoint's `Retry-After`, up to a day.
async fn record_failure(
    context: &Context,
    command: &ScanCommand,
    bucket: &Bucket,
    state: &mut ScanState,
    error: &ObjectStoreError,
    now: OffsetDateTime,
) -> Result<(), MessageError> {
    let reason = error.to_string();
    tracing::warn!(bucket = %bucket.bucket, error = %reason, "could not scan {}: {reason}", bucket.bucket);
    let failures = state.failures + 1;
    let retry_after = if let ObjectStoreError::Busy { retry_after, .. } = error { *retry_after } else { 0 };
    let retry_after = Duration::seconds(i64::try_from(retry_after).unwrap_or(i64::MAX)).min(Duration::DAY);
    let not_before = now + backoff(failures).max(retry_after);
    let data = json!({
        "bucket": { "id": bucket.id, "system": bucket.system, "bucket": bucket.bucket },
        "error": reason, "failures": failures, "nextScanAfter": domain::rfc3339(not_before),
    });
    let write_id = format!("{}.{}.failed", command.scan, command.page);
    context
        .table
        .append(command.app, &Stream::App, &[NewNotification::new("scan.failed", data)], &write_id, now)
        .await?;
    let last =
        command.requested.then(|| last_scan(command, command.listed, command.found, Some(reason.clone()), false));
    let last = last.or_else(|| state.last.clone());
    let next = ScanState {
        running: None,
        failures,
        last_error: Some(reason),
        not_before: domain::millis(not_before),
        searched: state.searched,
        last,
    };
    context.table.put_scan_state(command.app, command.bucket, &next).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_scan_that_finds_nothing_writes_no_sign_of_life() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::HOUR;
        let command = |requested: bool, ago: i64| ScanCommand {
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
        for (command, state, new, want) in [
            (command(false, 30), ScanState::default(), 9, false),
            (command(false, 90), ScanState::default(), 0, true),
            (command(false, 90), held(SCAN_LEASE), 0, false),
            (command(false, 900), held(SCAN_LEASE / 4), 0, true),
            (command(true, 5), ScanState::default(), 0, false),
            (command(true, 5), ScanState::default(), 1, true),
            (command(true, 30), held(SCAN_LEASE - Duration::seconds(5)), 0, false),
            (command(true, 30), held(SCAN_LEASE - Duration::seconds(15)), 0, true),
        ] {
            assert_eq!(needs_heartbeat(&command, &state, new, now), want, "{command:?} {state:?}");
        }
    }

    #[test]
    fn its_events_decode() {
        let event: serde_json::Value =
            serde_json::from_str(include_str!("../../../events/scan.first-page.json")).unwrap();
        let command: ScanCommand = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((command.page, command.token), (0, None));
    }
}
