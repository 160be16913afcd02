//! A token of another issuer (OpenID Connect Core 1.0), and its verification with the issuer's keys. No I/O: `oidc.rs` fetches
//! the keys.

mod ring_provider;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::AppId;
use domain::application::Scope;
use domain::notification::is_valid_name;
use domain::settings::OidcIssuer;
use domain::socket::{ConnectionUser, MAX_GROUPS};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::auth_error::AuthError;
use super::token::{self, LEEWAY};

/// The most bytes of a token, and of a key's id.
const MAX_TOKEN_BYTES: usize = 8 << 10;
const MAX_KID_BYTES: usize = 128;

/// The user of a token, and its scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub member: ConnectionUser,
    pub scopes: Vec<Scope>,
}

/// The public keys of an issuer.
pub struct IssuerKeys(JwkSet);

/// A token whose signature has not been verified. What it says of itself selects the issuer's keys.
pub struct UnverifiedToken<'a> {
    text: &'a str,
    header: Header,
    claims: UnverifiedClaims,
}

#[derive(Deserialize)]
struct UnverifiedClaims {
    iss: String,
    #[serde(default, rename = "ApplicationId")]
    application: Option<AppId>,
}

/// The claims of an ID token beside those of every token.
#[derive(Deserialize)]
struct IdClaims {
    #[serde(flatten)]
    claims: Claims,
    #[serde(default)]
    aud: Value,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
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

impl IssuerKeys {
    /// The keys of a JWK Set. Those of unknown types are skipped (RFC 7517, section 5).
    pub fn parse(set: &Value) -> Self {
        let keys = set["keys"].as_array().into_iter().flatten();
        Self(JwkSet { keys: keys.filter_map(|it| serde_json::from_value(it.clone()).ok()).collect() })
    }

    /// Whether there is a key with this id; without an id, any key.
    pub(super) fn contains(&self, id: Option<&str>) -> bool {
        self.0.keys.iter().any(|it| id.is_none() || it.common.key_id.as_deref() == id)
    }

    /// The key with an id, if it supports the algorithm: the key's type decides, never the token's header alone. A token may
    /// omit the id if exactly one key supports its algorithm (OpenID Connect Core 1.0, section 10.1).
    fn select(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Jwk> {
        let mut candidates = self.0.keys.iter().filter(|it| supports(it, algorithm));
        match id {
            Some(_) => candidates.find(|it| it.common.key_id.as_deref() == id),
            None => candidates.next().filter(|_| candidates.next().is_none()),
        }
    }
}

impl<'a> UnverifiedToken<'a> {
    /// Reads a token; `None` if it is too long, no signed JWT, or names no issuer. No critical extension is supported
    /// (RFC 7515, section 4.1.11).
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let claims = token::unverified_claims(text)?;
        let header = decode_header(text).ok().filter(|_| !has_critical_extensions(text))?;
        let is_short = header.kid.as_ref().is_none_or(|it| it.len() <= MAX_KID_BYTES);
        is_short.then_some(Self { text, header, claims })
    }

    /// The issuer that it names.
    pub(super) fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// The application that it names, if any.
    pub(super) fn application(&self) -> Option<AppId> {
        self.claims.application
    }

    /// The id of the key that signed it, if it names one.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Verifies it for an application that trusts some issuers, with the keys of the issuer that it names.
    ///
    /// # Errors
    /// `TokenNotYetValid` if its time has not come, `InvalidCredentials` in all other cases.
    pub fn verify(&self, app: AppId, trusted: &[OidcIssuer], keys: &IssuerKeys) -> Result<Identity, AuthError> {
        let key = self.decoding_key(keys)?;
        let mut error = AuthError::InvalidCredentials;
        // an issuer may be trusted for several audiences
        for issuer in trusted.iter().filter(|it| it.issuer == self.claims.iss) {
            match self.decode::<Claims>(&key, &issuer.issuer, &issuer.audience) {
                Ok(claims) => return identity(app, issuer, claims).ok_or(AuthError::InvalidCredentials),
                // the library checks the time after the signature
                Err(source) if matches!(source.kind(), ErrorKind::ImmatureSignature) => {
                    error = AuthError::TokenNotYetValid
                }
                Err(_) => {}
            }
        }
        Err(error)
    }

    /// Verifies it as the ID token that an issuer gave a client for an authentication request with this nonce (OpenID Connect
    /// Core 1.0, section 3.1.3.7).
    ///
    /// # Errors
    /// `InvalidCredentials`.
    pub fn verify_id_token(
        &self,
        app: AppId,
        issuer: &OidcIssuer,
        client_id: &str,
        nonce: &str,
        keys: &IssuerKeys,
    ) -> Result<Identity, AuthError> {
        let wrong = || AuthError::InvalidCredentials;
        let key = self.decoding_key(keys)?;
        let id: IdClaims = self.decode(&key, &issuer.issuer, client_id).map_err(|_| wrong())?;
        let is_shared = id.aud.as_array().is_some_and(|it| it.len() > 1);
        let is_ours = id.azp.as_ref().map_or(!is_shared, |it| it == client_id);
        if !is_ours || id.nonce.as_deref() != Some(nonce) {
            return Err(wrong());
        }
        identity(app, issuer, id.claims).ok_or_else(wrong)
    }

    /// The key of the issuer's that the token says it is signed with.
    fn decoding_key(&self, keys: &IssuerKeys) -> Result<DecodingKey, AuthError> {
        ring_provider::RING.install_default().ok(); // fails if it is installed already
        let key = keys.select(self.key_id(), self.header.alg).ok_or(AuthError::InvalidCredentials)?;
        DecodingKey::from_jwk(key).map_err(|_| AuthError::InvalidCredentials)
    }

    fn decode<T: DeserializeOwned>(
        &self,
        key: &DecodingKey,
        issuer: &str,
        audience: &str,
    ) -> Result<T, jsonwebtoken::errors::Error> {
        let mut rules = Validation::new(self.header.alg);
        rules.set_issuer(&[issuer]);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.validate_nbf = true;
        rules.leeway = LEEWAY as u64;
        decode::<T>(self.text, key, &rules).map(|it| it.claims)
    }
}

/// Whether a token's header has critical extensions, or is none.
fn has_critical_extensions(token: &str) -> bool {
    let header = token.split('.').next().and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
    let header: Option<Value> = header.and_then(|it| serde_json::from_slice(&it).ok());
    header.as_ref().and_then(Value::as_object).is_none_or(|it| it.contains_key("crit"))
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
