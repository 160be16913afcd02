//! The guard: every connection to a stranger's address goes to one that was judged, and to that very one.

pub mod aws;
mod connect;
mod post_client;
mod retry_after;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::ssrf::AllowedNetworks;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

pub use connect::{ConnectError, MaybeTlsStream, ShutdownGuard, connect};
pub use post_client::{PostClient, PostError, PostResponse, PostTimeouts};
pub use retry_after::retry_after;

/// A client that connects to judged addresses alone, and a request of it.
pub use reqwest::{Client, RequestBuilder as Request};

/// A connection is made within this time, and everything is done within [`TOTAL`] (realtime, H-1: 15 to 30 s).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// DNS, connection, TLS, request, answer and its whole body.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Headers of an answer: those of most servers are ten, and of proxies in a row can be some hundred.
const MAX_HEADERS: usize = 1_000;
/// As what we call strangers.
const USER_AGENT_VALUE: &str = "notifications-api/0.1";

/// The HTTP client that meets strangers: follows no redirect, uses no proxy, connects to judged addresses alone.
/// Without `total` each request brings its own limit.
///
/// # Errors
/// If the system has no root certificates.
#[expect(clippy::disallowed_methods, reason = "this is the guard")]
pub fn client(allowed: &AllowedNetworks, total: Option<Duration>) -> reqwest::Result<reqwest::Client> {
    drop(rustls::crypto::ring::default_provider().install_default()); // a second client finds it installed
    let client = reqwest::Client::builder()
        .dns_resolver(GuardedResolver(allowed.clone()))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(8)
        // a header that we would not have written takes no answer away
        .http1_max_headers(MAX_HEADERS)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .user_agent(USER_AGENT_VALUE);
    match total {
        Some(total) => client.timeout(total).build(),
        None => client.build(),
    }
}

/// A name that resolves to an address which we do not call.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to {0}, which is not a public address")]
pub struct ForbiddenAddressError(pub IpAddr);

/// Resolves, and refuses the name if any of its addresses is not to be called: a name with a public and a private
/// address is an attack or a mistake.
#[derive(Clone)]
struct GuardedResolver(AllowedNetworks);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            require_permitted(&allowed, found).map(|it| Box::new(it.into_iter()) as Addrs).map_err(Into::into)
        })
    }
}

/// The addresses, if all may be called.
fn require_permitted(
    allowed: &AllowedNetworks,
    addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, ForbiddenAddressError> {
    match addresses.iter().find(|it| !allowed.allows(it.ip())) {
        Some(it) => Err(ForbiddenAddressError(it.ip())),
        None => Ok(addresses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_private_address_is_enough_to_refuse_a_name() {
        let at = |it: &str| SocketAddr::new(it.parse().unwrap(), 443);
        let nothing = AllowedNetworks::default();
        assert!(require_permitted(&nothing, vec![at("1.1.1.1"), at("8.8.8.8")]).is_ok());
        assert!(require_permitted(&nothing, vec![at("1.1.1.1"), at("169.254.169.254")]).is_err());
        assert!(require_permitted(&"127.0.0.0/8".parse().unwrap(), vec![at("127.0.0.1")]).is_ok());
    }
}
