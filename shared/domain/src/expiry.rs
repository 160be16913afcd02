//! When notifications of an inbox expire. From that moment on one counts as deleted, whoever cleans up when: the times
//! stand among the marks, so that counts need no other row.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::inbox::{Marks, Ranges};
use crate::notification::{Notification, Stream};

/// A notification that expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Its number in the inbox.
    pub number: u64,
    /// In milliseconds since 1970.
    pub at: i64,
    /// The number under which this time was told: its own, or that of the change that gave it another time.
    pub by: u64,
}

impl Marks {
    /// Notes when a notification expires; a later change of it says otherwise. Answers whether that is new.
    pub fn expires(&mut self, new: Expiry) -> bool {
        let there = self.expiring.iter().position(|it| it.number == new.number);
        if self.deleted.contains(new.number) || there.is_some_and(|it| self.expiring[it].by >= new.by) {
            return false;
        }
        if let Some(place) = there {
            self.drop_expiry(|it| *it == place);
        }
        self.expiring.push(new);
        true
    }

    /// The marks once what has expired is deleted; `None` if nothing has.
    #[must_use]
    pub fn ended(&self, now: i64) -> Option<Self> {
        let mut next = self.clone();
        for it in self.expiring.iter().filter(|it| it.at <= now) {
            next.deleted.insert(it.number, it.number);
            next.closed.insert(it.number, it.number);
        }
        next.expiring.retain(|it| it.at > now);
        let ended = self.expiring.len() - next.expiring.len();
        next.expired += ended as u64;
        next.revision += 1;
        (ended > 0).then_some(next)
    }

    /// Whether a notification is deleted, or has expired by `now` (in milliseconds).
    pub fn is_gone(&self, number: u64, now: i64) -> bool {
        self.deleted.contains(number) || self.expiring.iter().any(|it| it.number == number && it.at <= now)
    }

    /// The numbers that have expired and are not deleted yet, and how many times that has changed the counts.
    pub(crate) fn over(&self, now: i64) -> (Ranges, u64) {
        let mut over = Ranges::default();
        let mut times = self.expired;
        for it in self.expiring.iter().filter(|it| it.at <= now) {
            over.insert(it.number, it.number);
            times += 1;
        }
        (over, times)
    }

    /// Forgets the times of what is deleted, or lies below what is kept.
    pub(crate) fn forget_expiries(&mut self, floor: u64) {
        let gone: Vec<usize> = (0..self.expiring.len())
            .filter(|it| {
                let number = self.expiring[*it].number;
                number < floor || self.deleted.contains(number)
            })
            .collect();
        self.drop_expiry(|it| gone.contains(it));
    }

    /// What is taken out counts as if it had changed the counts: versions never fall.
    fn drop_expiry(&mut self, which: impl Fn(&usize) -> bool) {
        let before = self.expiring.len();
        let mut place = 0;
        self.expiring.retain(|_| {
            place += 1;
            !which(&(place - 1))
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
    use crate::inbox::Change;

    fn expiry(number: u64, at: i64, by: u64) -> Expiry {
        Expiry { number, at, by }
    }

    #[test]
    fn what_expires_is_in_no_count_from_that_millisecond_on() {
        let mut marks = Marks::default();
        assert!(marks.expires(expiry(2, 1_000, 2)) && !marks.expires(expiry(2, 1_000, 2)), "twice is once");
        let (before, after) = (marks.counts(1, 3, 999), marks.counts(1, 3, 1_000));
        assert_eq!((before.total, before.unread, before.unseen), (3, 3, 3));
        assert_eq!((after.total, after.unread, after.unseen), (2, 2, 2));
        assert!(after.version > before.version);
        assert!(!marks.is_gone(2, 999) && marks.is_gone(2, 1_000));
        assert_eq!(marks.ended(999), None);
        let ended = marks.ended(1_000).unwrap();
        assert_eq!(ended.counts(1, 3, 1_000).total, 2, "cleaned up, the counts stay");
        assert!(ended.counts(1, 3, 1_000).version > after.version && ended.expiring.is_empty());
    }

    #[test]
    fn the_last_change_says_when() {
        let mut marks = Marks::default();
        marks.expires(expiry(1, 1_000, 1));
        assert!(marks.expires(expiry(1, 5_000, 4)));
        assert!(!marks.expires(expiry(1, 1_000, 1)), "an older word that comes late");
        assert_eq!((marks.counts(1, 4, 4_999).total, marks.counts(1, 4, 5_000).total), (4, 3));
    }

    /// Whatever is marked and forgotten, a version never falls, at any time.
    #[test]
    fn versions_never_fall() {
        let mut marks = Marks::default();
        for number in 1..=6 {
            marks.expires(expiry(number, 100 * number as i64, number));
            marks.revision += 1;
        }
        let mut last = 0;
        let mut check = |marks: &Marks, floor: u64, now: i64| {
            let version = marks.counts(floor, 6, now).version;
            assert!(version >= last, "{version} follows {last}");
            last = version;
        };
        check(&marks, 1, 350);
        marks = marks.after(Change::Delete, 3, 3, 1, 6).unwrap();
        assert!(!marks.expires(expiry(3, 100, 3)), "what is deleted expires no more");
        check(&marks, 1, 350);
        marks = marks.ended(350).unwrap();
        check(&marks, 1, 350);
        marks = marks.after(Change::Read, 6, 6, 6, 6).unwrap();
        check(&marks, 6, 450);
        assert_eq!(marks.expiring.len(), 1, "what is kept no more is forgotten");
        check(&marks, 6, 700);
    }
}
