//! Sets of sequence numbers as ranges.

use serde::{Deserialize, Serialize};

/// A set of sequence numbers, stored as ascending inclusive ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceRanges(Vec<(u64, u64)>);

impl SequenceRanges {
    pub fn contains(&self, number: u64) -> bool {
        let index = self.0.partition_point(|it| it.1 < number);
        self.0.get(index).is_some_and(|it| it.0 <= number)
    }

    /// Adds a range and merges it with ranges that it overlaps or touches.
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

    /// Removes a range.
    pub fn remove(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        let first = self.0.partition_point(|it| it.1 < from);
        let last = self.0.partition_point(|it| it.0 <= to);
        let mut remaining = Vec::new();
        if let Some(range) = self.0[first..last].first().filter(|it| it.0 < from) {
            remaining.push((range.0, from - 1));
        }
        if let Some(range) = self.0[first..last].last().filter(|it| it.1 > to) {
            remaining.push((to + 1, range.1));
        }
        self.0.splice(first..last.max(first), remaining);
    }

    /// The first number of the range that contains `number`, if one does.
    pub fn range_start(&self, number: u64) -> Option<u64> {
        let index = self.0.partition_point(|it| it.1 < number);
        self.0.get(index).map(|it| it.0).filter(|it| *it <= number)
    }

    /// Counts the numbers in `from..=to` that are in none of the sets.
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

    /// Delta encoding: for each range the distance from the end of the previous one, then its length minus 1. Small
    /// numbers need little space.
    pub fn to_deltas(&self) -> Vec<u64> {
        let mut at = 0;
        let deltas = self.0.iter().flat_map(|(low, high)| {
            let steps = [low - at, high - low];
            at = *high;
            steps
        });
        deltas.collect()
    }

    /// Decodes [`SequenceRanges::to_deltas`]. Everything after a delta that overflows is dropped.
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

    /// The number of ranges, which determines the size of the row.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes the numbers below the oldest one that is retained.
    pub(crate) fn prune_below(&mut self, floor: u64) {
        if floor > 0 {
            self.remove(0, floor - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The ranges hold the same numbers as a set, in the fewest ranges, whatever is inserted and removed.
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
    }
}
