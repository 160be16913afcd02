//! Reading a stream from a place on: whole, or refused (realtime, R-2).

use domain::AppId;
use domain::inbox::Marks;
use domain::notification::{Notification, Place, Stream};
use table::{Table, TableError};

/// What follows a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Later {
    /// Everything that follows, up to a limit, and where that ends.
    Whole { found: Vec<Notification>, at: Place, more: bool },
    /// What follows is not all kept: everything behind `from` is.
    Gap { from: Option<Place> },
}

/// Whether everything behind a place is kept; otherwise the place behind which it is.
pub async fn gap(
    table: &Table,
    app: AppId,
    stream: &Stream,
    after: Place,
) -> Result<Option<Option<Place>>, TableError> {
    if after.sequence == 0 {
        return Ok(None); // 0 is before everything: whoever asks from there wants all that is kept, and misses nothing that it had
    }
    let floor = table.floor(app, stream).await?;
    let whole = floor.is_some_and(|it| it.epoch == after.epoch && after.sequence + 1 >= it.sequence);
    let before = |it: Place| Place { sequence: it.sequence.saturating_sub(1), ..it };
    Ok(if whole { None } else { Some(floor.map(before)) })
}

/// What follows a place, at most `limit`.
pub async fn later(
    table: &Table,
    app: AppId,
    stream: &Stream,
    after: Place,
    limit: usize,
) -> Result<Later, TableError> {
    if let Some(from) = gap(table, app, stream, after).await? {
        return Ok(Later::Gap { from });
    }
    let (mut all, mut at) = (Vec::new(), after);
    while all.len() < limit {
        let found = table.later(app, stream, at.sequence, (limit - all.len()).min(100)).await?;
        let Some(last) = found.last() else { return Ok(Later::Whole { found: all, at, more: false }) };
        at = Place { epoch: last.id.epoch, sequence: last.id.sequence };
        all.extend(found);
    }
    Ok(Later::Whole { found: all, at, more: true })
}

/// A user's unread notifications, oldest first: at most the newest `most`. With `any`, also what was read.
pub async fn unread(
    table: &Table,
    app: AppId,
    stream: &Stream,
    marks: &Marks,
    any: bool,
    most: usize,
) -> Result<Vec<Notification>, TableError> {
    let (mut to, mut all) = (u64::MAX, Vec::new());
    while all.len() < most {
        let found = table.earlier(app, stream, to, 200).await?;
        let Some(last) = found.last() else { break };
        to = last.id.sequence.saturating_sub(1);
        let fits = |it: &Notification| {
            !marks.deleted.contains(it.id.sequence) && (any || !marks.read.contains(it.id.sequence))
        };
        all.extend(found.into_iter().filter(fits));
    }
    all.truncate(most);
    all.reverse();
    Ok(all)
}

/// The oldest and the newest number of a stream; 0 and 0 if it is empty.
pub async fn bounds(table: &Table, app: AppId, stream: &Stream) -> Result<(u64, u64), TableError> {
    let Some(floor) = table.floor(app, stream).await? else { return Ok((0, 0)) };
    let head = table.head(app, stream).await?.map_or(floor.sequence, |it| it.last.sequence);
    Ok((floor.sequence, head))
}
