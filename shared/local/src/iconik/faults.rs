//! Faults that tests and users switch on: `POST /faults` with these members. `{}` switches all off.

use std::collections::VecDeque;

use serde::Deserialize;

/// The faults, each off by default, and what they count.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Faults {
    /// One in so many requests is answered with 500, before or after it was carried out.
    pub error_every: u64,
    /// One in so many requests is answered with 429.
    pub busy_every: u64,
    /// Every response is delayed by so many milliseconds.
    pub slow_ms: u64,
    /// Every token is refused (401) until this time, in milliseconds since 1970.
    pub refused_until: i64,
    /// One in so many webhook events is delivered twice.
    pub twice_every: u64,
    /// One in so many webhook events is delivered after the one that follows it.
    pub swap_every: u64,
    /// The next so many webhook events are not delivered.
    pub lose: u64,
    /// Lists and searches show an object so many milliseconds after its creation.
    pub lag_ms: i64,
    /// How long an upload takes until it is closed, and then again until its proxy exists, in milliseconds.
    pub upload_ms: u64,
    /// A webhook that has failed for so many milliseconds is disabled. Iconik disables it after 5 hours.
    pub disable_after_ms: i64,
    /// Requests in 20 seconds, at most. Iconik allows 1000.
    pub per_20_seconds: usize,
    /// Signed URLs are redirected to this origin first, unless it is empty.
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

/// Whether the `count`th of something is affected, if one in `every` is; 0 means none.
pub(super) fn one_in(every: u64, count: u64) -> bool {
    every > 0 && count.is_multiple_of(every)
}

impl Faults {
    /// Counts a request against the rate limit. Returns the number of requests that remain, or `None` over the limit.
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
