//! Reading a stream from a place on: whole, or refused (realtime, R-2); and an inbox as it is at one moment.

use domain::AppId;
use domain::inbox::{InboxCounts, ReadState};
use domain::notification::{Notification, Position, Stream};
use futures_util::future::try_join;
use table::{Table, TableError};
use time::OffsetDateTime;

/// Looks at an inbox that changes all the time.
const MAX_ATTEMPTS: usize = 5;
/// Notifications of one look at what is unread.
const PAGE_SIZE: usize = 200;

/// What follows a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Replay {
    /// Everything that follows, up to a limit, and where that ends.
    Complete { notifications: Vec<Notification>, end: Position, more: bool },
    /// What follows is not all kept: everything behind `from` is.
    Gap { from: Option<Position> },
}

/// Whether everything behind a place is kept; otherwise the place behind which it is.
pub async fn find_gap(
    table: &Table,
    app: AppId,
    stream: &Stream,
    after: Position,
) -> Result<Option<Option<Position>>, TableError> {
    if after.sequence == 0 {
        return Ok(None); // 0 is before everything: whoever asks from there wants all that is kept, and misses nothing that it had
    }
    Ok(gap_within(stream_bounds(table, app, stream).await?, after))
}

/// The decision of `gap`. A place of another epoch, or one that the stream has not come to, is of a stream that is no more
/// (its rows expired, or the table was restored): numbers like its own are other notifications now.
fn gap_within(bounds: Option<(Position, Position)>, after: Position) -> Option<Option<Position>> {
    let Some((floor, head)) = bounds else { return Some(None) };
    // rows of an epoch that has ended may be there for some days, before those of the new one
    let known = after.epoch == floor.epoch || after.epoch == head.epoch && after.sequence >= floor.sequence;
    let whole = known && after.sequence >= floor.sequence.saturating_sub(1) && after.sequence <= head.sequence;
    if whole { None } else { Some(Some(Position { sequence: floor.sequence.saturating_sub(1), ..floor })) }
}

/// What follows a place, at most `limit`.
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
    let (mut all, mut at) = (Vec::new(), after);
    while all.len() < limit {
        let found = table.notifications_after(app, stream, at.sequence, (limit - all.len()).min(100)).await?;
        let Some(last) = found.last() else { return Ok(Replay::Complete { notifications: all, end: at, more: false }) };
        at = last.id.position();
        all.extend(found);
    }
    Ok(Replay::Complete { notifications: all, end: at, more: true })
}

/// A user's unread notifications, oldest first: at most the newest `most`. With `any`, also what was read. What was read
/// together is passed over without a look.
pub async fn list_unread(
    table: &Table,
    app: AppId,
    stream: &Stream,
    marks: &ReadState,
    include_read: bool,
    limit: usize,
    now: OffsetDateTime,
) -> Result<Vec<Notification>, TableError> {
    let head = table.head(app, stream).await?.map_or(0, |it| it.last.sequence);
    let (mut to, mut all) = (head, Vec::new());
    while all.len() < limit {
        let passed =
            |it: u64| marks.deleted.range_start(it).or_else(|| marks.read.range_start(it).filter(|_| !include_read));
        while let Some(start) = passed(to) {
            to = start.saturating_sub(1);
        }
        let found = if to == 0 { Vec::new() } else { table.notifications_up_to(app, stream, to, PAGE_SIZE).await? };
        let Some(last) = found.last() else { break };
        to = last.id.sequence.saturating_sub(1);
        all.extend(found.into_iter().filter(|it| passed(it.id.sequence).is_none() && !it.has_expired(now)));
    }
    all.truncate(limit);
    all.reverse();
    Ok(all)
}

/// The oldest and the newest place of a stream; `None` if it is empty.
pub async fn stream_bounds(
    table: &Table,
    app: AppId,
    stream: &Stream,
) -> Result<Option<(Position, Position)>, TableError> {
    let (floor, head) = try_join(table.oldest_position(app, stream), table.head(app, stream)).await?;
    Ok(floor.zip(head.map(|it| it.last)))
}

/// A user's marks and the counts that follow, as they were together at one moment: two clients that have the same version
/// have the same counts. What has expired by `at` counts no more.
pub async fn read_state_with_counts(
    table: &Table,
    app: AppId,
    user: &str,
    at: OffsetDateTime,
) -> Result<(ReadState, InboxCounts), TableError> {
    let stream = Stream::User(user.to_owned());
    let mut marks = table.read_state(app, user).await?;
    let mut attempts = 0;
    loop {
        let (floor, head) =
            stream_bounds(table, app, &stream).await?.map_or((0, 0), |it| (it.0.sequence, it.1.sequence));
        let now = table.read_state(app, user).await?;
        attempts += 1;
        if now.revision == marks.revision || attempts == MAX_ATTEMPTS {
            let counts = now.counts(floor, head, domain::millis(at));
            return Ok((now, counts));
        }
        marks = now;
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
