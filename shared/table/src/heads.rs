//! The ends of streams as this environment knows them, so that a writer need not read where the next notification goes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::AppId;
use domain::notification::{Head, Stream};
use time::OffsetDateTime;

/// Streams that are remembered; beyond it all are forgotten.
const MAX_STREAMS: usize = 10_000;
/// So many reads in a row have to confirm that nobody else writes to a stream before its end is not read any more: a put at
/// a number that is taken costs a write unit, ten times as much as the read that would have shown it.
const CONFIRMATIONS: u32 = 10;

/// What is known of a stream.
struct Remembered {
    head: Head,
    /// Reads in a row that showed what was remembered.
    confirmed: u32,
}

/// The ends of streams, by application.
#[derive(Default)]
pub(crate) struct Heads(Mutex<HashMap<(AppId, Stream), Remembered>>);

impl Heads {
    /// The end of a stream, if this environment has been its only writer for a while.
    pub(crate) fn get(&self, app: AppId, stream: &Stream, now: OffsetDateTime) -> Option<Head> {
        let all = self.lock();
        let remembered = all.get(&(app, stream.clone()))?;
        (remembered.confirmed >= CONFIRMATIONS && remembered.head.expires > now).then_some(remembered.head)
    }

    /// Compares the end that was read with the one that is remembered.
    pub(crate) fn confirm(&self, app: AppId, stream: &Stream, read: Option<Head>) {
        if let Some(remembered) = self.lock().get_mut(&(app, stream.clone())) {
            let same = read.is_some_and(|read| read.last == remembered.head.last);
            remembered.confirmed = if same { remembered.confirmed + 1 } else { 0 };
        }
    }

    /// Remembers the end of a stream after a write of our own.
    pub(crate) fn remember(&self, app: AppId, stream: &Stream, head: Head) {
        let mut all = self.lock();
        if all.len() >= MAX_STREAMS {
            all.clear();
        }
        let remembered = all.entry((app, stream.clone())).or_insert(Remembered { head, confirmed: 0 });
        remembered.head = head;
    }

    /// Another writer was faster.
    pub(crate) fn forget(&self, app: AppId, stream: &Stream) {
        self.lock().remove(&(app, stream.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(AppId, Stream), Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use domain::notification::Position;
    use time::Duration;

    use super::*;

    #[test]
    fn an_end_is_read_until_nobody_else_has_written_for_a_while() {
        let (heads, app, stream) = (Heads::default(), AppId::random([1; 16]), Stream::App);
        let at = |seconds: i64| OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds);
        let head = |sequence: u64| Head { last: Position { epoch: 1, sequence }, expires: at(100) };
        heads.remember(app, &stream, head(1));
        for sequence in 1..=10 {
            assert_eq!(heads.get(app, &stream, at(0)), None, "{sequence}");
            heads.confirm(app, &stream, Some(head(sequence)));
            heads.remember(app, &stream, head(sequence + 1));
        }
        assert_eq!(heads.get(app, &stream, at(99)), Some(head(11)));
        assert_eq!((heads.get(app, &stream, at(100)), heads.get(app, &Stream::Everyone, at(0))), (None, None));
        heads.forget(app, &stream);
        heads.remember(app, &stream, head(13));
        assert_eq!(heads.get(app, &stream, at(0)), None, "another writer came");
        heads.confirm(app, &stream, Some(head(14)));
        assert_eq!(heads.get(app, &stream, at(0)), None);
    }
}
