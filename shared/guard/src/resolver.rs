//! DNS with a check of every address: a connection goes to an address that was checked, and is not resolved again.

use std::net::{IpAddr, SocketAddr};

use domain::ssrf::AllowedNetworks;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A host name that resolves to an address which is neither public nor allowed.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to {0}, which is not a public address")]
pub struct ForbiddenAddressError(pub IpAddr);

/// Resolves a name, and refuses it if any of its addresses is forbidden: a name with a public and a private address is an
/// attack or a mistake.
#[derive(Clone)]
pub(crate) struct GuardedResolver(pub(crate) AllowedNetworks);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0.clone();
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let permitted = require_permitted(&allowed, addresses)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// The addresses, if all of them are public or allowed.
pub(crate) fn require_permitted(
    allowed: &AllowedNetworks,
    addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, ForbiddenAddressError> {
    match addresses.iter().find(|address| !allowed.allows(address.ip())) {
        Some(address) => Err(ForbiddenAddressError(address.ip())),
        None => Ok(addresses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_private_address_is_enough_to_refuse_a_name() {
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 443);
        let nothing = AllowedNetworks::default();
        assert!(require_permitted(&nothing, vec![at("1.1.1.1"), at("8.8.8.8")]).is_ok());
        assert!(require_permitted(&nothing, vec![at("1.1.1.1"), at("169.254.169.254")]).is_err());
        assert!(require_permitted(&"127.0.0.0/8".parse().unwrap(), vec![at("127.0.0.1")]).is_ok());
    }
}
