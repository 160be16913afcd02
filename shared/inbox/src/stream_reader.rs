//! Reads streams: replays what follows a position, completely or not at all (realtime, R-2), and takes a consistent
//! snapshot of an inbox.

use domain::AppId;
use domain::inbox::{InboxCounts, ReadState};
use domain::notification::{Notification, Position, Stream};
use futures_util::future::try_join;
use table::{Table, TableError};
use time::OffsetDateTime;

/// Attempts at a consistent snapshot of an inbox that keeps changing.
const MAX_ATTEMPTS: usize = 5;
/// Notifications that one query for unread ones reads.
const PAGE_SIZE: usize = 200;

/// What follows a position.
#[derive(Debug, Clone, PartialEq)]
pub enum Replay {
    /// Everything that follows, up to a limit. `end` is the last position; `more` says that the limit was reached.
    Complete { notifications: Vec<Notification>, end: Position, more: bool },
    /// Some of what follows is no longer stored. Everything after `from` is; `None` if the stream is empty.
    Gap { from: Option<Position> },
}

/// `None` if everything after a position is still stored; otherwise the position after which everything is (`Some(None)` if
/// the stream is empty).
///
/// # Errors
/// If the table cannot be read.
pub async fn find_gap(
    table: &Table,
    app: AppId,
    stream: &Stream,
    after: Position,
) -> Result<Option<Option<Position>>, TableError> {
    if after.sequence == 0 {
        return Ok(None); // 0 precedes everything: the client has read nothing yet, so it misses nothing
    }
    Ok(gap_within(stream_bounds(table, app, stream).await?, after))
}

/// The decision of [`find_gap`]. A position of another epoch, or one beyond the newest, belongs to an earlier life of the
/// stream (its rows expired, or the table was restored): the same numbers are other notifications now.
fn gap_within(bounds: Option<(Position, Position)>, after: Position) -> Option<Option<Position>> {
    let Some((oldest, newest)) = bounds else { return Some(None) };
    // DynamoDB may delete rows of an ended epoch some days late (TTL): they precede those of the new one
    let known = after.epoch == oldest.epoch || after.epoch == newest.epoch && after.sequence >= oldest.sequence;
    let complete = known && after.sequence >= oldest.sequence.saturating_sub(1) && after.sequence <= newest.sequence;
    if complete { None } else { Some(Some(Position { sequence: oldest.sequence.saturating_sub(1), ..oldest })) }
}

/// What follows a position, at most `limit` notifications.
///
/// # Errors
/// If the table cannot be read.
pub async fn replay(
    table: &Table,
    app: AppId,
    stream: &Stream,
    after: Position,
    limit: usize,
) -> Result<Replay, TableError> {
    if let Some(from) = find_gap(table, app, stream, after).await? {
        return Ok(Replay::Gap { from });
    }
    let (mut notifications, mut end) = (Vec::new(), after);
    while notifications.len() < limit {
        let page = table.notifications_after(app, stream, end.sequence, (limit - notifications.len()).min(100)).await?;
        let Some(last) = page.last() else { return Ok(Replay::Complete { notifications, end, more: false }) };
        end = last.id.position();
        notifications.extend(page);
    }
    Ok(Replay::Complete { notifications, end, more: true })
}

/// A user's unread notifications, oldest first: the newest `limit` of them. With `include_read` also the read ones. Ranges
/// that were read together are skipped without reading their rows.
///
/// # Errors
/// If the table cannot be read.
pub async fn list_unread(
    table: &Table,
    app: AppId,
    stream: &Stream,
    read_state: &ReadState,
    include_read: bool,
    limit: usize,
    now: OffsetDateTime,
) -> Result<Vec<Notification>, TableError> {
    let head = table.head(app, stream).await?.map_or(0, |it| it.last.sequence);
    let (mut to, mut all) = (head, Vec::new());
    while all.len() < limit {
        let skipped_from = |sequence: u64| {
            let read = || read_state.read.range_start(sequence).filter(|_| !include_read);
            read_state.deleted.range_start(sequence).or_else(read)
        };
        while let Some(start) = skipped_from(to) {
            to = start.saturating_sub(1);
        }
        let page = if to == 0 { Vec::new() } else { table.notifications_up_to(app, stream, to, PAGE_SIZE).await? };
        let Some(last) = page.last() else { break };
        to = last.id.sequence.saturating_sub(1);
        all.extend(page.into_iter().filter(|it| skipped_from(it.id.sequence).is_none() && !it.has_expired(now)));
    }
    all.truncate(limit);
    all.reverse();
    Ok(all)
}

/// The oldest and the newest position of a stream; `None` if it is empty.
///
/// # Errors
/// If the table cannot be read.
pub async fn stream_bounds(
    table: &Table,
    app: AppId,
    stream: &Stream,
) -> Result<Option<(Position, Position)>, TableError> {
    let (oldest, head) = try_join(table.oldest_position(app, stream), table.head(app, stream)).await?;
    Ok(oldest.zip(head.map(|it| it.last)))
}

/// A user's read state and the counts that belong to it, a snapshot of one moment: two clients with the same version have the
/// same counts. Notifications that have expired by `at` are not counted.
///
/// # Errors
/// If the table cannot be read.
pub async fn read_state_with_counts(
    table: &Table,
    app: AppId,
    user: &str,
    at: OffsetDateTime,
) -> Result<(ReadState, InboxCounts), TableError> {
    let stream = Stream::User(user.to_owned());
    let mut before = table.read_state(app, user).await?;
    let mut attempts = 0;
    loop {
        let bounds = stream_bounds(table, app, &stream).await?;
        let (oldest, newest) = bounds.map_or((0, 0), |it| (it.0.sequence, it.1.sequence));
        let after = table.read_state(app, user).await?;
        attempts += 1;
        if after.revision == before.revision || attempts == MAX_ATTEMPTS {
            let counts = after.counts(oldest, newest, domain::millis(at));
            return Ok((after, counts));
        }
        before = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_whole_within_what_is_kept_and_nowhere_else() {
        let at = |(epoch, sequence)| Position { epoch, sequence };
        let (whole, gap) = (None, Some(Some(at((1, 4)))));
        for (kept, after, want) in [
            (((1, 5), (1, 9)), (1, 4), whole),
            (((1, 5), (1, 9)), (1, 9), whole),
            (((1, 5), (1, 9)), (1, 3), gap),
            (((1, 5), (1, 9)), (1, 10), gap),
            (((1, 5), (1, 9)), (1, u64::MAX), gap),
            (((1, 5), (1, 9)), (2, 7), gap),
            // the first rows have expired, and are still there
            (((1, 5), (2, 9)), (2, 8), whole),
            (((1, 5), (2, 9)), (2, 3), gap),
        ] {
            assert_eq!(gap_within(Some((at(kept.0), at(kept.1))), at(after)), want, "{kept:?} {after:?}");
        }
        assert_eq!(gap_within(None, at((1, 3))), Some(None));
    }
}
