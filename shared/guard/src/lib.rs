//! Protection against SSRF: every connection to a customer's address goes to an address that was checked, and is not
//! resolved again.

pub mod aws;
mod connect;
mod idle;
mod limits;
mod post_client;
mod resolver;
mod retry_after;
mod tls;

use std::time::Duration;

use domain::ssrf::AllowedNetworks;

pub use connect::{ConnectError, MaybeTlsStream, ShutdownGuard, connect};
pub use limits::{CONNECT_TIMEOUT, TOTAL_TIMEOUT};
pub use post_client::{PostClient, PostError, PostResponse, PostTimeouts};
pub use resolver::ForbiddenAddressError;
pub use retry_after::retry_after;

/// A client that [`client`] builds, a request of it, and its response.
pub use reqwest::{Client, RequestBuilder as Request, Response};

/// An HTTP client for customers' addresses: it follows no redirect, uses no proxy, and connects to checked addresses alone.
/// `total` limits each request as a whole; without it each request sets its own timeout.
///
/// # Errors
/// Never with these settings.
#[expect(clippy::disallowed_methods, reason = "this is the guard")]
pub fn client(allowed: &AllowedNetworks, total: Option<Duration>) -> reqwest::Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(rustls::ClientConfig::clone(&tls::CONFIG))
        .dns_resolver(resolver::GuardedResolver(allowed.clone()))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(idle::MAX_PER_ORIGIN)
        // a malformed header does not make the whole response an error
        .http1_max_headers(limits::MAX_HEADERS)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .user_agent(limits::USER_AGENT_VALUE);
    match total {
        Some(total) => client.timeout(total).build(),
        None => client.build(),
    }
}
