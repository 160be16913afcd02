//! The rate limit of our requests: a token bucket per Iconik application (`App-ID`), in the table, so that all
//! invocations share it (media systems, section 3.2).

use std::time::{Duration, Instant};

use domain::id::sha256_hex;
use entry::clock;
use table::{AcquireOutcome, Table, TableError};
use tokio::sync::Mutex;

/// Permits that one write to the table acquires.
const PERMITS_PER_WRITE: u32 = 10;
/// Acquired permits that are not used within this time are given up.
const PERMIT_LIFETIME: Duration = Duration::from_secs(5);
/// The longest wait inside an invocation. Work that would have to wait longer returns to its queue.
pub(crate) const MAX_WAIT: time::Duration = time::Duration::seconds(8);

/// The rate limiter of one Iconik application.
pub struct RateLimiter {
    table: Table,
    key: String,
    per_second: u32,
    /// Permits that are left, and until when they are valid.
    permits: Mutex<(u32, Instant)>,
}

impl RateLimiter {
    /// The bucket of an `App-ID` at a host. It gains `per_second` permits a second, 1 to 50 (Iconik's own limit).
    pub fn new(table: Table, host: &str, app_id: &str, per_second: u32) -> Self {
        let key = sha256_hex(format!("{host}|{app_id}").as_bytes());
        Self { table, key, per_second: per_second.clamp(1, 50), permits: Mutex::new((0, Instant::now())) }
    }

    /// Waits for the permit of one request. The inner `Err` is the time until there will be one, if that is beyond
    /// [`MAX_WAIT`].
    pub(crate) async fn acquire(&self) -> Result<Result<(), time::Duration>, TableError> {
        let mut left = self.permits.lock().await;
        if left.0 > 0 && left.1 > Instant::now() {
            left.0 -= 1;
            return Ok(Ok(()));
        }
        let cost = time::Duration::milliseconds(i64::from(PERMITS_PER_WRITE * 1_000 / self.per_second));
        match self.table.acquire_permit(&self.key, cost, MAX_WAIT, clock::now()).await? {
            AcquireOutcome::GrantedAfter(wait) => {
                sleep(wait.unsigned_abs()).await;
                *left = (PERMITS_PER_WRITE - 1, Instant::now() + PERMIT_LIFETIME);
                Ok(Ok(()))
            }
            AcquireOutcome::RetryAfter(wait) => Ok(Err(wait)),
        }
    }

    /// Issues no permits for a time, since Iconik has answered that its limit is reached.
    pub(crate) async fn pause(&self, time: time::Duration) -> Result<(), TableError> {
        self.permits.lock().await.0 = 0;
        self.table.suspend_permits(&self.key, clock::now() + time).await
    }

    /// Gives up half of the acquired permits, since little is left of Iconik's own limit.
    pub(crate) async fn halve_permits(&self) {
        let mut left = self.permits.lock().await;
        left.0 /= 2;
    }
}

/// Waits for a permit or between two attempts of a request.
#[expect(clippy::disallowed_methods, reason = "a permit is valid from a time in the future")]
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}
