//! The same protection for clients of the AWS SDK that call customers' endpoints (S3, SQS).

use std::net::IpAddr;

use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use domain::ssrf::AllowedNetworks;

use crate::resolver::require_permitted;

/// An HTTP client for the SDK that connects to checked addresses alone.
pub fn client(allowed: &AllowedNetworks) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_with_resolver(GuardedResolver(allowed.clone()))
}

#[derive(Debug, Clone)]
struct GuardedResolver(AllowedNetworks);

impl ResolveDns for GuardedResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            let permitted = require_permitted(&self.0, addresses.collect()).map_err(ResolveDnsError::new)?;
            Ok(permitted.into_iter().map(|it| it.ip()).collect::<Vec<IpAddr>>())
        })
    }
}
