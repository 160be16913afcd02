//! Marking: seen, read, unread, archived, deleted.

use domain::AppId;
use domain::inbox::{Change, Counts, Marks};
use domain::notification::{NotificationId, Stream};
use table::{Table, TableError};

use crate::cursor::{Cursor, WrongCursor};
use crate::reading::bounds;

/// Tries against others who mark the same inbox.
const TRIES: usize = 20;

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

/// What ids name, or everything up to a cursor, in a user's stream.
pub fn ranges(app: AppId, stream: &Stream, ids: &[String], up_to: Option<&str>) -> Result<Vec<(u64, u64)>, NotMarked> {
    match (up_to, ids.len()) {
        (Some(token), 0) => Ok(vec![(1, Cursor::read(token, app, stream)?.sequence)]),
        (None, 1..=100) => {
            let number = |it: &String| {
                let id: Option<NotificationId> = it.parse().ok().filter(|it: &NotificationId| it.stream == *stream);
                id.map(|it| (it.sequence, it.sequence)).ok_or(NotMarked::Foreign)
            };
            ids.iter().map(number).collect()
        }
        _ => Err(NotMarked::Nothing),
    }
}

/// Changes ranges of a user's inbox in one write; answers the counts after it, or `None` if others were always faster.
pub async fn apply(
    table: &Table,
    app: AppId,
    user: &str,
    change: Change,
    ranges: &[(u64, u64)],
) -> Result<Option<Counts>, TableError> {
    let stream = Stream::User(user.to_owned());
    for _ in 0..TRIES {
        let before = table.marks(app, user).await?;
        let (floor, head) = bounds(table, app, &stream).await?;
        let mut next: Marks = before.clone();
        for (from, to) in ranges {
            next = next.after(change, *from, *to, floor, head).unwrap_or(next);
        }
        if next == before {
            return Ok(Some(before.counts(floor, head)));
        }
        next.revision = before.revision + 1;
        if table.put_marks(app, user, &next).await? {
            return Ok(Some(next.counts(floor, head)));
        }
    }
    Ok(None)
}
