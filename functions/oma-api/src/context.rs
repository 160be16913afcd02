//! What the endpoints work with.

use axum::http::HeaderMap;
use domain::ssrf::AllowedNetworks;
use entry::http::{Authenticator, GATEWAY_DOMAIN};
use message_store::Subscribers;
use notification_channel::{ChannelSender, ChannelUrls};
use table::Table;

/// Clients and caches that live as long as the execution environment.
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) authenticator: Authenticator,
    pub(crate) urls: ChannelUrls,
    pub(crate) sender: ChannelSender,
    pub(crate) subscribers: Subscribers,
    /// The root of URLs in bodies, if the deployment has a domain of its own.
    pub(crate) server_root: Option<String>,
    /// Private networks that a `notifyURL` may be in.
    pub(crate) allowed_networks: AllowedNetworks,
}

impl Context {
    /// The root of URLs in bodies (NC 6, `serverRoot`): the deployment's setting, or else the domain of API Gateway that took
    /// the request. No header of a client takes part.
    pub(crate) fn root(&self, headers: &HeaderMap) -> String {
        match &self.server_root {
            Some(root) => root.trim_end_matches('/').to_owned(),
            None => {
                let domain = headers.get(GATEWAY_DOMAIN).and_then(|it| it.to_str().ok()).unwrap_or_default();
                format!("https://{domain}")
            }
        }
    }
}
