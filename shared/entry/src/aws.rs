//! What a function's AWS clients share: credentials, region, endpoints and TLS. All of it is in the environment that Lambda gives
//! (AWS Lambda Developer Guide, defined runtime environment variables); no file is read, so that a function starts soon.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::settings::Settings;

/// The roots of Amazon Trust Services, under which the endpoints of AWS are (<https://www.amazontrust.com/repository/>).
const AMAZON_ROOTS: &str = include_str!("amazon-roots.pem");

/// The configuration of all clients. A missing setting is reported when the function begins to run.
pub(crate) fn config(settings: &mut Settings) -> SdkConfig {
    let (key, secret) = (settings.text("AWS_ACCESS_KEY_ID"), settings.text("AWS_SECRET_ACCESS_KEY"));
    let token = settings.get("AWS_SESSION_TOKEN").map(str::to_owned);
    let region = settings.text("AWS_REGION");
    // where Amazon's are not the roots, or a proxy shows certificates of its own
    let other_roots = ["cn-", "us-iso", "eu-isoe", "eusc-"].iter().any(|it| region.starts_with(it))
        || ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|it| settings.get(it).is_some());
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(key, secret, token, None, "environment")))
        .http_client(https_client(other_roots))
        .build()
}

/// The endpoint of a service if it is not AWS's own: that of an emulator.
pub(crate) fn endpoint(settings: &Settings, service: &str) -> Option<String> {
    let own = settings.get(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| settings.get("AWS_ENDPOINT_URL"));
    own.filter(|it| !it.is_empty()).map(str::to_owned)
}

/// A client whose roots are compiled in, or those of the system.
fn https_client(system_roots: bool) -> SharedHttpClient {
    let client = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    if system_roots {
        return client.build_https();
    }
    let amazon = TlsContext::builder().with_trust_store(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)).build();
    match amazon {
        Ok(context) => client.tls_context(context).build_https(),
        Err(_) => client.build_https(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_where_and_as_whom() {
        let variable = |it: (&str, &str)| (it.0.to_owned(), it.1.to_owned());
        let mut settings = Settings::from_values(
            [
                ("AWS_ACCESS_KEY_ID", "AKIA"),
                ("AWS_SECRET_ACCESS_KEY", "hush"),
                ("AWS_SESSION_TOKEN", "session"),
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1"),
            ]
            .map(variable),
        );
        let config = config(&mut settings);
        assert!(settings.finish().is_ok());
        assert_eq!(config.region().map(ToString::to_string).as_deref(), Some("eu-central-1"));
        assert!(config.credentials_provider().is_some() && config.http_client().is_some());
        assert_eq!(endpoint(&settings, "SQS").as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(endpoint(&settings, "KMS"), None);
        let mut nothing = Settings::default();
        drop(super::config(&mut nothing));
        let missing = nothing.finish().unwrap_err().to_string();
        assert!(missing.contains("AWS_ACCESS_KEY_ID") && missing.contains("AWS_REGION"), "{missing}");
    }

    /// A root that cannot be read is a panic in the first client: here, not on Lambda.
    #[test]
    fn the_roots_can_be_read() {
        assert_eq!(AMAZON_ROOTS.matches("BEGIN CERTIFICATE").count(), 5);
        drop(https_client(false));
    }
}
