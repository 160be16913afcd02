//! Actions of a client, the same in the native protocol and SignalR: resume, acknowledge, change the read state.

use domain::AppId;
use domain::inbox::{InboxAction, ReadState};
use domain::notification::{Position, Stream};
use domain::socket::Connection;
use entry::clock;
use inbox::connection_sender::SendOutcome;
use inbox::dto::resource_path;
use inbox::frame::Frame;
use inbox::native_protocol::Cursors;
use inbox::stream_reader::{Replay, read_state_with_counts, replay};
use inbox::{CountsOut, Cursor, CursorError, read_state};
use table::TableError;
use time::OffsetDateTime;

use crate::context::Context;
use crate::error::SocketError;

/// Notifications of one stream that one `resume` sends: they fit well into the time of an invocation.
const MAX_REPLAYED: usize = 1_000;
/// Refused cursors that an answer names.
const MAX_REFUSED_CURSORS: usize = 50;
/// Characters of a refused cursor that an answer names.
const MAX_CURSOR_CHARS: usize = 512;
/// Characters of a device's name.
const MAX_DEVICE_NAME: usize = 64;

/// What a client did wrong, as it is sent to the client.
pub(crate) type ClientError = String;

/// The answer to a change on a connection that only receives.
const READ_ONLY: &str = "the ticket of this connection is for reading alone";

/// The positions after which a connection's streams are sent.
pub(crate) struct ResumePositions {
    /// `None`: from the newest notification on.
    streams: Vec<(Stream, Option<Position>)>,
    /// Cursors of streams that the connection does not have.
    pub(crate) refused: Vec<String>,
}

/// Cursors after which nothing can be resumed.
pub(crate) struct ResumeError {
    pub(crate) reason: CursorError,
    pub(crate) refused: Vec<String>,
}

/// The positions after which a connection's streams are sent: of the cursors, else of the device's last acknowledgement. A
/// cursor of another stream among valid ones is skipped: the user may have left a group meanwhile, and misses nothing of the
/// others. A text that is no cursor could be of any stream, so that nothing is resumed: a recovery is complete or refused
/// (realtime, R-2).
pub(crate) async fn resume_positions(
    context: &Context,
    connection: &Connection,
    cursors: &Cursors,
    device: Option<&str>,
) -> Result<Result<ResumePositions, ResumeError>, SocketError> {
    let app = connection.member.app;
    let mut positions = match positions_from_cursors(app, connection.streams(), cursors) {
        Ok(positions) => positions,
        Err(error) => return Ok(Err(error)),
    };
    if let (Some(device), [(Stream::User(user), position @ None), ..]) = (device, positions.streams.as_mut_slice()) {
        *position = context.table.device_position(app, user, device).await?;
    }
    Ok(Ok(positions))
}

fn positions_from_cursors(app: AppId, streams: Vec<Stream>, cursors: &Cursors) -> Result<ResumePositions, ResumeError> {
    let mut positions =
        ResumePositions { streams: streams.iter().map(|it| (it.clone(), None)).collect(), refused: Vec::new() };
    for token in cursors.list() {
        match Cursor::decode_any(token, app, &streams) {
            Ok((stream, position)) => {
                positions.streams.iter_mut().filter(|it| it.0 == stream).for_each(|it| it.1 = Some(position));
            }
            Err(CursorError::OtherStream)
                if positions.refused.len() < MAX_REFUSED_CURSORS && !positions.refused.contains(token) =>
            {
                positions.refused.push(token.clone());
            }
            Err(CursorError::OtherStream) => {}
            Err(reason) => {
                return Err(ResumeError { reason, refused: vec![token.chars().take(MAX_CURSOR_CHARS).collect()] });
            }
        }
    }
    if !positions.refused.is_empty() && positions.streams.iter().all(|it| it.1.is_none()) {
        return Err(ResumeError { reason: CursorError::OtherStream, refused: positions.refused });
    }
    Ok(positions)
}

/// Sends what follows the positions, then subscribes the connection, then sends what was stored meanwhile. Returns the last
/// frame, with a cursor per stream.
pub(crate) async fn resume(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    positions: ResumePositions,
    send: impl AsyncFn(Frame) -> Result<SendOutcome, SocketError>,
) -> Result<Frame, SocketError> {
    let app = connection.member.app;
    let ResumePositions { mut streams, refused } = positions;
    let user_read_state = context.table.read_state(app, &connection.member.user).await?;
    for (stream, position) in &mut streams {
        if position.is_none() {
            // read before the subscription, so that everything after it is sent
            let head = context.table.head(app, stream).await?.map(|it| it.last);
            *position = Some(head.unwrap_or(Position { epoch: 0, sequence: 0 }));
        }
    }
    let mut more = false;
    for subscribed in [false, true] {
        if subscribed {
            context.table.subscribe(connection, now).await?;
        }
        for (stream, position) in &mut streams {
            let Some(after) = *position else { continue };
            match replay(&context.table, app, stream, after, MAX_REPLAYED).await? {
                Replay::Gap { from } => {
                    let cursor = from.map(|it| Cursor::encode(app, stream, it));
                    let href = resource_path(stream, None);
                    send(Frame::Gap { stream: stream.to_string(), from: cursor, href }).await?;
                    *position = None;
                }
                Replay::Complete { notifications, end, more: has_more } => {
                    let untracked = ReadState::default();
                    let read_state = if matches!(stream, Stream::User(_)) { &user_read_state } else { &untracked };
                    let frame = Frame::notifications(app, stream, &notifications, read_state, clock::now());
                    if !notifications.is_empty() && send(frame).await? != SendOutcome::Accepted {
                        more = true; // the socket is slow or gone: a client that is there resumes again
                        break;
                    }
                    more |= has_more;
                    *position = Some(end);
                }
            }
        }
        if more {
            break; // no subscription before the client has caught up
        }
    }
    if !more {
        // changes on other devices meanwhile
        let user = &connection.member.user;
        let (read_state, counts) = read_state_with_counts(&context.table, app, user, clock::now()).await?;
        send(Frame::read_state(user, &read_state, counts)).await?;
    }
    let cursor_of = |(stream, position): &(Stream, Option<Position>)| Some(Cursor::encode(app, stream, (*position)?));
    let cursors = streams.iter().filter_map(cursor_of).collect();
    Ok(Frame::Resumed { cursors, more, refused })
}

/// Stores the position that a device has acknowledged in the user's stream.
pub(crate) async fn ack(
    context: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    token: &str,
    device: &str,
) -> Result<Result<(), ClientError>, SocketError> {
    let member = &connection.member;
    if member.read_only {
        return Ok(Err(READ_ONLY.to_owned()));
    }
    if device.is_empty() || device.chars().count() > MAX_DEVICE_NAME {
        return Ok(Err(format!("a device's name has 1 to {MAX_DEVICE_NAME} characters")));
    }
    match Cursor::decode(token, member.app, &Stream::User(member.user.clone())) {
        Ok(position) => {
            context.table.put_device_position(member.app, &member.user, device, position, now).await?;
            Ok(Ok(()))
        }
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// Changes the read state of notifications, by ids or up to a cursor. Returns the counts after it.
pub(crate) async fn change_read_state(
    context: &Context,
    connection: &Connection,
    action: InboxAction,
    ids: &[String],
    up_to: Option<&str>,
) -> Result<Result<CountsOut, ClientError>, SocketError> {
    let member = &connection.member;
    if member.read_only {
        return Ok(Err(READ_ONLY.to_owned()));
    }
    let stream = Stream::User(member.user.clone());
    let ranges = match read_state::select(member.app, &stream, ids, up_to) {
        Ok(ranges) => ranges,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let outcome = read_state::apply(&context.table, member.app, &member.user, action, &ranges, clock::now()).await;
    let counts = match outcome {
        Err(TableError::Full { .. }) => return Ok(Err(read_state::FULL.to_owned())),
        counts => counts?,
    };
    Ok(counts.map(CountsOut::from).ok_or_else(|| read_state::BUSY.to_owned()))
}

/// The newest cursor of each stream of a connection: a client that is behind has missed something (realtime, R-5).
pub(crate) async fn heads(context: &Context, connection: &Connection) -> Result<Vec<String>, SocketError> {
    let app = connection.member.app;
    let mut cursors = Vec::new();
    for stream in connection.streams() {
        if let Some(head) = context.table.head(app, &stream).await? {
            cursors.push(Cursor::encode(app, &stream, head.last));
        }
    }
    Ok(cursors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_another_stream_is_set_aside_and_the_others_count() {
        let (app, other_app) = (AppId::random([1; 16]), AppId::random([2; 16]));
        let (user, left) = (Stream::User("jane".into()), Stream::Group("left".into()));
        let position = Position { epoch: 1, sequence: 7 };
        let streams = || vec![user.clone(), Stream::Everyone];
        let at = |app: AppId, stream: &Stream| Cursor::encode(app, stream, position);
        let (own, left_group, other) = (at(app, &user), at(app, &left), at(other_app, &user));
        let many = |all: &[&String]| Cursors::Many(all.iter().map(|it| (*it).clone()).collect());
        let read =
            |cursors: &Cursors| positions_from_cursors(app, streams(), cursors).map(|it| (it.streams, it.refused));
        let resumed = vec![(user.clone(), Some(position)), (Stream::Everyone, None)];
        for (cursors, refused) in [
            (many(&[&own]), vec![]),
            (many(&[&own, &left_group]), vec![left_group.clone()]),
            (many(&[&left_group, &other, &own, &left_group]), vec![left_group.clone(), other.clone()]),
        ] {
            assert_eq!(read(&cursors).ok(), Some((resumed.clone(), refused)));
        }
        // nothing is left to resume from: the error, as ever
        for cursors in [Cursors::One(left_group.clone()), many(&[&left_group])] {
            let Err(error) = read(&cursors) else { panic!("{cursors:?} is taken") };
            assert_eq!((error.reason, error.refused), (CursorError::OtherStream, vec![left_group.clone()]));
        }
        let Err(error) = read(&many(&[&own, &"nonsense".to_owned()])) else { panic!("it is taken") };
        assert!(matches!(error.reason, CursorError::Invalid(_)) && error.refused == ["nonsense"]);
    }
}
