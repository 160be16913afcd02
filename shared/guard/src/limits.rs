//! Limits and the name of every connection to a customer's address.

use std::time::Duration;

/// A connection, with DNS and TLS, is open within this time (realtime, H-1).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// DNS, connection, TLS, request and the whole response take at most this time (realtime, H-1: 15 to 30 s).
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Headers of a response. Most servers send about ten; a chain of proxies can add some hundred.
pub(crate) const MAX_HEADERS: usize = 1_000;
/// The `User-Agent` of every request.
pub(crate) const USER_AGENT_VALUE: &str = "notifications-api/0.1";
