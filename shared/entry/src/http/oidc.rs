//! Tokens of other issuers (OpenID Connect): an application lists the issuers that it trusts in its settings.
//!
//! An issuer's keys are fetched when they are first needed. They are fresh for ten minutes, and used for a day if the issuer
//! does not answer. For an unknown key they are fetched again at most once a minute (aws, section 2.8), or four times a
//! minute as long as there are none.

mod ring_provider;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::AppId;
use domain::application::Scope;
use domain::notification::is_valid_name;
use domain::settings::OidcIssuer;
use domain::socket::{ConnectionUser, MAX_GROUPS};
use domain::ssrf::{AllowedNetworks, check_url};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;
use table::Table;
use tokio::sync::Mutex;

use super::auth_error::AuthError;
use super::token::{self, LEEWAY};
use crate::ttl_cache::TtlCache;

/// How long an issuer's keys are fresh, how long they are used at most, and how often they are fetched again.
const KEYS_FRESH: Duration = Duration::from_secs(600);
const KEYS_MAX_AGE: Duration = Duration::from_secs(86_400);
const REFETCH_INTERVAL: Duration = Duration::from_secs(60);
/// How often the keys are fetched as long as there are none: until then no token of the issuer is accepted.
const FIRST_FETCH_INTERVAL: Duration = Duration::from_secs(15);
/// The timeout and the most bytes of an issuer's response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_RESPONSE_BYTES: usize = 150 << 10;
/// The most bytes of a token, and of a key's id.
const MAX_TOKEN_BYTES: usize = 8 << 10;
const MAX_KID_BYTES: usize = 128;
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

/// The cached keys of an issuer. A fetch delays only requests with tokens of the same issuer.
#[derive(Default)]
struct CachedKeys {
    /// When they were fetched, and the keys.
    set: Option<(Instant, Arc<JwkSet>)>,
    /// When the last fetch began, whether it succeeded or not.
    last_fetch: Option<Instant>,
}

/// The user of a token, and its scopes.
pub(crate) struct Identity {
    pub(crate) member: ConnectionUser,
    pub(crate) scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// An array, or a string with one name.
    #[serde(default)]
    groups: Value,
    /// A string of scopes separated by spaces (RFC 8693, section 4.2). Some issuers send an array, or `scp`, or both.
    #[serde(default)]
    scope: Value,
    #[serde(default)]
    scp: Value,
    #[serde(default, rename = "ApplicationId")]
    application: Option<AppId>,
}

/// The unverified claims of a token: they select the issuer's keys.
#[derive(Deserialize)]
struct UnverifiedClaims {
    iss: String,
    #[serde(default, rename = "ApplicationId")]
    application: Option<AppId>,
}

impl Oidc {
    pub(crate) fn new(table: Table, allowed: AllowedNetworks) -> Self {
        ring_provider::RING.install_default().ok(); // fails if it is installed already
        let issuers = TtlCache::new(MAX_CACHED);
        Self { table, allowed, client: std::sync::OnceLock::new(), issuers, keys: TtlCache::new(MAX_CACHED) }
    }

    /// Verifies a token for an application: the one that the token names, or else the one that the request names.
    pub(crate) async fn read(&self, token: &str, named: Option<AppId>) -> Result<Identity, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::InvalidCredentials);
        }
        let claims: UnverifiedClaims = token::unverified_claims(token).ok_or(AuthError::InvalidCredentials)?;
        let app = claims.application.or(named).ok_or(AuthError::InvalidCredentials)?;
        let trusted = self.trusted_issuers(app).await?;
        let candidates: Vec<&OidcIssuer> = trusted.iter().filter(|it| it.issuer == claims.iss).collect();
        if candidates.is_empty() {
            return Err(AuthError::InvalidCredentials);
        }
        let header = decode_header(token).map_err(|_| AuthError::InvalidCredentials)?;
        if has_critical_extensions(token) || header.kid.as_ref().is_some_and(|it| it.len() > MAX_KID_BYTES) {
            return Err(AuthError::InvalidCredentials);
        }
        let kid = header.kid.as_deref();
        let set = self.keys(&claims.iss, kid).await?;
        let key = select_key(&set, kid, header.alg).ok_or(AuthError::InvalidCredentials)?;
        let key = DecodingKey::from_jwk(key).map_err(|_| AuthError::InvalidCredentials)?;
        let mut error = AuthError::InvalidCredentials;
        for issuer in candidates {
            let mut rules = Validation::new(header.alg);
            rules.set_issuer(&[&issuer.issuer]);
            rules.set_audience(&[&issuer.audience]);
            rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            rules.validate_nbf = true;
            rules.leeway = LEEWAY as u64;
            match decode::<Claims>(token, &key, &rules) {
                Ok(verified) => return identity(app, issuer, verified.claims).ok_or(AuthError::InvalidCredentials),
                // the library checks the time after the signature
                Err(source) if matches!(source.kind(), ErrorKind::ImmatureSignature) => {
                    error = AuthError::TokenNotYetValid
                }
                Err(_) => {}
            }
        }
        Err(error)
    }

    async fn trusted_issuers(&self, app: AppId) -> Result<Arc<Vec<OidcIssuer>>, AuthError> {
        if let Some(issuers) = self.issuers.get(&app) {
            return Ok(issuers);
        }
        let settings = self.table.settings(app).await.map_err(|it| AuthError::Internal(Box::new(it)))?;
        let issuers = Arc::new(settings.oidc_issuers);
        self.issuers.put(app, issuers.clone(), ISSUERS_TTL);
        Ok(issuers)
    }

    /// The keys of an issuer. They are fetched again if they are not fresh, or do not have the key `kid`, but not more often
    /// than the intervals above allow: neither unknown keys nor an issuer that fails delay every request.
    async fn keys(&self, issuer: &str, kid: Option<&str>) -> Result<Arc<JwkSet>, AuthError> {
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
            && set.keys.iter().any(|it| kid.is_none() || it.common.key_id.as_deref() == kid)
        {
            return Ok(set.clone());
        }
        let interval = if kept.is_some() { REFETCH_INTERVAL } else { FIRST_FETCH_INTERVAL };
        let wait = known.last_fetch.map_or(Duration::ZERO, |it| interval.saturating_sub(since(it)));
        if wait.is_zero() {
            known.last_fetch = Some(now);
            match self.fetch_keys(issuer).await {
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

    /// Fetches an issuer's keys by its configuration (OpenID Connect Discovery 1.0, section 4).
    async fn fetch_keys(&self, issuer: &str) -> Result<JwkSet, String> {
        let configuration = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata = self.fetch_json(&configuration).await?;
        if metadata["issuer"].as_str() != Some(issuer) {
            return Err("its configuration names another issuer".to_owned());
        }
        let uri = metadata["jwks_uri"].as_str().ok_or("its configuration names no keys")?;
        let keys = self.fetch_json(uri).await?;
        let keys = keys["keys"].as_array().cloned().unwrap_or_default();
        // keys of unknown types are skipped (RFC 7517, section 5)
        Ok(JwkSet { keys: keys.into_iter().filter_map(|it| serde_json::from_value(it).ok()).collect() })
    }

    async fn fetch_json(&self, url: &str) -> Result<Value, String> {
        let url = check_url(url, &self.allowed).map_err(|it| it.to_string())?;
        let client = match self.client.get() {
            Some(client) => client.clone(),
            None => {
                let new = guard::client(&self.allowed, Some(RESPONSE_TIMEOUT)).map_err(|it| it.to_string())?;
                self.client.get_or_init(|| new).clone()
            }
        };
        let mut response = client.get(url).send().await.map_err(|it| it.without_url().to_string())?;
        if response.status() != 200 {
            return Err(format!("it answered {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|it| it.without_url().to_string())? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_RESPONSE_BYTES {
                return Err("its answer is too large".to_owned());
            }
        }
        serde_json::from_slice(&body).map_err(|it| it.to_string())
    }
}

/// Whether a token's header has critical extensions (RFC 7515, section 4.1.11). None are supported.
fn has_critical_extensions(token: &str) -> bool {
    let header = token.split('.').next().and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
    let header: Option<Value> = header.and_then(|it| serde_json::from_slice(&it).ok());
    header.is_none_or(|it| it.get("crit").is_some())
}

/// The key with an id, if it supports the algorithm: the key's type decides, never the token's header alone. A token may omit
/// the id if exactly one key supports its algorithm (OpenID Connect Core 1.0, section 10.1).
fn select_key<'a>(set: &'a JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Option<&'a Jwk> {
    let mut candidates = set.keys.iter().filter(|it| supports(it, algorithm));
    match kid {
        Some(_) => candidates.find(|it| it.common.key_id.as_deref() == kid),
        None => candidates.next().filter(|_| candidates.next().is_none()),
    }
}

/// Whether a key is for signatures with an algorithm.
fn supports(key: &Jwk, algorithm: Algorithm) -> bool {
    let (kind, stated) = match (algorithm, &key.algorithm) {
        (Algorithm::RS256, AlgorithmParameters::RSA(_)) => (true, KeyAlgorithm::RS256),
        (Algorithm::ES256, AlgorithmParameters::EllipticCurve(parameters)) => {
            (parameters.curve == EllipticCurve::P256, KeyAlgorithm::ES256)
        }
        (Algorithm::EdDSA, AlgorithmParameters::OctetKeyPair(parameters)) => {
            (parameters.curve == EllipticCurve::Ed25519, KeyAlgorithm::EdDSA)
        }
        _ => return false,
    };
    let says = key.common.key_algorithm.is_none_or(|it| it == stated);
    kind && says && matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature))
}

/// The identity in verified claims; `None` if they are for another application, or `sub` cannot name a user. Scopes are those
/// that the application grants to the issuer.
fn identity(app: AppId, issuer: &OidcIssuer, claims: Claims) -> Option<Identity> {
    let named = strings(&claims.scope).into_iter().chain(strings(&claims.scp));
    let mut scopes: Vec<Scope> = named.filter_map(|it| it.parse().ok()).collect();
    scopes.retain(|it| issuer.scopes.contains(it));
    let mut groups: Vec<String> = match &claims.groups {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    groups.retain(|it| is_valid_name(it));
    groups.truncate(MAX_GROUPS);
    let same_application = claims.application.is_none_or(|it| it == app);
    (same_application && is_valid_name(&claims.sub))
        .then_some(Identity { member: ConnectionUser::new(app, claims.sub, groups), scopes })
}

/// The words of a string, or the strings of an array.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
