//! How the stand-in fails, on request: `POST /faults` with these members; `{}` makes it well again.

use std::collections::VecDeque;

use serde::Deserialize;

/// Failures, each off by default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Faults {
    /// One in so many requests is answered with 500, after it was carried out or before it.
    pub error_every: u64,
    /// One in so many requests is answered with 429.
    pub busy_every: u64,
    /// Every answer takes so long, in milliseconds.
    pub slow_ms: u64,
    /// Every token is refused until this time, in milliseconds since 1970.
    pub refused_until: i64,
    /// One in so many webhooks is sent twice.
    pub twice_every: u64,
    /// One in so many webhooks is sent after the one that follows it.
    pub swap_every: u64,
    /// So many webhooks are never sent.
    pub lose: u64,
    /// Lists and searches show what was made so long ago, in milliseconds.
    pub lag_ms: i64,
    /// How long an upload takes to be closed, and then a proxy to be made, in milliseconds.
    pub upload_ms: u64,
    /// A failing webhook is disabled after this time, in milliseconds; Iconik's rule is 5 hours.
    pub disable_after_ms: i64,
    /// Requests that are granted in 20 seconds (Iconik grants 1000).
    pub per_20_seconds: usize,
    /// Links to media lead to this origin first, if it is not empty.
    pub redirect: String,
    #[serde(skip)]
    pub(super) requests: u64,
    #[serde(skip)]
    pub(super) webhooks_sent: u64,
    #[serde(skip)]
    pub(super) recent_requests: VecDeque<i64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            error_every: 0,
            busy_every: 0,
            slow_ms: 0,
            refused_until: 0,
            twice_every: 0,
            swap_every: 0,
            lose: 0,
            lag_ms: 200,
            upload_ms: 300,
            disable_after_ms: 5 * 3_600 * 1_000,
            per_20_seconds: 1_000,
            redirect: String::new(),
            requests: 0,
            webhooks_sent: 0,
            recent_requests: VecDeque::new(),
        }
    }
}

/// Whether the `count`th of something is one of those, one in `every`.
pub(super) fn one_in(every: u64, count: u64) -> bool {
    every > 0 && count.is_multiple_of(every)
}

impl Faults {
    /// Counts a request against the limit; answers how many are left, or `None` if there are none.
    pub(super) fn acquire(&mut self, now: i64) -> Option<usize> {
        while self.recent_requests.front().is_some_and(|it| *it < now - 20_000) {
            self.recent_requests.pop_front();
        }
        if self.recent_requests.len() >= self.per_20_seconds {
            return None;
        }
        self.recent_requests.push_back(now);
        Some(self.per_20_seconds - self.recent_requests.len())
    }
}
