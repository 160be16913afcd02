//! Marking: seen, read, unread, archived, deleted.

use domain::AppId;
use domain::inbox::{Change, Counts, Marks};
use domain::notification::Stream;
use table::{Table, TableError};

use crate::reading::bounds;

/// Tries against others who mark the same inbox.
const TRIES: usize = 20;

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
