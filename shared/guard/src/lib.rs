//! The guard: every connection to a stranger's address goes to one that was judged, and to that very one.

pub mod aws;
mod later;
mod wire;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::address::Allowed;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

pub use later::retry_after;
pub use wire::{Shutter, Wire, WireError, connect};

/// A client that connects to judged addresses alone, and a request of it.
pub use reqwest::{Client, RequestBuilder as Request};

/// A connection is made within this time, and everything is done within [`TOTAL`] (realtime, H-1: 15 to 30 s).
pub const CONNECT: Duration = Duration::from_secs(3);
/// DNS, connection, TLS, request, answer and its whole body.
pub const TOTAL: Duration = Duration::from_secs(15);

/// The HTTP client that meets strangers: follows no redirect, uses no proxy, connects to judged addresses alone.
/// Without `total` each request brings its own limit.
///
/// # Errors
/// If the system has no root certificates.
#[expect(clippy::disallowed_methods, reason = "this is the guard")]
pub fn client(allowed: &Allowed, total: Option<Duration>) -> reqwest::Result<reqwest::Client> {
    drop(rustls::crypto::ring::default_provider().install_default()); // a second client finds it installed
    let client = reqwest::Client::builder()
        .dns_resolver(Judging(allowed.clone()))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(8)
        .user_agent("notifications-api/0.1");
    match total {
        Some(total) => client.timeout(total).build(),
        None => client.build(),
    }
}

/// A name that resolves to an address which we do not call.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to {0}, which is not a public address")]
pub struct Forbidden(pub IpAddr);

/// Resolves, and refuses the name if any of its addresses is not to be called: a name with a public and a private
/// address is an attack or a mistake.
#[derive(Clone)]
struct Judging(Allowed);

impl Resolve for Judging {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            judged(&allowed, found).map(|it| Box::new(it.into_iter()) as Addrs).map_err(Into::into)
        })
    }
}

/// The addresses, if all may be called.
fn judged(allowed: &Allowed, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
    match found.iter().find(|it| !allowed.permits(it.ip())) {
        Some(it) => Err(Forbidden(it.ip())),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_private_address_is_enough_to_refuse_a_name() {
        let at = |it: &str| SocketAddr::new(it.parse().unwrap(), 443);
        let nothing = Allowed::default();
        assert!(judged(&nothing, vec![at("1.1.1.1"), at("8.8.8.8")]).is_ok());
        assert!(judged(&nothing, vec![at("1.1.1.1"), at("169.254.169.254")]).is_err());
        assert!(judged(&"127.0.0.0/8".parse().unwrap(), vec![at("127.0.0.1")]).is_ok());
    }
}
