//! Changes of a user's read state: seen, read, unread, archived, deleted.

use std::time::Duration;

use domain::AppId;
use domain::inbox::{InboxAction, InboxCounts, ReadState};
use domain::notification::{NotificationId, Position, Stream};
use entry::clock;
use table::{Table, TableError};
use time::OffsetDateTime;

use crate::cursor::{Cursor, CursorError};
use crate::stream_reader::{read_state_with_counts, stream_bounds};

/// Attempts of a write against others that change the same inbox.
const MAX_ATTEMPTS: u64 = 20;

/// Why a selection of notifications does not belong to an inbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    #[error("an id is none of this inbox")]
    OtherInbox,
    #[error("1 to 100 ids, or a cursor up to which")]
    Empty,
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

/// A range of sequence numbers of one epoch, both ends included.
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

/// The positions of 1 to 100 ids, or of everything up to a cursor, in a user's stream.
///
/// # Errors
/// If an id or the cursor is of another stream, or both or neither are given.
pub fn select(
    app: AppId,
    stream: &Stream,
    ids: &[String],
    up_to: Option<&str>,
) -> Result<Vec<PositionRange>, SelectionError> {
    match (up_to, ids.len()) {
        (Some(token), 0) => {
            let position = Cursor::decode(token, app, stream)?;
            Ok(vec![PositionRange { from: 1, ..position.into() }])
        }
        (None, 1..=100) => {
            let range_of = |text: &String| {
                let id: Option<NotificationId> = text.parse().ok().filter(|id: &NotificationId| id.stream == *stream);
                id.map(|id| id.position().into()).ok_or(SelectionError::OtherInbox)
            };
            ids.iter().map(range_of).collect()
        }
        _ => Err(SelectionError::Empty),
    }
}

/// What a client is told, on every transport, whose read state is full ([`TableError::Full`]).
pub const FULL: &str = "too many separate marks; mark everything up to a cursor";
/// What a client is told, on every transport, if other writers were faster at each attempt.
pub const BUSY: &str = "the inbox is changing; try again";

/// Applies an action to ranges of a user's inbox in one write. Returns the counts after it, or `None` if other writers were
/// faster at each attempt. Ranges of an epoch that has ended are ignored.
///
/// # Errors
/// If the table cannot be read or written, or the read state is full ([`TableError::Full`]).
pub async fn apply(
    table: &Table,
    app: AppId,
    user: &str,
    action: InboxAction,
    ranges: &[PositionRange],
    now: OffsetDateTime,
) -> Result<Option<InboxCounts>, TableError> {
    let stream = &Stream::User(user.to_owned());
    let change = |before: ReadState| async move {
        let mut next = before.clone();
        if let Some((oldest, newest)) = stream_bounds(table, app, stream).await? {
            for range in ranges.iter().filter(|it| it.epoch == oldest.epoch || it.epoch == newest.epoch) {
                next = next.apply(action, range.from, range.to, oldest.sequence, newest.sequence).unwrap_or(next);
            }
        }
        let changed = next != before;
        next.revision = before.revision + 1;
        Ok(changed.then_some(next))
    };
    if !update(table, app, user, change).await? {
        return Ok(None);
    }
    Ok(Some(read_state_with_counts(table, app, user, now).await?.1))
}

/// Replaces a user's read state by what `change` makes of it (compare and set on the revision, which `change` raises);
/// `None` changes nothing. `false` if other writers were faster at each attempt.
pub(crate) async fn update<F>(
    table: &Table,
    app: AppId,
    user: &str,
    change: impl Fn(ReadState) -> F,
) -> Result<bool, TableError>
where
    F: Future<Output = Result<Option<ReadState>, TableError>>,
{
    for attempt in 0..MAX_ATTEMPTS {
        let Some(next) = change(table.read_state(app, user).await?).await? else { return Ok(true) };
        if table.put_read_state(app, user, &next).await? {
            return Ok(true);
        }
        clock::pause(Duration::from_millis(attempt * 7 % 50 + 3)).await;
    }
    Ok(false)
}
