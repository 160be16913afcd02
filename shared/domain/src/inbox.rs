//! A user's inbox: what of a stream was seen, read, archived, deleted, and the counts that follow from it.
//!
//! Marks are ranges of sequence numbers. A count is the stream's length without the union of some of them: exact at every
//! moment, and no row has to be changed per notification.

use serde::{Deserialize, Serialize};

use crate::AppId;
use crate::expiry::Expiry;
use crate::notification::NotificationId;

/// Sequence numbers as ranges, both ends included: ascending, apart from each other by one at least.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceRanges(Vec<(u64, u64)>);

impl SequenceRanges {
    pub fn contains(&self, number: u64) -> bool {
        let index = self.0.partition_point(|it| it.1 < number);
        self.0.get(index).is_some_and(|it| it.0 <= number)
    }

    /// Adds a range; what it touches becomes one with it.
    pub fn insert(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        let first = self.0.partition_point(|it| it.1.saturating_add(1) < from);
        let last = self.0.partition_point(|it| it.0 <= to.saturating_add(1));
        let overlapping = &self.0[first..last];
        let low = overlapping.first().map_or(from, |it| it.0.min(from));
        let high = overlapping.last().map_or(to, |it| it.1.max(to));
        self.0.splice(first..last, [(low, high)]);
    }

    /// Takes a range out.
    pub fn remove(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        let first = self.0.partition_point(|it| it.1 < from);
        let last = self.0.partition_point(|it| it.0 <= to);
        let mut remaining = Vec::new();
        if let Some(it) = self.0[first..last].first().filter(|it| it.0 < from) {
            remaining.push((it.0, from - 1));
        }
        if let Some(it) = self.0[first..last].last().filter(|it| it.1 > to) {
            remaining.push((to + 1, it.1));
        }
        self.0.splice(first..last.max(first), remaining);
    }

    /// The first number of the range that holds a number, if one does.
    pub fn range_start(&self, number: u64) -> Option<u64> {
        let index = self.0.partition_point(|it| it.1 < number);
        self.0.get(index).map(|it| it.0).filter(|it| *it <= number)
    }

    /// How many numbers of a range are in none of these sets.
    pub fn count_outside(all: &[&Self], from: u64, to: u64) -> u64 {
        if from > to {
            return 0;
        }
        let mut ranges: Vec<(u64, u64)> = all.iter().flat_map(|it| &it.0).copied().collect();
        ranges.sort_unstable();
        let (mut outside, mut next) = (0, from);
        for (low, high) in ranges {
            let low = low.min(to + 1);
            outside += low.saturating_sub(next);
            next = next.max(high.min(to) + 1);
        }
        outside + (to + 1).saturating_sub(next)
    }

    /// The ranges as steps: how far it is to the next one, how long that is, and so on. Small numbers take little room.
    pub fn to_deltas(&self) -> Vec<u64> {
        let mut at = 0;
        let deltas = self.0.iter().flat_map(|(low, high)| {
            let steps = [low - at, high - low];
            at = *high;
            steps
        });
        deltas.collect()
    }

    /// The ranges that such steps make; what follows from steps that are too long is left out.
    pub fn from_deltas(deltas: &[u64]) -> Self {
        let (mut ranges, mut at) = (Self::default(), 0_u64);
        for step in deltas.chunks_exact(2) {
            let Some(low) = at.checked_add(step[0]) else { break };
            let Some(high) = low.checked_add(step[1]) else { break };
            ranges.insert(low, high);
            at = high;
        }
        ranges
    }

    /// How many ranges there are: what a row of them costs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets what lies below the oldest number that is kept.
    fn prune_below(&mut self, floor: u64) {
        if floor > 0 {
            self.remove(0, floor - 1);
        }
    }
}

/// What a user, or whoever acts for one, does with notifications.
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

/// What was done with an inbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadState {
    /// Counts changes.
    pub revision: u64,
    pub seen: SequenceRanges,
    pub read: SequenceRanges,
    pub archived: SequenceRanges,
    pub deleted: SequenceRanges,
    /// What was ever read, archived or deleted: nothing is escalated of it any more.
    pub closed: SequenceRanges,
    /// What expires, and when.
    pub expiring: Vec<Expiry>,
    /// How many have expired and stand in `expiring` no more.
    pub expired: u64,
}

/// Counts of an inbox. A client drops those whose version is not above the ones it has (realtime, I-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxCounts {
    /// Grows with every notification, every change, and every notification that expires.
    pub version: u64,
    /// In the inbox: neither archived nor deleted.
    pub total: u64,
    pub unread: u64,
    pub unseen: u64,
}

impl ReadState {
    /// The marks after a change of a range, of which only what is kept (`floor` to `head`) counts; `None` if it changes
    /// nothing.
    #[must_use]
    pub fn apply(&self, change: InboxAction, from: u64, to: u64, floor: u64, head: u64) -> Option<Self> {
        let (from, to) = (from.max(floor), to.min(head));
        let mut next = self.clone();
        if matches!(change, InboxAction::Read | InboxAction::Archive | InboxAction::Delete) {
            next.closed.insert(from, to);
        }
        match change {
            InboxAction::Seen => next.seen.insert(from, to),
            InboxAction::Read => {
                // what is read was seen
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
        for it in [&mut next.seen, &mut next.read, &mut next.archived, &mut next.deleted, &mut next.closed] {
            it.prune_below(floor);
        }
        next.prune_expiries(floor);
        next.revision += 1;
        Some(next)
    }

    /// The counts, at `now` in milliseconds, of an inbox whose oldest notification is `floor` and whose newest is `head`;
    /// 0 and 0 if it has none.
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
}

/// The types of what is told when a notification is changed or taken back after it was sent. They stand in the same stream,
/// so that whoever catches up learns of the change by the same cursor; in lists and counts they are nothing.
pub const UPDATED: &str = "notification.updated";
pub const RETRACTED: &str = "notification.retracted";

/// Whether a type is one of a change, which nobody may send.
pub fn is_change_type(kind: &str) -> bool {
    kind == UPDATED || kind == RETRACTED
}

/// A notification in a user's inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxEntry {
    pub app: AppId,
    pub user: String,
    pub id: NotificationId,
}

/// What a user wants of one type, or of all types that begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreferenceRule {
    /// `message.received`, `message.*` or `*`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it goes to the inbox at all.
    pub in_app: bool,
    /// After so many minutes unread, the application's webhooks are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate_after_minutes: Option<u32>,
}

/// What a user wants; what no rule fits goes to the inbox, and nowhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    pub rules: Vec<PreferenceRule>,
}

impl Preferences {
    /// The rule of a type: the one that says most about it.
    pub fn rule_for(&self, kind: &str) -> Option<&PreferenceRule> {
        let matches = |it: &&PreferenceRule| match it.kind.strip_suffix('*') {
            Some(prefix) => kind.starts_with(prefix),
            None => it.kind == kind,
        };
        self.rules.iter().filter(matches).max_by_key(|it| (!it.kind.ends_with('*'), it.kind.len()))
    }
}

/// What became of an escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Escalation {
    /// It will be told if it is still unread then.
    Pending,
    /// The webhooks were told.
    #[serde(rename = "told")]
    Published,
    /// It was read, archived or deleted before.
    Cancelled,
}

impl ReadState {
    /// Whether nobody has looked after a notification yet. One that is unread again was looked after.
    pub fn is_open(&self, number: u64) -> bool {
        !self.closed.contains(number) && !self.deleted.contains(number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rule_that_says_most_holds() {
        let rule = |kind: &str, minutes| PreferenceRule {
            kind: kind.into(),
            in_app: true,
            escalate_after_minutes: Some(minutes),
        };
        let all = Preferences { rules: vec![rule("*", 1), rule("message.*", 2), rule("message.received", 3)] };
        for (kind, want) in [("message.received", 3), ("message.sent", 2), ("messages", 1), ("item", 1)] {
            assert_eq!(all.rule_for(kind).and_then(|it| it.escalate_after_minutes), Some(want), "{kind}");
        }
        assert_eq!(Preferences { rules: vec![rule("a.*", 1)] }.rule_for("b"), None);
    }

    const CHANGES: [InboxAction; 6] = [
        InboxAction::Seen,
        InboxAction::Read,
        InboxAction::Unread,
        InboxAction::Archive,
        InboxAction::Unarchive,
        InboxAction::Delete,
    ];

    proptest! {
        /// Whatever is inserted and removed, the ranges hold what a set holds, in the fewest ranges.
        #[test]
        fn ranges_are_a_set(steps in proptest::collection::vec((any::<bool>(), 1_u64..60, 0_u64..9), 1..40)) {
            let (mut ranges, mut set) = (SequenceRanges::default(), BTreeSet::new());
            for (add, from, length) in steps {
                let to = from + length;
                if add { ranges.insert(from, to); set.extend(from..=to); } else { ranges.remove(from, to); set.retain(|it| *it < from || *it > to); }
                for number in 0..80 {
                    prop_assert_eq!(ranges.contains(number), set.contains(&number), "{} in {:?}", number, ranges);
                }
                prop_assert!(ranges.0.windows(2).all(|it| it[0].1 + 1 < it[1].0), "{:?}", ranges);
                prop_assert_eq!(SequenceRanges::count_outside(&[&ranges], 5, 50), (5..=50).filter(|it| !set.contains(it)).count() as u64);
                prop_assert_eq!(&SequenceRanges::from_deltas(&ranges.to_deltas()), &ranges);
                let start = |number: u64| (1..=number).rev().take_while(|it| set.contains(it)).last();
                prop_assert!((1..80).all(|it| ranges.range_start(it) == start(it)), "{:?}", ranges);
            }
        }

        /// Counts equal a model that keeps each notification, at every version; and every change has a version of its own.
        #[test]
        fn counts_equal_a_model(steps in proptest::collection::vec((0_usize..8, 1_u64..40, 0_u64..20), 1..60)) {
            #[derive(Default, Clone)]
            struct One { seen: bool, read: bool, archived: bool, deleted: bool }
            let (mut marks, mut model, mut floor): (ReadState, Vec<One>, u64) = (ReadState::default(), Vec::new(), 1);
            let mut last: Option<InboxCounts> = None;
            for (step, from, length) in steps {
                let to = from + length;
                match CHANGES.get(step) {
                    None if step == 6 => model.push(One::default()),
                    None => floor = (floor + length / 8).min(model.len() as u64 + 1),
                    Some(change) => {
                        let head = model.len() as u64;
                        let next = marks.apply(*change, from, to, floor, head);
                        for number in from.max(floor)..=to.min(head) {
                            let it = &mut model[number as usize - 1];
                            match change {
                                InboxAction::Seen => it.seen = true,
                                InboxAction::Read => { it.read = true; it.seen = true; }
                                InboxAction::Unread => it.read = false,
                                InboxAction::Archive => it.archived = true,
                                InboxAction::Unarchive => it.archived = false,
                                InboxAction::Delete => it.deleted = true,
                            }
                        }
                        if let Some(next) = next { marks = next; }
                    }
                }
                let counts = marks.counts(floor, model.len() as u64, 0);
                let kept: Vec<&One> = model.iter().skip(floor as usize - 1).filter(|it| !it.deleted && !it.archived).collect();
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
