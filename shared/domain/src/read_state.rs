//! The read state of an inbox, and the counts that follow from it.
//!
//! The read state consists of ranges of sequence numbers. A count is the length of the stream minus the union of some
//! of these ranges: it is always exact, and no row has to change per notification.
//!
//! An expired notification counts as deleted from its expiry time on, even before it is deleted. The expiry times are
//! part of the read state, so that counts need no other row.

use serde::{Deserialize, Serialize};

use crate::expiry::Expiry;
use crate::sequence_ranges::SequenceRanges;

/// An action of a user, or on behalf of one, on notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InboxAction {
    Seen,
    Read,
    Unread,
    Archive,
    Unarchive,
    Delete,
}

/// The read state of an inbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadState {
    /// Version for optimistic locking.
    pub revision: u64,
    pub seen: SequenceRanges,
    pub read: SequenceRanges,
    pub archived: SequenceRanges,
    pub deleted: SequenceRanges,
    /// Notifications that were ever read, archived or deleted: they are not escalated any more.
    pub closed: SequenceRanges,
    /// Expiry times of notifications that are not deleted yet.
    pub expiring: Vec<Expiry>,
    /// How many expiries have been removed from `expiring`.
    pub expired: u64,
}

/// Counts of an inbox. Clients ignore counts whose version is not higher than the last one they received (realtime,
/// I-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxCounts {
    /// Increases with each notification, each action, and each notification that expires.
    pub version: u64,
    /// Notifications that are neither archived nor deleted.
    pub total: u64,
    pub unread: u64,
    pub unseen: u64,
}

impl ReadState {
    /// The state after an action on `from..=to`, limited to the retained notifications (`floor` to `head`); `None` if
    /// nothing changes.
    #[must_use]
    pub fn apply(&self, action: InboxAction, from: u64, to: u64, floor: u64, head: u64) -> Option<Self> {
        let (from, to) = (from.max(floor), to.min(head));
        let mut next = self.clone();
        if matches!(action, InboxAction::Read | InboxAction::Archive | InboxAction::Delete) {
            next.closed.insert(from, to);
        }
        match action {
            InboxAction::Seen => next.seen.insert(from, to),
            InboxAction::Read => {
                // what was read was also seen
                next.read.insert(from, to);
                next.seen.insert(from, to);
            }
            InboxAction::Unread => next.read.remove(from, to),
            InboxAction::Archive => next.archived.insert(from, to),
            InboxAction::Unarchive => next.archived.remove(from, to),
            InboxAction::Delete => next.deleted.insert(from, to),
        }
        if next == *self {
            return None;
        }
        for ranges in [&mut next.seen, &mut next.read, &mut next.archived, &mut next.deleted, &mut next.closed] {
            ranges.prune_below(floor);
        }
        next.prune_expiries(floor);
        next.revision += 1;
        Some(next)
    }

    /// The counts at `now` (milliseconds) of an inbox whose oldest retained notification is `floor` and whose newest is
    /// `head`. Both are 0 for an empty inbox.
    pub fn counts(&self, floor: u64, head: u64, now: i64) -> InboxCounts {
        let (pending, expired_count) = self.pending_expired(now);
        let excluded = [&self.deleted, &self.archived, &pending];
        let first = floor.max(1);
        InboxCounts {
            version: head + self.revision + floor.saturating_sub(1) + expired_count,
            total: SequenceRanges::count_outside(&excluded, first, head),
            unread: SequenceRanges::count_outside(&[excluded[0], excluded[1], excluded[2], &self.read], first, head),
            unseen: SequenceRanges::count_outside(&[excluded[0], excluded[1], excluded[2], &self.seen], first, head),
        }
    }

    /// Whether nobody has acted on a notification yet. Marking it unread again counts as acting on it.
    pub fn is_open(&self, number: u64) -> bool {
        !self.closed.contains(number) && !self.deleted.contains(number)
    }
}

impl ReadState {
    /// Sets when a notification expires. A later change overrides an earlier one. Returns whether the state changed.
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

    /// The state after all notifications that have expired by `now` (milliseconds) are deleted; `None` if none have.
    #[must_use]
    pub fn delete_expired(&self, now: i64) -> Option<Self> {
        let mut next = self.clone();
        for expiry in self.expiring.iter().filter(|it| it.at <= now) {
            next.deleted.insert(expiry.number, expiry.number);
            next.closed.insert(expiry.number, expiry.number);
        }
        next.expiring.retain(|it| it.at > now);
        let expired_count = self.expiring.len() - next.expiring.len();
        next.expired += expired_count as u64;
        next.revision += 1;
        (expired_count > 0).then_some(next)
    }

    /// Whether a notification is deleted or has expired by `now` (milliseconds).
    pub fn is_deleted_or_expired(&self, number: u64, now: i64) -> bool {
        self.deleted.contains(number) || self.expiring.iter().any(|it| it.number == number && it.at <= now)
    }

    /// The notifications that have expired by `now` and are not deleted yet, and how many expiries have changed the
    /// counts so far.
    fn pending_expired(&self, now: i64) -> (SequenceRanges, u64) {
        let mut pending = SequenceRanges::default();
        let mut expired_count = self.expired;
        for expiry in self.expiring.iter().filter(|it| it.at <= now) {
            pending.insert(expiry.number, expiry.number);
            expired_count += 1;
        }
        (pending, expired_count)
    }

    /// Removes the expiries of notifications that are deleted or older than `floor`.
    fn prune_expiries(&mut self, floor: u64) {
        let stale: Vec<usize> = (0..self.expiring.len())
            .filter(|index| {
                let number = self.expiring[*index].number;
                number < floor || self.deleted.contains(number)
            })
            .collect();
        self.remove_expiries(|it| stale.contains(it));
    }

    /// Removes expiries. Each counts as a change of the counts, so that versions never decrease.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACTIONS: [InboxAction; 6] = [
        InboxAction::Seen,
        InboxAction::Read,
        InboxAction::Unread,
        InboxAction::Archive,
        InboxAction::Unarchive,
        InboxAction::Delete,
    ];

    fn expiry(number: u64, at: i64, by: u64) -> Expiry {
        Expiry { number, at, set_by: by }
    }

    #[test]
    fn what_expires_is_in_no_count_from_that_millisecond_on() {
        let mut read_state = ReadState::default();
        assert!(
            read_state.set_expiry(expiry(2, 1_000, 2)) && !read_state.set_expiry(expiry(2, 1_000, 2)),
            "twice is once"
        );
        let (before, after) = (read_state.counts(1, 3, 999), read_state.counts(1, 3, 1_000));
        assert_eq!((before.total, before.unread, before.unseen), (3, 3, 3));
        assert_eq!((after.total, after.unread, after.unseen), (2, 2, 2));
        assert!(after.version > before.version);
        assert!(!read_state.is_deleted_or_expired(2, 999) && read_state.is_deleted_or_expired(2, 1_000));
        assert_eq!(read_state.delete_expired(999), None);
        let ended = read_state.delete_expired(1_000).unwrap();
        assert_eq!(ended.counts(1, 3, 1_000).total, 2, "cleaned up, the counts stay");
        assert!(ended.counts(1, 3, 1_000).version > after.version && ended.expiring.is_empty());
    }

    #[test]
    fn the_last_change_says_when() {
        let mut read_state = ReadState::default();
        read_state.set_expiry(expiry(1, 1_000, 1));
        assert!(read_state.set_expiry(expiry(1, 5_000, 4)));
        assert!(!read_state.set_expiry(expiry(1, 1_000, 1)), "an older word that comes late");
        assert_eq!((read_state.counts(1, 4, 4_999).total, read_state.counts(1, 4, 5_000).total), (4, 3));
    }

    /// Versions never decrease, whatever is marked and removed, at any time.
    #[test]
    fn versions_never_fall() {
        let mut read_state = ReadState::default();
        for number in 1..=6 {
            read_state.set_expiry(expiry(number, 100 * number as i64, number));
            read_state.revision += 1;
        }
        let mut last = 0;
        let mut check = |read_state: &ReadState, floor: u64, now: i64| {
            let version = read_state.counts(floor, 6, now).version;
            assert!(version >= last, "{version} follows {last}");
            last = version;
        };
        check(&read_state, 1, 350);
        read_state = read_state.apply(InboxAction::Delete, 3, 3, 1, 6).unwrap();
        assert!(!read_state.set_expiry(expiry(3, 100, 3)), "what is deleted expires no more");
        check(&read_state, 1, 350);
        read_state = read_state.delete_expired(350).unwrap();
        check(&read_state, 1, 350);
        read_state = read_state.apply(InboxAction::Read, 6, 6, 6, 6).unwrap();
        check(&read_state, 6, 450);
        assert_eq!(read_state.expiring.len(), 1, "what is kept no more is forgotten");
        check(&read_state, 6, 700);
    }

    proptest! {
        /// Counts equal a model that stores each notification, at each version, and each change has its own version.
        #[test]
        fn counts_equal_a_model(steps in proptest::collection::vec((0_usize..8, 1_u64..40, 0_u64..20), 1..60)) {
            #[derive(Default, Clone)]
            struct Entry { seen: bool, read: bool, archived: bool, deleted: bool }
            let (mut read_state, mut model, mut floor): (ReadState, Vec<Entry>, u64) = (ReadState::default(), Vec::new(), 1);
            let mut last: Option<InboxCounts> = None;
            for (step, from, length) in steps {
                let to = from + length;
                match ACTIONS.get(step) {
                    None if step == 6 => model.push(Entry::default()),
                    None => floor = (floor + length / 8).min(model.len() as u64 + 1),
                    Some(action) => {
                        let head = model.len() as u64;
                        let next = read_state.apply(*action, from, to, floor, head);
                        for number in from.max(floor)..=to.min(head) {
                            let entry = &mut model[number as usize - 1];
                            match action {
                                InboxAction::Seen => entry.seen = true,
                                InboxAction::Read => { entry.read = true; entry.seen = true; }
                                InboxAction::Unread => entry.read = false,
                                InboxAction::Archive => entry.archived = true,
                                InboxAction::Unarchive => entry.archived = false,
                                InboxAction::Delete => entry.deleted = true,
                            }
                        }
                        if let Some(next) = next { read_state = next; }
                    }
                }
                let counts = read_state.counts(floor, model.len() as u64, 0);
                let kept: Vec<&Entry> = model.iter().skip(floor as usize - 1).filter(|it| !it.deleted && !it.archived).collect();
                let unread = kept.iter().filter(|it| !it.read).count() as u64;
                let unseen = kept.iter().filter(|it| !it.seen).count() as u64;
                prop_assert_eq!((counts.total, counts.unread, counts.unseen), (kept.len() as u64, unread, unseen));
                if let Some(last) = last.filter(|it| *it != counts) {
                    prop_assert!(counts.version > last.version, "{:?} follows {:?}", counts, last);
                }
                last = Some(counts);
            }
        }
    }
}
