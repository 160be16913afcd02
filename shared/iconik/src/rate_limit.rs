//! The pace of our requests: a token bucket per Iconik application, in the table, so that all invocations share it
//! (media systems, section 3.2).

use std::time::{Duration, Instant};

use domain::id::sha256_hex;
use entry::clock;
use table::{AcquireOutcome as Granted, Table, TableError};
use tokio::sync::Mutex;

/// Requests that are asked for at once: one write unit for ten requests.
const PERMITS_PER_WRITE: u32 = 10;
/// What was granted and not used within this time is given up.
const PERMIT_LIFETIME: Duration = Duration::from_secs(5);
/// Who would have to wait longer comes back later, through its queue.
const MAX_WAIT: time::Duration = time::Duration::seconds(8);

/// The pace of one Iconik application.
pub struct RateLimiter {
    table: Table,
    key: String,
    per_second: u32,
    permits: Mutex<(u32, Instant)>,
}

impl RateLimiter {
    /// The bucket of an `App-ID` at a host, filled at `per_second`.
    pub fn new(table: Table, host: &str, app_id: &str, per_second: u32) -> Self {
        let key = sha256_hex(format!("{host}|{app_id}").as_bytes());
        Self { table, key, per_second: per_second.clamp(1, 50), permits: Mutex::new((0, Instant::now())) }
    }

    /// Waits for the turn of one request. `Err` with the time to stay away, if the turn is too far off.
    pub(crate) async fn acquire(&self) -> Result<Result<(), time::Duration>, TableError> {
        let mut left = self.permits.lock().await;
        if left.0 > 0 && left.1 > Instant::now() {
            left.0 -= 1;
            return Ok(Ok(()));
        }
        let cost = time::Duration::milliseconds(i64::from(PERMITS_PER_WRITE * 1_000 / self.per_second));
        match self.table.acquire_permit(&self.key, cost, MAX_WAIT, clock::now()).await? {
            Granted::GrantedAfter(wait) => {
                sleep(wait.unsigned_abs()).await;
                *left = (PERMITS_PER_WRITE - 1, Instant::now() + PERMIT_LIFETIME);
                Ok(Ok(()))
            }
            Granted::RetryAfter(wait) => Ok(Err(wait)),
        }
    }

    /// Everybody stays away for a while: Iconik has said that we ask too much.
    pub(crate) async fn pause(&self, time: time::Duration) -> Result<(), TableError> {
        self.permits.lock().await.0 = 0;
        self.table.suspend_permits(&self.key, clock::now() + time).await
    }

    /// Gives up half of what was granted: little is left of Iconik's own limit.
    pub(crate) async fn halve_permits(&self) {
        let mut left = self.permits.lock().await;
        left.0 /= 2;
    }
}

/// Waits inside a request's turn or between two tries of it.
#[expect(clippy::disallowed_methods, reason = "a turn comes at a time that the bucket names")]
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}
