//! Tokens of other issuers (OpenID Connect): an application names those that it trusts in its settings.
//!
//! Keys are fetched when they are first needed, fresh for ten minutes, good for a day if the issuer does not answer; an
//! unknown one is asked for once a minute at most (aws, section 2.8).

mod ring_provider;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::AppId;
use domain::address::{Allowed, judge};
use domain::application::Scope;
use domain::notification::is_name;
use domain::settings::OidcIssuer;
use domain::socket::{MOST_GROUPS, Member};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;
use table::Table;
use tokio::sync::Mutex;

use super::Unknown;
use crate::Remembered;

const FRESH: Duration = Duration::from_secs(600);
const STALE: Duration = Duration::from_secs(86_400);
const AGAIN: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(2);
const MOST_BYTES: usize = 150 << 10;
/// A token, and a key's id, at most.
const MOST_TOKEN: usize = 8 << 10;
const MOST_KID: usize = 128;
/// How long the issuers of an application are remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
const MOST: usize = 1_000;

/// Reads other issuers' tokens.
pub(crate) struct Oidc {
    table: Table,
    allowed: Allowed,
    client: std::sync::OnceLock<guard::Client>,
    issuers: Remembered<AppId, Arc<Vec<OidcIssuer>>>,
    keys: Mutex<HashMap<String, Keys>>,
}

/// The keys of an issuer.
struct Keys {
    set: Arc<JwkSet>,
    fetched: Instant,
    asked: Instant,
}

/// Who has a token, and what it is good for.
pub(crate) struct Identity {
    pub(crate) member: Member,
    pub(crate) scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    groups: Vec<String>,
    /// As OAuth has it, in one text; some issuers call it `scp`, or make it a list.
    #[serde(default, alias = "scp")]
    scope: Value,
    #[serde(default, rename = "ApplicationId")]
    application: Option<AppId>,
}

/// What a token says before it is believed: which keys to ask for.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
    #[serde(default, rename = "ApplicationId")]
    application: Option<AppId>,
}

impl Oidc {
    pub(crate) fn new(table: Table, allowed: Allowed) -> Self {
        ring_provider::RING.install_default().ok(); // another one of this process has done it
        let issuers = Remembered::new(MOST);
        Self { table, allowed, client: std::sync::OnceLock::new(), issuers, keys: Mutex::default() }
    }

    /// Reads a token for an application: the one that it names itself, or the one that the request names.
    pub(crate) async fn read(&self, token: &str, named: Option<AppId>) -> Result<Identity, Unknown> {
        if token.len() > MOST_TOKEN {
            return Err(Unknown::Credentials);
        }
        let claimed = claimed(token).ok_or(Unknown::Credentials)?;
        let app = claimed.application.or(named).ok_or(Unknown::Credentials)?;
        let trusted = self.trusted(app).await?;
        let candidates: Vec<&OidcIssuer> = trusted.iter().filter(|it| it.issuer == claimed.iss).collect();
        if candidates.is_empty() {
            return Err(Unknown::Credentials);
        }
        let header = decode_header(token).map_err(|_| Unknown::Credentials)?;
        let kid = header.kid.filter(|it| it.len() <= MOST_KID).ok_or(Unknown::Credentials)?;
        let set = self.keys(&claimed.iss, &kid).await?;
        let key = key(&set, &kid, header.alg).ok_or(Unknown::Credentials)?;
        let key = DecodingKey::from_jwk(key).map_err(|_| Unknown::Credentials)?;
        for issuer in candidates {
            let mut rules = Validation::new(header.alg);
            rules.set_issuer(&[&issuer.issuer]);
            rules.set_audience(&[&issuer.audience]);
            rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            rules.validate_nbf = true;
            rules.leeway = 60;
            if let Ok(it) = decode::<Claims>(token, &key, &rules) {
                return identity(app, issuer, it.claims).ok_or(Unknown::Credentials);
            }
        }
        Err(Unknown::Credentials)
    }

    async fn trusted(&self, app: AppId) -> Result<Arc<Vec<OidcIssuer>>, Unknown> {
        if let Some(it) = self.issuers.get(&app) {
            return Ok(it);
        }
        let settings = self.table.settings(app).await.map_err(|it| Unknown::Internal(Box::new(it)))?;
        let issuers = Arc::new(settings.oidc_issuers);
        self.issuers.put(app, issuers.clone(), REMEMBERED);
        Ok(issuers)
    }

    /// The keys of an issuer; asked for again if they are old, or the one that is wanted is not among them.
    async fn keys(&self, issuer: &str, kid: &str) -> Result<Arc<JwkSet>, Unknown> {
        let mut all = self.keys.lock().await; // one asks, the others wait for the answer
        let there = all.get(issuer);
        if let Some(it) = there {
            let has = it.set.keys.iter().any(|it| it.common.key_id.as_deref() == Some(kid));
            if has && it.fetched.elapsed() < FRESH || it.asked.elapsed() < AGAIN {
                return Ok(it.set.clone());
            }
        }
        let now = Instant::now();
        match self.fetch(issuer).await {
            Ok(set) => {
                if all.len() >= MOST {
                    all.clear();
                }
                let set = Arc::new(set);
                all.insert(issuer.to_owned(), Keys { set: set.clone(), fetched: now, asked: now });
                Ok(set)
            }
            Err(why) => {
                tracing::warn!(issuer, "the keys of an issuer could not be had: {why}");
                let kept = all.get_mut(issuer).filter(|it| it.fetched.elapsed() < STALE);
                let kept = kept.ok_or_else(|| Unknown::Internal(why.into()))?;
                kept.asked = now;
                Ok(kept.set.clone())
            }
        }
    }

    /// An issuer's keys, by its configuration (OpenID Connect Discovery 1.0).
    async fn fetch(&self, issuer: &str) -> Result<JwkSet, String> {
        let configuration = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found = self.json(&configuration).await?;
        if found["issuer"].as_str() != Some(issuer) {
            return Err("its configuration names another issuer".to_owned());
        }
        let uri = found["jwks_uri"].as_str().ok_or("its configuration names no keys")?;
        let keys = self.json(uri).await?;
        let keys = keys["keys"].as_array().cloned().unwrap_or_default();
        // keys of kinds that we do not know are not ours to judge
        Ok(JwkSet { keys: keys.into_iter().filter_map(|it| serde_json::from_value(it).ok()).collect() })
    }

    async fn json(&self, url: &str) -> Result<Value, String> {
        let url = judge(url, &self.allowed).map_err(|it| it.to_string())?;
        let client = match self.client.get() {
            Some(it) => it.clone(),
            None => {
                let made = guard::client(&self.allowed, Some(ANSWER)).map_err(|it| it.to_string())?;
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
            if body.len() > MOST_BYTES {
                return Err("its answer is too large".to_owned());
            }
        }
        serde_json::from_slice(&body).map_err(|it| it.to_string())
    }
}

fn claimed(token: &str) -> Option<Claimed> {
    super::token::claims(token)
}

/// The key of an id, if it suits the algorithm: our list decides, never the token's header alone.
fn key<'a>(set: &'a JwkSet, kid: &str, algorithm: Algorithm) -> Option<&'a Jwk> {
    set.keys.iter().find(|it| it.common.key_id.as_deref() == Some(kid) && suits(it, algorithm))
}

fn suits(key: &Jwk, algorithm: Algorithm) -> bool {
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
    let named: Vec<&str> = match &it.scope {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let scopes = named.into_iter().filter_map(|it| it.parse().ok()).filter(|it| issuer.scopes.contains(it)).collect();
    let mut groups = it.groups;
    groups.retain(|it| is_name(it));
    groups.truncate(MOST_GROUPS);
    let own = it.application.is_none_or(|it| it == app);
    (own && is_name(&it.sub)).then_some(Identity { member: Member { app, user: it.sub, groups }, scopes })
}
