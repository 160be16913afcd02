//! The ends of streams as this environment knows them, so that a writer need not read where the next notification goes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::AppId;
use domain::notification::{Head, Stream};
use time::{Duration, OffsetDateTime};

/// Streams that are remembered; beyond it all are forgotten.
const MAX_STREAMS: usize = 10_000;
/// How long a stream's end is read before each write after another writer was faster: a put at a number that is taken costs
/// a write unit, a read half a read unit.
const CONTENDED: Duration = Duration::seconds(10);

/// What is known of a stream.
enum Remembered {
    Head(Head),
    /// Other writers take its numbers, too, until this time.
    ContendedUntil(OffsetDateTime),
}

/// The ends of streams, by application.
#[derive(Default)]
pub(crate) struct Heads(Mutex<HashMap<(AppId, Stream), Remembered>>);

impl Heads {
    /// The end of a stream, if this environment was its only writer of late.
    pub(crate) fn get(&self, app: AppId, stream: &Stream, now: OffsetDateTime) -> Option<Head> {
        match self.lock().get(&(app, stream.clone()))? {
            Remembered::Head(head) if head.expires > now => Some(*head),
            _ => None,
        }
    }

    /// Remembers the end of a stream after a write of our own; `undisturbed` if it was stored at the first try.
    pub(crate) fn remember(&self, app: AppId, stream: &Stream, head: Head, undisturbed: bool, now: OffsetDateTime) {
        let mut all = self.lock();
        let key = (app, stream.clone());
        let contended = matches!(all.get(&key), Some(Remembered::ContendedUntil(until)) if *until > now);
        if !undisturbed || contended {
            return;
        }
        if all.len() >= MAX_STREAMS {
            all.clear();
        }
        all.insert(key, Remembered::Head(head));
    }

    /// Another writer was faster.
    pub(crate) fn forget(&self, app: AppId, stream: &Stream, now: OffsetDateTime) {
        self.lock().insert((app, stream.clone()), Remembered::ContendedUntil(now + CONTENDED));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(AppId, Stream), Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use domain::notification::Position;

    use super::*;

    #[test]
    fn an_end_is_remembered_until_another_writer_comes_or_it_expires() {
        let (heads, app, stream) = (Heads::default(), AppId::random([1; 16]), Stream::App);
        let at = |seconds: i64| OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds);
        let head = |sequence: u64| Head { last: Position { epoch: 1, sequence }, expires: at(100) };
        heads.remember(app, &stream, head(7), true, at(0));
        assert_eq!(heads.get(app, &stream, at(99)), Some(head(7)));
        assert_eq!(heads.get(app, &stream, at(100)), None);
        assert_eq!(heads.get(app, &Stream::Everyone, at(0)), None);
        heads.forget(app, &stream, at(1));
        heads.remember(app, &stream, head(9), true, at(2));
        assert_eq!(heads.get(app, &stream, at(2)), None, "two writers");
        heads.remember(app, &stream, head(20), true, at(12));
        assert_eq!(heads.get(app, &stream, at(12)), Some(head(20)));
        heads.remember(app, &stream, head(21), false, at(13));
        assert_eq!(heads.get(app, &stream, at(13)), Some(head(20)), "the put that failed has made it forget already");
    }
}
