//! Tokens of other issuers (OpenID Connect): an application names those that it trusts in its settings.
//!
//! Keys are fetched when they are first needed, fresh for ten minutes, good for a day if the issuer does not answer. An
//! issuer is asked once a minute at most for an unknown key (aws, section 2.8), and four times if it has never answered.

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

use super::AuthError;
use super::token::LEEWAY;
use crate::TtlCache;

const KEYS_FRESH: Duration = Duration::from_secs(600);
const KEYS_MAX_AGE: Duration = Duration::from_secs(86_400);
const REFETCH_INTERVAL: Duration = Duration::from_secs(60);
/// The same of one that has never answered: nobody gets in until it does.
const FIRST_FETCH_INTERVAL: Duration = Duration::from_secs(15);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_RESPONSE_BYTES: usize = 150 << 10;
/// A token, and a key's id, at most.
const MAX_TOKEN_BYTES: usize = 8 << 10;
const MAX_KID_BYTES: usize = 128;
/// How long the issuers of an application are remembered.
const ISSUERS_TTL: Duration = Duration::from_secs(60);
const MAX_CACHED: usize = 1_000;

/// Reads other issuers' tokens.
pub(crate) struct Oidc {
    table: Table,
    allowed: AllowedNetworks,
    client: std::sync::OnceLock<guard::Client>,
    issuers: TtlCache<AppId, Arc<Vec<OidcIssuer>>>,
    keys: TtlCache<String, Arc<Mutex<CachedKeys>>>,
}

/// What is known of an issuer's keys. Who asks for them holds up those alone who want the same issuer's.
#[derive(Default)]
struct CachedKeys {
    set: Option<(Instant, Arc<JwkSet>)>,
    /// When they were asked for last, whatever came of it: a failure is remembered, too.
    last_fetch: Option<Instant>,
}

/// Who has a token, and what it is good for.
pub(crate) struct Identity {
    pub(crate) member: ConnectionUser,
    pub(crate) scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// A list, or one name as a text.
    #[serde(default)]
    groups: Value,
    /// As OAuth has it, in one text; some issuers make it a list, or call it `scp`, or send both.
    #[serde(default)]
    scope: Value,
    #[serde(default)]
    scp: Value,
    #[serde(default, rename = "ApplicationId")]
    application: Option<AppId>,
}

/// What a token says before it is believed: which keys to ask for.
#[derive(Deserialize)]
struct UnverifiedClaims {
    iss: String,
    #[serde(default, rename = "ApplicationId")]
    application: Option<AppId>,
}

impl Oidc {
    pub(crate) fn new(table: Table, allowed: AllowedNetworks) -> Self {
        ring_provider::RING.install_default().ok(); // another one of this process has done it
        let issuers = TtlCache::new(MAX_CACHED);
        Self { table, allowed, client: std::sync::OnceLock::new(), issuers, keys: TtlCache::new(MAX_CACHED) }
    }

    /// Reads a token for an application: the one that it names itself, or the one that the request names.
    pub(crate) async fn read(&self, token: &str, named: Option<AppId>) -> Result<Identity, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::InvalidCredentials);
        }
        let claimed = unverified_claims(token).ok_or(AuthError::InvalidCredentials)?;
        let app = claimed.application.or(named).ok_or(AuthError::InvalidCredentials)?;
        let trusted = self.trusted_issuers(app).await?;
        let candidates: Vec<&OidcIssuer> = trusted.iter().filter(|it| it.issuer == claimed.iss).collect();
        if candidates.is_empty() {
            return Err(AuthError::InvalidCredentials);
        }
        let header = decode_header(token).map_err(|_| AuthError::InvalidCredentials)?;
        if has_critical_extensions(token) || header.kid.as_ref().is_some_and(|it| it.len() > MAX_KID_BYTES) {
            return Err(AuthError::InvalidCredentials);
        }
        let kid = header.kid.as_deref();
        let set = self.keys(&claimed.iss, kid).await?;
        let key = select_key(&set, kid, header.alg).ok_or(AuthError::InvalidCredentials)?;
        let key = DecodingKey::from_jwk(key).map_err(|_| AuthError::InvalidCredentials)?;
        let mut why = AuthError::InvalidCredentials;
        for issuer in candidates {
            let mut rules = Validation::new(header.alg);
            rules.set_issuer(&[&issuer.issuer]);
            rules.set_audience(&[&issuer.audience]);
            rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            rules.validate_nbf = true;
            rules.leeway = LEEWAY as u64;
            match decode::<Claims>(token, &key, &rules) {
                Ok(it) => return identity(app, issuer, it.claims).ok_or(AuthError::InvalidCredentials),
                // what is said of the time is said of a token whose signature holds
                Err(it) if matches!(it.kind(), ErrorKind::ImmatureSignature) => why = AuthError::TokenNotYetValid,
                Err(_) => {}
            }
        }
        Err(why)
    }

    async fn trusted_issuers(&self, app: AppId) -> Result<Arc<Vec<OidcIssuer>>, AuthError> {
        if let Some(it) = self.issuers.get(&app) {
            return Ok(it);
        }
        let settings = self.table.settings(app).await.map_err(|it| AuthError::Internal(Box::new(it)))?;
        let issuers = Arc::new(settings.oidc_issuers);
        self.issuers.put(app, issuers.clone(), ISSUERS_TTL);
        Ok(issuers)
    }

    /// The keys of an issuer; asked for again if they are old, or the one that is wanted is not among them, but not more
    /// often than once in a while: neither a token with an unknown key nor an issuer that fails costs each request a wait.
    async fn keys(&self, issuer: &str, kid: Option<&str>) -> Result<Arc<JwkSet>, AuthError> {
        let known = match self.keys.get(issuer) {
            Some(known) => known,
            None => {
                let new = Arc::<Mutex<CachedKeys>>::default();
                self.keys.put(issuer.to_owned(), new.clone(), KEYS_MAX_AGE);
                new
            }
        };
        let mut known = known.lock().await; // one asks, the others wait for the answer
        let now = Instant::now();
        let since = |it: Instant| now.duration_since(it);
        let kept = known.set.clone().filter(|it| since(it.0) < KEYS_MAX_AGE);
        if let Some((fetched, set)) = &kept
            && since(*fetched) < KEYS_FRESH
            && set.keys.iter().any(|it| kid.is_none() || it.common.key_id.as_deref() == kid)
        {
            return Ok(set.clone());
        }
        let again = if kept.is_some() { REFETCH_INTERVAL } else { FIRST_FETCH_INTERVAL };
        let wait = known.last_fetch.map_or(Duration::ZERO, |it| again.saturating_sub(since(it)));
        if wait.is_zero() {
            known.last_fetch = Some(now);
            match self.fetch_keys(issuer).await {
                Ok(set) => {
                    let set = Arc::new(set);
                    known.set = Some((now, set.clone()));
                    return Ok(set);
                }
                Err(why) => tracing::warn!(issuer, "the keys of an issuer could not be had: {why}"),
            }
        }
        let after = if wait.is_zero() { again } else { wait };
        kept.map(|it| it.1).ok_or(AuthError::IssuerUnavailable(after.as_secs().max(1) as u32))
    }

    /// An issuer's keys, by its configuration (OpenID Connect Discovery 1.0).
    async fn fetch_keys(&self, issuer: &str) -> Result<JwkSet, String> {
        let configuration = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found = self.fetch_json(&configuration).await?;
        if found["issuer"].as_str() != Some(issuer) {
            return Err("its configuration names another issuer".to_owned());
        }
        let uri = found["jwks_uri"].as_str().ok_or("its configuration names no keys")?;
        let keys = self.fetch_json(uri).await?;
        let keys = keys["keys"].as_array().cloned().unwrap_or_default();
        // keys of kinds that we do not know are not ours to judge
        Ok(JwkSet { keys: keys.into_iter().filter_map(|it| serde_json::from_value(it).ok()).collect() })
    }

    async fn fetch_json(&self, url: &str) -> Result<Value, String> {
        let url = check_url(url, &self.allowed).map_err(|it| it.to_string())?;
        let client = match self.client.get() {
            Some(it) => it.clone(),
            None => {
                let made = guard::client(&self.allowed, Some(RESPONSE_TIMEOUT)).map_err(|it| it.to_string())?;
                self.client.get_or_init(|| made).clone()
            }
        };
        let mut answer = client.get(url).send().await.map_err(|it| it.without_url().to_string())?;
        if answer.status() != 200 {
            return Err(format!("it answered {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|it| it.without_url().to_string())? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_RESPONSE_BYTES {
                return Err("its answer is too large".to_owned());
            }
        }
        serde_json::from_slice(&body).map_err(|it| it.to_string())
    }
}

fn unverified_claims(token: &str) -> Option<UnverifiedClaims> {
    super::token::unverified_claims(token)
}

/// Whether a token's header names extensions that must be understood (RFC 7515, section 4.1.11): we know none.
fn has_critical_extensions(token: &str) -> bool {
    let header = token.split('.').next().and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
    let header: Option<Value> = header.and_then(|it| serde_json::from_slice(&it).ok());
    header.is_none_or(|it| it.get("crit").is_some())
}

/// The key of an id, if it suits the algorithm: our list decides, never the token's header alone. A token may leave the id
/// out if there is one key that suits it (OpenID Connect Core 1.0, section 10.1).
fn select_key<'a>(set: &'a JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Option<&'a Jwk> {
    let mut fitting = set.keys.iter().filter(|it| supports(it, algorithm));
    match kid {
        Some(_) => fitting.find(|it| it.common.key_id.as_deref() == kid),
        None => fitting.next().filter(|_| fitting.next().is_none()),
    }
}

fn supports(key: &Jwk, algorithm: Algorithm) -> bool {
    let (kind, stated) = match (algorithm, &key.algorithm) {
        (Algorithm::RS256, AlgorithmParameters::RSA(_)) => (true, KeyAlgorithm::RS256),
        (Algorithm::ES256, AlgorithmParameters::EllipticCurve(it)) => {
            (it.curve == EllipticCurve::P256, KeyAlgorithm::ES256)
        }
        (Algorithm::EdDSA, AlgorithmParameters::OctetKeyPair(it)) => {
            (it.curve == EllipticCurve::Ed25519, KeyAlgorithm::EdDSA)
        }
        _ => return false,
    };
    let says = key.common.key_algorithm.is_none_or(|it| it == stated);
    kind && says && matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature))
}

fn identity(app: AppId, issuer: &OidcIssuer, it: Claims) -> Option<Identity> {
    let named = strings(&it.scope).into_iter().chain(strings(&it.scp));
    let mut scopes: Vec<Scope> = named.filter_map(|it| it.parse().ok()).collect();
    scopes.retain(|it| issuer.scopes.contains(it));
    let mut groups: Vec<String> = match &it.groups {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    groups.retain(|it| is_valid_name(it));
    groups.truncate(MAX_GROUPS);
    let own = it.application.is_none_or(|it| it == app);
    (own && is_valid_name(&it.sub)).then_some(Identity { member: ConnectionUser { app, user: it.sub, groups }, scopes })
}

/// The words of a text, or the texts of a list.
fn strings(it: &Value) -> Vec<&str> {
    match it {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
