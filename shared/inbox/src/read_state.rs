//! Marking: seen, read, unread, archived, deleted.

use std::time::Duration;

use domain::AppId;
use domain::inbox::{InboxAction, InboxCounts, ReadState};
use domain::notification::{NotificationId, Position, Stream};
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::connection_sender::pause;
use crate::cursor::{Cursor, CursorError};
use crate::stream_reader::{read_state_with_counts, stream_bounds};

/// Tries against others who mark the same inbox.
const MAX_ATTEMPTS: u64 = 20;

/// Why what is to be marked is none of an inbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    #[error("an id is none of this inbox")]
    OtherInbox,
    #[error("1 to 100 ids, or a cursor up to which")]
    Empty,
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

/// A range of numbers of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionRange {
    pub epoch: i64,
    pub from: u64,
    pub to: u64,
}

impl From<Position> for PositionRange {
    /// One notification.
    fn from(Position { epoch, sequence }: Position) -> Self {
        Self { epoch, from: sequence, to: sequence }
    }
}

/// What ids name, or everything up to a cursor, in a user's stream.
pub fn select(
    app: AppId,
    stream: &Stream,
    ids: &[String],
    up_to: Option<&str>,
) -> Result<Vec<PositionRange>, SelectionError> {
    match (up_to, ids.len()) {
        (Some(token), 0) => {
            let place = Cursor::decode(token, app, stream)?;
            Ok(vec![PositionRange { from: 1, ..place.into() }])
        }
        (None, 1..=100) => {
            let one = |it: &String| {
                let id: Option<NotificationId> = it.parse().ok().filter(|it: &NotificationId| it.stream == *stream);
                id.map(|it| it.position().into()).ok_or(SelectionError::OtherInbox)
            };
            ids.iter().map(one).collect()
        }
        _ => Err(SelectionError::Empty),
    }
}

/// Changes ranges of a user's inbox in one write; answers the counts after it, or `None` if others were always faster. What
/// stood there before numbers began anew is marked no more.
pub async fn apply(
    table: &Table,
    app: AppId,
    user: &str,
    change: InboxAction,
    ranges: &[PositionRange],
    now: OffsetDateTime,
) -> Result<Option<InboxCounts>, TableError> {
    let stream = Stream::User(user.to_owned());
    for attempt in 0..MAX_ATTEMPTS {
        let before = table.read_state(app, user).await?;
        let mut next: ReadState = before.clone();
        if let Some((floor, head)) = stream_bounds(table, app, &stream).await? {
            for it in ranges.iter().filter(|it| it.epoch == floor.epoch || it.epoch == head.epoch) {
                next = next.apply(change, it.from, it.to, floor.sequence, head.sequence).unwrap_or(next);
            }
        }
        if next == before {
            return Ok(Some(read_state_with_counts(table, app, user, now).await?.1));
        }
        next.revision = before.revision + 1;
        if table.put_read_state(app, user, &next).await? {
            return Ok(Some(read_state_with_counts(table, app, user, now).await?.1));
        }
        pause(Duration::from_millis(attempt * 7 % 50 + 3)).await;
    }
    Ok(None)
}
