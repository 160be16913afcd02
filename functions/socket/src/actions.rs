//! What a user does on a socket, in whatever protocol: resume, acknowledge, mark.

use domain::inbox::{Change, Marks};
use domain::notification::{Place, Stream};
use domain::socket::Connection;
use entry::clock;
use inbox::frame::Frame;
use inbox::reading::{Later, later, state};
use inbox::sending::Sent;
use inbox::shown::path;
use inbox::{CountsOut, Cursor, marking};
use serde::Deserialize;
use table::TableError;
use time::OffsetDateTime;

use crate::handler::{Parts, Trouble};

/// Notifications of one stream that one `resume` tells at most: so many fit well into an invocation.
const MOST: usize = 1_000;
/// A device's name at most.
const MOST_DEVICE: usize = 64;

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
pub(crate) type Refused = String;

/// From where on each of a connection's streams is wanted; `None`: from now on.
pub(crate) async fn places(
    parts: &Parts,
    connection: &Connection,
    cursors: &Cursors,
    device: Option<&str>,
) -> Result<Result<Vec<(Stream, Option<Place>)>, Refused>, Trouble> {
    let (app, streams) = (connection.member.app, connection.streams());
    let mut places: Vec<(Stream, Option<Place>)> = streams.iter().map(|it| (it.clone(), None)).collect();
    for token in cursors.list() {
        match Cursor::among(token, app, &streams) {
            Ok((stream, place)) => {
                if let Some(it) = places.iter_mut().find(|it| it.0 == stream) {
                    it.1 = Some(place);
                }
            }
            Err(why) => return Ok(Err(why.to_string())),
        }
    }
    if let (Some(device), [(Stream::User(user), place @ None), ..]) = (device, places.as_mut_slice()) {
        *place = parts.table.acked(app, user, device).await?;
    }
    Ok(Ok(places))
}

/// Tells what follows these places, then makes the connection live, then tells what came meanwhile. Answers the last frame:
/// where each stream stands.
pub(crate) async fn resume(
    parts: &Parts,
    now: OffsetDateTime,
    connection: &Connection,
    mut places: Vec<(Stream, Option<Place>)>,
    tell: impl AsyncFn(Frame) -> Result<Sent, Trouble>,
) -> Result<Frame, Trouble> {
    let app = connection.member.app;
    let marks = parts.table.marks(app, &connection.member.user).await?;
    for (stream, place) in &mut places {
        if place.is_none() {
            // read before the connection is live: whatever comes later is told
            let head = parts.table.head(app, stream).await?.map(|it| it.last);
            *place = Some(head.unwrap_or(Place { epoch: 0, sequence: 0 }));
        }
    }
    let mut more = false;
    for live in [false, true] {
        if live {
            parts.table.put_receiver(connection, now).await?;
        }
        for (stream, place) in &mut places {
            let Some(after) = *place else { continue };
            match later(&parts.table, app, stream, after, MOST).await? {
                Later::Gap { from } => {
                    let cursor = from.map(|it| Cursor::at(app, stream, it));
                    let href = path(stream, None);
                    tell(Frame::Gap { stream: stream.to_string(), from: cursor, href }).await?;
                    *place = None;
                }
                Later::Whole { found, at, more: left } => {
                    let none = Marks::default();
                    let marks = if matches!(stream, Stream::User(_)) { &marks } else { &none };
                    if !found.is_empty()
                        && tell(Frame::notifications(app, stream, &found, marks, clock::now())).await? != Sent::Done
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
        let (marks, counts) = state(&parts.table, app, user, clock::now()).await?;
        tell(Frame::marks(user, &marks, counts)).await?;
    }
    let cursors = places.iter().filter_map(|(stream, it)| it.map(|it| Cursor::at(app, stream, it))).collect();
    Ok(Frame::Resumed { cursors, more })
}

/// Keeps how far a device has come.
pub(crate) async fn ack(
    parts: &Parts,
    now: OffsetDateTime,
    connection: &Connection,
    token: &str,
    device: &str,
) -> Result<Result<(), Refused>, Trouble> {
    let member = &connection.member;
    if device.is_empty() || device.chars().count() > MOST_DEVICE {
        return Ok(Err(format!("a device's name has 1 to {MOST_DEVICE} characters")));
    }
    match Cursor::read(token, member.app, &Stream::User(member.user.clone())) {
        Ok(place) => {
            parts.table.put_acked(member.app, &member.user, device, place, now).await?;
            Ok(Ok(()))
        }
        Err(why) => Ok(Err(why.to_string())),
    }
}

/// Marks notifications of the user, by their ids or up to a cursor; answers the counts after it.
pub(crate) async fn mark(
    parts: &Parts,
    connection: &Connection,
    change: Change,
    ids: &[String],
    up_to: Option<&str>,
) -> Result<Result<CountsOut, Refused>, Trouble> {
    let member = &connection.member;
    let stream = Stream::User(member.user.clone());
    let spans = match marking::spans(member.app, &stream, ids, up_to) {
        Ok(spans) => spans,
        Err(why) => return Ok(Err(why.to_string())),
    };
    let marked = marking::apply(&parts.table, member.app, &member.user, change, &spans, clock::now()).await;
    let counts = match marked {
        Err(TableError::Full { .. }) => return Ok(Err("too many separate marks; mark up to a cursor".to_owned())),
        counts => counts?,
    };
    Ok(counts.map(CountsOut::from).ok_or_else(|| "the inbox is changing; try again".to_owned()))
}

/// Where each stream of a connection stands: whoever is behind missed something (realtime, R-5).
pub(crate) async fn heads(parts: &Parts, connection: &Connection) -> Result<Vec<String>, Trouble> {
    let app = connection.member.app;
    let mut cursors = Vec::new();
    for stream in connection.streams() {
        if let Some(head) = parts.table.head(app, &stream).await? {
            cursors.push(Cursor::at(app, &stream, head.last));
        }
    }
    Ok(cursors)
}
