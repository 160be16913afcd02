//! Priorities of items: 1 to 10.

/// Items of at least this priority use the priority queue.
pub const URGENT_PRIORITY: u8 = 8;

/// The default priority.
pub fn default_priority() -> u8 {
    5
}

pub(crate) fn is_default_priority(priority: &u8) -> bool {
    *priority == default_priority()
}
