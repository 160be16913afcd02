//! Marking: seen, read, unread, archived, deleted.

use std::time::Duration;

use domain::AppId;
use domain::inbox::{Change, Counts, Marks};
use domain::notification::{NotificationId, Place, Stream};
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::cursor::{Cursor, WrongCursor};
use crate::reading::{bounds, state};
use crate::sending::moment;

/// Tries against others who mark the same inbox.
const TRIES: u64 = 20;

/// Why what is to be marked is none of an inbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMarked {
    #[error("an id is none of this inbox")]
    Foreign,
    #[error("1 to 100 ids, or a cursor up to which")]
    Nothing,
    #[error(transparent)]
    Cursor(#[from] WrongCursor),
}

/// A range of numbers of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub epoch: i64,
    pub from: u64,
    pub to: u64,
}

impl From<Place> for Span {
    /// One notification.
    fn from(Place { epoch, sequence }: Place) -> Self {
        Self { epoch, from: sequence, to: sequence }
    }
}

/// What ids name, or everything up to a cursor, in a user's stream.
pub fn spans(app: AppId, stream: &Stream, ids: &[String], up_to: Option<&str>) -> Result<Vec<Span>, NotMarked> {
    match (up_to, ids.len()) {
        (Some(token), 0) => {
            let place = Cursor::read(token, app, stream)?;
            Ok(vec![Span { from: 1, ..place.into() }])
        }
        (None, 1..=100) => {
            let one = |it: &String| {
                let id: Option<NotificationId> = it.parse().ok().filter(|it: &NotificationId| it.stream == *stream);
                id.map(|it| it.place().into()).ok_or(NotMarked::Foreign)
            };
            ids.iter().map(one).collect()
        }
        _ => Err(NotMarked::Nothing),
    }
}

/// Changes ranges of a user's inbox in one write; answers the counts after it, or `None` if others were always faster. What
/// stood there before numbers began anew is marked no more.
pub async fn apply(
    table: &Table,
    app: AppId,
    user: &str,
    change: Change,
    spans: &[Span],
    now: OffsetDateTime,
) -> Result<Option<Counts>, TableError> {
    let stream = Stream::User(user.to_owned());
    for attempt in 0..TRIES {
        let before = table.marks(app, user).await?;
        let mut next: Marks = before.clone();
        if let Some((floor, head)) = bounds(table, app, &stream).await? {
            for it in spans.iter().filter(|it| it.epoch == floor.epoch || it.epoch == head.epoch) {
                next = next.after(change, it.from, it.to, floor.sequence, head.sequence).unwrap_or(next);
            }
        }
        if next == before {
            return Ok(Some(state(table, app, user, now).await?.1));
        }
        next.revision = before.revision + 1;
        if table.put_marks(app, user, &next).await? {
            return Ok(Some(state(table, app, user, now).await?.1));
        }
        moment(Duration::from_millis(attempt * 7 % 50 + 3)).await;
    }
    Ok(None)
}
