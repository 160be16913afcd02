//! When notifications of an inbox expire. From that moment on one counts as deleted, whoever cleans up when: the times
//! stand among the marks, so that counts need no other row.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::inbox::{ReadState, SequenceRanges};
use crate::notification::{Notification, Stream};

/// A notification that expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Its number in the inbox.
    pub number: u64,
    /// In milliseconds since 1970.
    pub at: i64,
    /// The number under which this time was told: its own, or that of the change that gave it another time.
    pub set_by: u64,
}

impl ReadState {
    /// Notes when a notification expires; a later change of it says otherwise. Answers whether that is new.
    pub fn set_expiry(&mut self, new: Expiry) -> bool {
        let existing = self.expiring.iter().position(|it| it.number == new.number);
        if self.deleted.contains(new.number) || existing.is_some_and(|it| self.expiring[it].set_by >= new.set_by) {
            return false;
        }
        if let Some(index) = existing {
            self.remove_expiries(|it| *it == index);
        }
        self.expiring.push(new);
        true
    }

    /// The marks once what has expired is deleted; `None` if nothing has.
    #[must_use]
    pub fn delete_expired(&self, now: i64) -> Option<Self> {
        let mut next = self.clone();
        for it in self.expiring.iter().filter(|it| it.at <= now) {
            next.deleted.insert(it.number, it.number);
            next.closed.insert(it.number, it.number);
        }
        next.expiring.retain(|it| it.at > now);
        let expired_count = self.expiring.len() - next.expiring.len();
        next.expired += expired_count as u64;
        next.revision += 1;
        (expired_count > 0).then_some(next)
    }

    /// Whether a notification is deleted, or has expired by `now` (in milliseconds).
    pub fn is_deleted_or_expired(&self, number: u64, now: i64) -> bool {
        self.deleted.contains(number) || self.expiring.iter().any(|it| it.number == number && it.at <= now)
    }

    /// The numbers that have expired and are not deleted yet, and how many times that has changed the counts.
    pub(crate) fn pending_expired(&self, now: i64) -> (SequenceRanges, u64) {
        let mut pending = SequenceRanges::default();
        let mut expired_count = self.expired;
        for it in self.expiring.iter().filter(|it| it.at <= now) {
            pending.insert(it.number, it.number);
            expired_count += 1;
        }
        (pending, expired_count)
    }

    /// Forgets the times of what is deleted, or lies below what is kept.
    pub(crate) fn prune_expiries(&mut self, floor: u64) {
        let stale: Vec<usize> = (0..self.expiring.len())
            .filter(|it| {
                let number = self.expiring[*it].number;
                number < floor || self.deleted.contains(number)
            })
            .collect();
        self.remove_expiries(|it| stale.contains(it));
    }

    /// What is taken out counts as if it had changed the counts: versions never fall.
    fn remove_expiries(&mut self, should_remove: impl Fn(&usize) -> bool) {
        let before = self.expiring.len();
        let mut index = 0;
        self.expiring.retain(|_| {
            index += 1;
            !should_remove(&(index - 1))
        });
        self.expired += (before - self.expiring.len()) as u64;
    }
}

impl Notification {
    /// When a notification of an inbox expires, in milliseconds, if it does.
    pub fn expires_at(&self) -> Option<i64> {
        let at = self.data.get("expiresAt").filter(|_| matches!(self.id.stream, Stream::User(_)))?;
        OffsetDateTime::parse(at.as_str()?, &Rfc3339).ok().map(crate::millis)
    }

    /// Whether it has expired: it is in no list any more.
    pub fn has_expired(&self, now: OffsetDateTime) -> bool {
        self.expires_at().is_some_and(|it| it <= crate::millis(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::InboxAction;

    fn expiry(number: u64, at: i64, by: u64) -> Expiry {
        Expiry { number, at, set_by: by }
    }

    #[test]
    fn what_expires_is_in_no_count_from_that_millisecond_on() {
        let mut marks = ReadState::default();
        assert!(marks.set_expiry(expiry(2, 1_000, 2)) && !marks.set_expiry(expiry(2, 1_000, 2)), "twice is once");
        let (before, after) = (marks.counts(1, 3, 999), marks.counts(1, 3, 1_000));
        assert_eq!((before.total, before.unread, before.unseen), (3, 3, 3));
        assert_eq!((after.total, after.unread, after.unseen), (2, 2, 2));
        assert!(after.version > before.version);
        assert!(!marks.is_deleted_or_expired(2, 999) && marks.is_deleted_or_expired(2, 1_000));
        assert_eq!(marks.delete_expired(999), None);
        let ended = marks.delete_expired(1_000).unwrap();
        assert_eq!(ended.counts(1, 3, 1_000).total, 2, "cleaned up, the counts stay");
        assert!(ended.counts(1, 3, 1_000).version > after.version && ended.expiring.is_empty());
    }

    #[test]
    fn the_last_change_says_when() {
        let mut marks = ReadState::default();
        marks.set_expiry(expiry(1, 1_000, 1));
        assert!(marks.set_expiry(expiry(1, 5_000, 4)));
        assert!(!marks.set_expiry(expiry(1, 1_000, 1)), "an older word that comes late");
        assert_eq!((marks.counts(1, 4, 4_999).total, marks.counts(1, 4, 5_000).total), (4, 3));
    }

    /// Whatever is marked and forgotten, a version never falls, at any time.
    #[test]
    fn versions_never_fall() {
        let mut marks = ReadState::default();
        for number in 1..=6 {
            marks.set_expiry(expiry(number, 100 * number as i64, number));
            marks.revision += 1;
        }
        let mut last = 0;
        let mut check = |marks: &ReadState, floor: u64, now: i64| {
            let version = marks.counts(floor, 6, now).version;
            assert!(version >= last, "{version} follows {last}");
            last = version;
        };
        check(&marks, 1, 350);
        marks = marks.apply(InboxAction::Delete, 3, 3, 1, 6).unwrap();
        assert!(!marks.set_expiry(expiry(3, 100, 3)), "what is deleted expires no more");
        check(&marks, 1, 350);
        marks = marks.delete_expired(350).unwrap();
        check(&marks, 1, 350);
        marks = marks.apply(InboxAction::Read, 6, 6, 6, 6).unwrap();
        check(&marks, 6, 450);
        assert_eq!(marks.expiring.len(), 1, "what is kept no more is forgotten");
        check(&marks, 6, 700);
    }
}
