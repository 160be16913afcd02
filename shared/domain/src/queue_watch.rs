//! Which queues are stuck: messages are due in them, and nobody takes them, or too few are taken.
//!
//! It is decided by counts. The age of the oldest message also grows while a message waits on purpose. SQS counts apart what
//! is delayed and what is being worked on (Amazon SQS, `GetQueueAttributes`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::schedule::HALF_TICK;

/// How often the queues are looked at.
const LOOK_INTERVAL: Duration = Duration::minutes(5);
/// A queue that does not get on for this time, so at three looks or four, is stuck.
const STUCK_AFTER_MS: i64 = 600_000;
/// Fewer messages than these are no backlog while some are being worked on.
const BACKLOG: u64 = 1_000;

/// The counts of a queue. SQS's counts may be up to a minute old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages that may be taken.
    pub due: u64,
    /// Messages that are being worked on.
    pub taken: u64,
}

/// A look at the queues.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLook {
    /// When it was, in milliseconds since 1970.
    pub at: i64,
    /// The queues that do not get on, by their names.
    pub slow: BTreeMap<String, SlowQueue>,
}

/// A queue that does not get on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowQueue {
    /// The look at which that was first so, in milliseconds since 1970.
    pub since: i64,
    /// How many messages were due at the last look.
    pub due: u64,
}

impl QueueLook {
    /// Whether it is time for the next look.
    pub fn is_old(&self, now: OffsetDateTime) -> bool {
        now >= crate::from_millis(self.at) + LOOK_INTERVAL - HALF_TICK
    }

    /// The next look. A queue does not get on where messages are due and none is being worked on, or where there is a
    /// backlog that is not smaller than at this look.
    #[must_use]
    pub fn next(&self, now: OffsetDateTime, depths: &BTreeMap<String, QueueDepth>) -> Self {
        let at = crate::millis(now);
        let slow = depths.iter().filter_map(|(name, depth)| {
            let before = self.slow.get(name);
            let nobody = depth.due > 0 && depth.taken == 0;
            let grows = depth.due >= BACKLOG && before.is_none_or(|it| depth.due >= it.due);
            (nobody || grows)
                .then(|| (name.clone(), SlowQueue { since: before.map_or(at, |it| it.since), due: depth.due }))
        });
        Self { at, slow: slow.collect() }
    }

    /// The queues that are stuck.
    pub fn stuck(&self) -> Vec<&str> {
        let stuck = self.slow.iter().filter(|it| self.at - it.1.since >= STUCK_AFTER_MS);
        stuck.map(|it| it.0.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every five minutes, and says at which of them the queue is stuck.
    fn stuck_at(depths: &[(u64, u64)]) -> Vec<usize> {
        let (mut look, mut stuck) = (QueueLook::default(), Vec::new());
        for (index, &(due, taken)) in depths.iter().enumerate() {
            let now = OffsetDateTime::UNIX_EPOCH + LOOK_INTERVAL * u32::try_from(index + 1).unwrap();
            assert!(look.is_old(now));
            look = look.next(now, &[("webhook".to_owned(), QueueDepth { due, taken })].into());
            assert!(!look.is_old(now + LOOK_INTERVAL / 2));
            if look.stuck() == ["webhook"] {
                stuck.push(index);
            }
        }
        stuck
    }

    #[test]
    fn a_queue_is_stuck_where_nobody_takes_what_is_due_or_a_backlog_does_not_shrink() {
        for (what, depths, want) in [
            ("idle", &[(0, 0), (0, 0), (0, 0), (0, 0)][..], &[][..]),
            ("all wait on purpose, and are not due", &[(0, 0), (0, 5), (0, 0), (0, 0)][..], &[][..]),
            ("nobody takes them", &[(0, 0), (3, 0), (3, 0), (3, 0), (4, 0)][..], &[3, 4][..]),
            ("they are taken", &[(3, 1), (2, 1), (3, 1), (3, 2)][..], &[][..]),
            ("one was taken meanwhile", &[(3, 0), (3, 0), (2, 1), (3, 0), (3, 0)][..], &[][..]),
            ("a backlog grows", &[(5_000, 50), (6_000, 50), (6_000, 50), (7_000, 50)][..], &[2, 3][..]),
            ("a backlog shrinks", &[(9_000, 50), (8_000, 50), (7_000, 50), (6_000, 50)][..], &[][..]),
            ("it is over", &[(3, 0), (3, 0), (3, 0), (0, 1), (3, 0)][..], &[2][..]),
        ] {
            assert_eq!(stuck_at(depths), want, "{what}");
        }
    }
}
