//! Tokens of other issuers (OpenID Connect): an application lists the issuers that it trusts in its settings.
//!
//! An issuer's keys are fetched when they are first needed. They are fresh for ten minutes, and used for a day if the issuer
//! does not answer. For an unknown key they are fetched again at most once a minute (aws, section 2.8), or four times a
//! minute as long as there are none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::AppId;
use domain::settings::OidcIssuer;
use domain::ssrf::{AllowedNetworks, check_url};
use serde_json::Value;
use table::Table;
use tokio::sync::Mutex;
use url::Url;

use super::auth_error::AuthError;
use super::oidc_endpoints::{Client, Endpoints};
use super::oidc_token::{Identity, IssuerKeys, UnverifiedToken};
use crate::ttl_cache::TtlCache;

/// How long an issuer's keys are fresh, how long they are used at most, and how often they are fetched again.
const KEYS_FRESH: Duration = Duration::from_secs(600);
const KEYS_MAX_AGE: Duration = Duration::from_secs(86_400);
const REFETCH_INTERVAL: Duration = Duration::from_secs(60);
/// How often the keys are fetched as long as there are none: until then no token of the issuer is accepted.
const FIRST_FETCH_INTERVAL: Duration = Duration::from_secs(15);
/// The timeout and the most bytes of an issuer's response. Whoever signs in waits longer than a request of the API does.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_RESPONSE_BYTES: usize = 150 << 10;
/// How long the issuers of an application are cached.
const ISSUERS_TTL: Duration = Duration::from_secs(60);
const MAX_CACHED: usize = 1_000;

/// Verifies tokens of other issuers.
pub(crate) struct Oidc {
    table: Table,
    allowed: AllowedNetworks,
    client: std::sync::OnceLock<guard::Client>,
    issuers: TtlCache<AppId, Arc<Vec<OidcIssuer>>>,
    keys: TtlCache<String, Arc<Mutex<CachedKeys>>>,
}

/// What an issuer publishes of itself.
pub(super) struct IssuerMetadata {
    pub(super) keys: IssuerKeys,
    /// Where people sign in; `None` if it names no such place.
    pub(super) endpoints: Option<Endpoints>,
}

/// The cached keys of an issuer. A fetch delays only requests with tokens of the same issuer.
#[derive(Default)]
struct CachedKeys {
    /// When they were fetched, and the keys.
    set: Option<(Instant, Arc<IssuerMetadata>)>,
    /// When the last fetch began, whether it succeeded or not.
    last_fetch: Option<Instant>,
}

impl Oidc {
    pub(crate) fn new(table: Table, allowed: AllowedNetworks) -> Self {
        let issuers = TtlCache::new(MAX_CACHED);
        Self { table, allowed, client: std::sync::OnceLock::new(), issuers, keys: TtlCache::new(MAX_CACHED) }
    }

    /// Verifies a token for an application: the one that the token names, or else the one that the request names.
    pub(crate) async fn read(&self, token: &str, named: Option<AppId>) -> Result<Identity, AuthError> {
        let token = UnverifiedToken::parse(token).ok_or(AuthError::InvalidCredentials)?;
        let app = token.application().or(named).ok_or(AuthError::InvalidCredentials)?;
        let trusted = self.trusted_issuers(app).await?;
        if !trusted.iter().any(|it| it.issuer == token.issuer()) {
            return Err(AuthError::InvalidCredentials);
        }
        let metadata = self.metadata(token.issuer(), token.key_id()).await?;
        token.verify(app, &trusted, &metadata.keys)
    }

    async fn trusted_issuers(&self, app: AppId) -> Result<Arc<Vec<OidcIssuer>>, AuthError> {
        match self.issuers.get(&app) {
            Some(issuers) => Ok(issuers),
            None => self.current_issuers(app).await,
        }
    }

    /// The issuers that an application trusts, as they are now.
    pub(super) async fn current_issuers(&self, app: AppId) -> Result<Arc<Vec<OidcIssuer>>, AuthError> {
        let settings = self.table.settings(app).await.map_err(|it| AuthError::Internal(Box::new(it)))?;
        let issuers = Arc::new(settings.oidc_issuers);
        self.issuers.put(app, issuers.clone(), ISSUERS_TTL);
        Ok(issuers)
    }

    /// The keys and the endpoints of an issuer. They are fetched again if they are not fresh, or do not have the key `kid`, but not
    /// more often than the intervals above allow: neither unknown keys nor an issuer that fails delay every request.
    pub(super) async fn metadata(&self, issuer: &str, kid: Option<&str>) -> Result<Arc<IssuerMetadata>, AuthError> {
        let known = match self.keys.get(issuer) {
            Some(known) => known,
            None => {
                let new = Arc::<Mutex<CachedKeys>>::default();
                self.keys.put(issuer.to_owned(), new.clone(), KEYS_MAX_AGE);
                new
            }
        };
        let mut known = known.lock().await; // one request fetches, the others wait for it
        let now = Instant::now();
        let since = |it: Instant| now.duration_since(it);
        let kept = known.set.clone().filter(|it| since(it.0) < KEYS_MAX_AGE);
        if let Some((fetched, set)) = &kept
            && since(*fetched) < KEYS_FRESH
            && set.keys.contains(kid)
        {
            return Ok(set.clone());
        }
        let interval = if kept.is_some() { REFETCH_INTERVAL } else { FIRST_FETCH_INTERVAL };
        let wait = known.last_fetch.map_or(Duration::ZERO, |it| interval.saturating_sub(since(it)));
        if wait.is_zero() {
            known.last_fetch = Some(now);
            match self.fetch(issuer).await {
                Ok(set) => {
                    let set = Arc::new(set);
                    known.set = Some((now, set.clone()));
                    return Ok(set);
                }
                Err(reason) => tracing::warn!(issuer, "could not fetch the keys of an issuer: {reason}"),
            }
        }
        let after = if wait.is_zero() { interval } else { wait };
        kept.map(|it| it.1).ok_or(AuthError::IssuerUnavailable(after.as_secs().max(1) as u32))
    }

    /// Fetches what an issuer publishes, by its configuration (OpenID Connect Discovery 1.0, section 4).
    async fn fetch(&self, issuer: &str) -> Result<IssuerMetadata, String> {
        let configuration = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata = self.get(&configuration).await?;
        if metadata["issuer"].as_str() != Some(issuer) {
            return Err("its configuration names another issuer".to_owned());
        }
        let uri = metadata["jwks_uri"].as_str().ok_or("its configuration names no keys")?;
        let keys = IssuerKeys::parse(&self.get(uri).await?);
        Ok(IssuerMetadata { keys, endpoints: Endpoints::parse(&metadata) })
    }

    async fn get(&self, url: &str) -> Result<Value, String> {
        let url = self.checked(url)?;
        match answer_to(self.client()?.get(url)).await? {
            (200, body) => body,
            (status, _) => Err(format!("it answered {status}")),
        }
    }

    /// Redeems a code at an issuer's token endpoint (RFC 6749, section 4.1.3).
    ///
    /// # Errors
    /// What is wrong with the endpoint or its answer, without anything secret.
    pub(super) async fn redeem(
        &self,
        endpoints: &Endpoints,
        client: &Client<'_>,
        grant: &[(&str, &str)],
    ) -> Result<Value, String> {
        let url = self.checked(&endpoints.token)?;
        let request = client.authenticate(self.client()?.post(url), endpoints, grant);
        match answer_to(request.header("accept", "application/json").timeout(TOKEN_TIMEOUT)).await? {
            (200, body) => body,
            (status, body) => {
                let code = body.ok().and_then(|it| it["error"].as_str().map(error_code)).unwrap_or_default();
                Err(format!("its token endpoint answered {status} {code}").trim_end().to_owned())
            }
        }
    }

    /// An address that may be called, or that a browser may be sent to.
    pub(super) fn checked(&self, url: &str) -> Result<Url, String> {
        check_url(url, &self.allowed).map_err(|it| it.to_string())
    }

    fn client(&self) -> Result<guard::Client, String> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let new = guard::client(&self.allowed, Some(RESPONSE_TIMEOUT)).map_err(|it| it.to_string())?;
        Ok(self.client.get_or_init(|| new).clone())
    }
}

/// The status of an answer and its JSON, or why it has none.
async fn answer_to(request: guard::Request) -> Result<(u16, Result<Value, String>), String> {
    let mut response = request.send().await.map_err(|it| it.without_url().to_string())?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|it| it.without_url().to_string())? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_RESPONSE_BYTES {
            return Err("its answer is too large".to_owned());
        }
    }
    Ok((response.status().as_u16(), serde_json::from_slice(&body).map_err(|it| it.to_string())))
}

/// An error code of an issuer's (RFC 6749, sections 4.1.2.1 and 5.2), as far as it is one.
pub(super) fn error_code(text: &str) -> String {
    text.chars().filter(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-')).take(64).collect()
}
