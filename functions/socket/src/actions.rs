//! What a user does on a socket, in whatever protocol: resume, acknowledge, mark.

use domain::AppId;
use domain::inbox::{InboxAction, ReadState};
use domain::notification::{Position, Stream};
use domain::socket::Connection;
use entry::clock;
use inbox::connection_sender::SendOutcome;
use inbox::dto::resource_path;
use inbox::frame::Frame;
use inbox::stream_reader::{Replay, read_state_with_counts, replay};
use inbox::{CountsOut, Cursor, CursorError, read_state};
use serde::Deserialize;
use table::TableError;
use time::OffsetDateTime;

use crate::handler::{Context, SocketError};

/// Notifications of one stream that one `resume` tells at most: so many fit well into an invocation.
const MAX_REPLAYED: usize = 1_000;
/// Refused cursors that are named at most, and their letters.
const MAX_REFUSED_CURSORS: usize = 50;
const MAX_CURSOR_CHARS: usize = 512;
/// A device's name at most.
const MAX_DEVICE_NAME: usize = 64;

/// One cursor, or one per stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Cursors {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Cursors {
    fn list(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(it) => std::slice::from_ref(it),
            Self::Many(all) => all,
        }
    }
}

/// What a user did wrong, as it is told.
pub(crate) type ClientError = String;

/// From where on each of a connection's streams is wanted.
pub(crate) struct ResumePositions {
    /// `None`: from now on.
    streams: Vec<(Stream, Option<Position>)>,
    /// Cursors of streams that are not the connection's.
    pub(crate) refused: Vec<String>,
}

/// Cursors with which nothing can be resumed.
pub(crate) struct ResumeError {
    pub(crate) why: CursorError,
    pub(crate) refused: Vec<String>,
}

/// Reads from where on a connection's streams are wanted. A cursor of another stream among good ones is set aside: the
/// user may have left a group meanwhile, and misses nothing of the others. Text that is no cursor could be any stream's,
/// so that nothing is resumed: a recovery is complete or refused (realtime, R-2).
pub(crate) async fn resume_positions(
    parts: &Context,
    connection: &Connection,
    cursors: &Cursors,
    device: Option<&str>,
) -> Result<Result<ResumePositions, ResumeError>, SocketError> {
    let app = connection.member.app;
    let mut places = match positions_from_cursors(app, connection.streams(), cursors) {
        Ok(it) => it,
        Err(wrong) => return Ok(Err(wrong)),
    };
    if let (Some(device), [(Stream::User(user), place @ None), ..]) = (device, places.streams.as_mut_slice()) {
        *place = parts.table.device_position(app, user, device).await?;
    }
    Ok(Ok(places))
}

fn positions_from_cursors(app: AppId, streams: Vec<Stream>, cursors: &Cursors) -> Result<ResumePositions, ResumeError> {
    let mut places =
        ResumePositions { streams: streams.iter().map(|it| (it.clone(), None)).collect(), refused: Vec::new() };
    for token in cursors.list() {
        match Cursor::decode_any(token, app, &streams) {
            Ok((stream, place)) => {
                places.streams.iter_mut().filter(|it| it.0 == stream).for_each(|it| it.1 = Some(place));
            }
            Err(CursorError::OtherStream)
                if places.refused.len() < MAX_REFUSED_CURSORS && !places.refused.contains(token) =>
            {
                places.refused.push(token.clone());
            }
            Err(CursorError::OtherStream) => {}
            Err(why) => return Err(ResumeError { why, refused: vec![token.chars().take(MAX_CURSOR_CHARS).collect()] }),
        }
    }
    if !places.refused.is_empty() && places.streams.iter().all(|it| it.1.is_none()) {
        return Err(ResumeError { why: CursorError::OtherStream, refused: places.refused });
    }
    Ok(places)
}

/// Tells what follows these places, then makes the connection live, then tells what came meanwhile. Answers the last frame:
/// where each stream stands.
pub(crate) async fn resume(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    places: ResumePositions,
    tell: impl AsyncFn(Frame) -> Result<SendOutcome, SocketError>,
) -> Result<Frame, SocketError> {
    let app = connection.member.app;
    let ResumePositions { streams: mut places, refused } = places;
    let marks = parts.table.read_state(app, &connection.member.user).await?;
    for (stream, place) in &mut places {
        if place.is_none() {
            // read before the connection is live: whatever comes later is told
            let head = parts.table.head(app, stream).await?.map(|it| it.last);
            *place = Some(head.unwrap_or(Position { epoch: 0, sequence: 0 }));
        }
    }
    let mut more = false;
    for live in [false, true] {
        if live {
            parts.table.subscribe(connection, now).await?;
        }
        for (stream, place) in &mut places {
            let Some(after) = *place else { continue };
            match replay(&parts.table, app, stream, after, MAX_REPLAYED).await? {
                Replay::Gap { from } => {
                    let cursor = from.map(|it| Cursor::encode(app, stream, it));
                    let href = resource_path(stream, None);
                    tell(Frame::Gap { stream: stream.to_string(), from: cursor, href }).await?;
                    *place = None;
                }
                Replay::Complete { notifications: found, end: at, more: left } => {
                    let none = ReadState::default();
                    let marks = if matches!(stream, Stream::User(_)) { &marks } else { &none };
                    if !found.is_empty()
                        && tell(Frame::notifications(app, stream, &found, marks, clock::now())).await?
                            != SendOutcome::Accepted
                    {
                        more = true; // the socket is slow or gone: whoever is there asks again
                        break;
                    }
                    more |= left;
                    *place = Some(at);
                }
            }
        }
        if more {
            break; // not live before it has caught up
        }
    }
    if !more {
        // what was done on other devices meanwhile
        let user = &connection.member.user;
        let (marks, counts) = read_state_with_counts(&parts.table, app, user, clock::now()).await?;
        tell(Frame::read_state(user, &marks, counts)).await?;
    }
    let cursors = places.iter().filter_map(|(stream, it)| it.map(|it| Cursor::encode(app, stream, it))).collect();
    Ok(Frame::Resumed { cursors, more, refused })
}

/// Keeps how far a device has come.
pub(crate) async fn ack(
    parts: &Context,
    now: OffsetDateTime,
    connection: &Connection,
    token: &str,
    device: &str,
) -> Result<Result<(), ClientError>, SocketError> {
    let member = &connection.member;
    if device.is_empty() || device.chars().count() > MAX_DEVICE_NAME {
        return Ok(Err(format!("a device's name has 1 to {MAX_DEVICE_NAME} characters")));
    }
    match Cursor::decode(token, member.app, &Stream::User(member.user.clone())) {
        Ok(place) => {
            parts.table.put_device_position(member.app, &member.user, device, place, now).await?;
            Ok(Ok(()))
        }
        Err(why) => Ok(Err(why.to_string())),
    }
}

/// Marks notifications of the user, by their ids or up to a cursor; answers the counts after it.
pub(crate) async fn mark(
    parts: &Context,
    connection: &Connection,
    change: InboxAction,
    ids: &[String],
    up_to: Option<&str>,
) -> Result<Result<CountsOut, ClientError>, SocketError> {
    let member = &connection.member;
    let stream = Stream::User(member.user.clone());
    let spans = match read_state::select(member.app, &stream, ids, up_to) {
        Ok(spans) => spans,
        Err(why) => return Ok(Err(why.to_string())),
    };
    let marked = read_state::apply(&parts.table, member.app, &member.user, change, &spans, clock::now()).await;
    let counts = match marked {
        Err(TableError::Full { .. }) => return Ok(Err("too many separate marks; mark up to a cursor".to_owned())),
        counts => counts?,
    };
    Ok(counts.map(CountsOut::from).ok_or_else(|| "the inbox is changing; try again".to_owned()))
}

/// Where each stream of a connection stands: whoever is behind missed something (realtime, R-5).
pub(crate) async fn heads(parts: &Context, connection: &Connection) -> Result<Vec<String>, SocketError> {
    let app = connection.member.app;
    let mut cursors = Vec::new();
    for stream in connection.streams() {
        if let Some(head) = parts.table.head(app, &stream).await? {
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
        let (app, stranger) = (AppId::random([1; 16]), AppId::random([2; 16]));
        let (user, left) = (Stream::User("jane".into()), Stream::Group("left".into()));
        let place = Position { epoch: 1, sequence: 7 };
        let streams = || vec![user.clone(), Stream::Everyone];
        let at = |app: AppId, stream: &Stream| Cursor::encode(app, stream, place);
        let (own, foreign, other) = (at(app, &user), at(app, &left), at(stranger, &user));
        let many = |all: &[&String]| Cursors::Many(all.iter().map(|it| (*it).clone()).collect());
        let read =
            |cursors: &Cursors| positions_from_cursors(app, streams(), cursors).map(|it| (it.streams, it.refused));
        let resumed = vec![(user.clone(), Some(place)), (Stream::Everyone, None)];
        for (cursors, refused) in [
            (many(&[&own]), vec![]),
            (many(&[&own, &foreign]), vec![foreign.clone()]),
            (many(&[&foreign, &other, &own, &foreign]), vec![foreign.clone(), other.clone()]),
        ] {
            assert_eq!(read(&cursors).ok(), Some((resumed.clone(), refused)));
        }
        // nothing is left to resume from: the error, as ever
        for cursors in [Cursors::One(foreign.clone()), many(&[&foreign])] {
            let Err(wrong) = read(&cursors) else { panic!("{cursors:?} is taken") };
            assert_eq!((wrong.why, wrong.refused), (CursorError::OtherStream, vec![foreign.clone()]));
        }
        let Err(wrong) = read(&many(&[&own, &"nonsense".to_owned()])) else { panic!("it is taken") };
        assert!(matches!(wrong.why, CursorError::Invalid(_)) && wrong.refused == ["nonsense"]);
    }
}
