//! Signing in at an issuer that an application trusts: the authorization code flow with PKCE (OpenID Connect Core 1.0, section 3.1;
//! RFC 7636; RFC 9700, section 2.1).
//!
//! Nothing is stored between its two requests. The browser keeps in a cookie what was begun, signed with a key of the application;
//! nonce and code verifier are derived from its state with the same key, so that whoever sees the cookie knows neither.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::AppId;
use domain::application::Scope;
use domain::settings::{ConsoleClient, OidcIssuer};
use ring::digest::{SHA256, digest};
use ring::hmac;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};

use super::{Authenticator, Principal};
use crate::clock;
use crate::http::auth_error::AuthError;
use crate::http::oidc::error_code;
use crate::http::oidc_endpoints::{Client, Endpoints};
use crate::http::oidc_token::UnverifiedToken;
use crate::secrets::client_secret_field;

/// How long a sign-in may take.
pub const SIGN_IN_LIFETIME: Duration = Duration::minutes(10);
/// The purpose for which the key is derived.
const KEY_PURPOSE: &str = "console-sign-in";
/// The most bytes of what a browser keeps: with a name and attributes it fits into a cookie of 4,096 bytes (RFC 6265, section 6.1).
const MAX_PENDING_BYTES: usize = 3_800;

/// A sign-in that was begun.
pub struct BegunSignIn {
    /// Where the browser goes.
    pub location: String,
    /// What it keeps meanwhile, in a cookie.
    pub pending: String,
}

/// What an issuer sends a browser back with (OpenID Connect Core 1.0, sections 3.1.2.5 and 3.1.2.6; RFC 9207).
#[derive(Debug, Default, Deserialize)]
pub struct SignInAnswer {
    #[serde(default)]
    pub state: String,
    pub code: Option<String>,
    pub iss: Option<String>,
    pub error: Option<String>,
}

/// Whoever has signed in.
pub struct SignedIn {
    pub principal: Principal,
    pub issuer: String,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("the application's settings name no such issuer with a client for the console")]
    NoSuchIssuer,
    #[error("the sign-in took too long, or another browser has begun it")]
    Expired,
    #[error("the issuer signs nobody in: {0}")]
    Denied(String),
    /// The issuer's configuration or its answer is wrong.
    #[error("the issuer cannot sign anybody in: {0}")]
    Issuer(String),
    #[error("the credentials could not be checked")]
    Credentials(#[from] AuthError),
}

/// A sign-in between its two requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PendingSignIn {
    app: AppId,
    issuer: String,
    client_id: String,
    redirect_uri: String,
    state: String,
    /// When it is too late, in seconds since 1970.
    until: i64,
}

impl Authenticator {
    /// The issuers at which people sign in to the console of an application. Empty for an application that does not exist.
    pub async fn sign_in_issuers(&self, app: AppId) -> Result<Vec<String>, AuthError> {
        let trusted = self.oidc.current_issuers(app).await?;
        Ok(trusted.iter().filter(|it| it.console.is_some()).map(|it| it.issuer.clone()).collect())
    }

    /// The scopes that an application grants to whoever signs in at an issuer; none if it does not trust it any more.
    pub async fn sign_in_scopes(&self, app: AppId, issuer: &str) -> Result<Vec<Scope>, AuthError> {
        let trusted = self.oidc.current_issuers(app).await?;
        let of_issuer = trusted.iter().filter(|it| it.issuer == issuer && it.console.is_some());
        Ok(of_issuer.flat_map(|it| it.scopes.iter().copied()).collect())
    }

    /// Begins a sign-in. The issuer sends the browser back to `redirect_uri`.
    ///
    /// # Errors
    /// If the application does not name the issuer, or the issuer does not say where people sign in.
    pub async fn begin_sign_in(
        &self,
        app: AppId,
        issuer: &str,
        redirect_uri: String,
    ) -> Result<BegunSignIn, SignInError> {
        let (trusted, client) = self.console_client(app, issuer, None).await?;
        let metadata = self.oidc.metadata(issuer, None).await?;
        let endpoints = metadata.endpoints.as_ref().ok_or_else(no_endpoints)?;
        let mut location = self.oidc.checked(&endpoints.authorization).map_err(SignInError::Issuer)?;
        let key = self.sign_in_key(app).await?;
        let pending = PendingSignIn {
            app,
            issuer: issuer.to_owned(),
            client_id: client.client_id,
            redirect_uri,
            state: clock::random_alphanumeric(43), // 256 bits
            until: (clock::now() + SIGN_IN_LIFETIME).unix_timestamp(),
        };
        location
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &pending.client_id)
            .append_pair("redirect_uri", &pending.redirect_uri)
            .append_pair("scope", &trusted.requested_scope())
            .append_pair("state", &pending.state)
            .append_pair("nonce", &pending.nonce(&key))
            .append_pair("code_challenge", &challenge(&pending.verifier(&key)))
            .append_pair("code_challenge_method", "S256");
        let pending = pending.signed(&key);
        if pending.len() > MAX_PENDING_BYTES {
            return Err(SignInError::Issuer("its addresses are too long for a cookie".to_owned()));
        }
        Ok(BegunSignIn { location: location.into(), pending })
    }

    /// Completes a sign-in with what the browser has kept and what the issuer sent it back with. The scopes are those of the access
    /// token, as far as the application grants them to the issuer; those of the ID token if the access token is not for this API.
    ///
    /// # Errors
    /// If it was not begun by this browser, or the issuer's answer does not hold.
    pub async fn complete_sign_in(&self, kept: &str, answer: &SignInAnswer) -> Result<SignedIn, SignInError> {
        let app = PendingSignIn::unverified(kept).ok_or(SignInError::Expired)?.app;
        let key = self.sign_in_key(app).await?;
        let pending = PendingSignIn::verified(kept, &key, clock::now()).ok_or(SignInError::Expired)?;
        if !bool::from(pending.state.as_bytes().ct_eq(answer.state.as_bytes())) {
            return Err(SignInError::Expired);
        }
        let (trusted, client) = self.console_client(app, &pending.issuer, Some(&pending.client_id)).await?;
        let metadata = self.oidc.metadata(&pending.issuer, None).await?;
        let endpoints = metadata.endpoints.as_ref().ok_or_else(no_endpoints)?;
        // another issuer of the application could have its answer redeemed here
        if answer.iss.as_ref().map_or(endpoints.names_issuer, |it| *it != pending.issuer) {
            return Err(SignInError::Issuer("its answer does not name it".to_owned()));
        }
        if let Some(error) = &answer.error {
            return Err(SignInError::Denied(error_code(error)));
        }
        let code = answer.code.as_deref().ok_or_else(|| SignInError::Issuer("its answer has no code".to_owned()))?;
        let tokens = self.redeem(&pending, &client, endpoints, code, &key).await?;
        let id_token = tokens["id_token"].as_str().and_then(UnverifiedToken::parse);
        let id_token = id_token.filter(|it| it.issuer() == pending.issuer);
        let id_token = id_token.ok_or_else(|| SignInError::Issuer("it gives no ID token".to_owned()))?;
        let keys = self.oidc.metadata(&pending.issuer, id_token.key_id()).await?;
        let identity = id_token.verify_id_token(app, &trusted, &pending.client_id, &pending.nonce(&key), &keys.keys)?;
        let scopes = match self.oidc.read(tokens["access_token"].as_str().unwrap_or_default(), Some(app)).await {
            Ok(granted) if granted.member.app == app => granted.scopes,
            _ => identity.scopes, // it is for another audience, or no JWT at all
        };
        Ok(SignedIn { principal: Principal { app, key_id: None, scopes }, issuer: pending.issuer })
    }

    /// The console's client at an issuer of an application.
    async fn console_client(
        &self,
        app: AppId,
        issuer: &str,
        client_id: Option<&str>,
    ) -> Result<(OidcIssuer, ConsoleClient), SignInError> {
        let trusted = self.oidc.current_issuers(app).await?;
        let of_issuer = trusted.iter().filter(|it| it.issuer == issuer);
        let mut clients = of_issuer.filter_map(|it| Some((it.clone(), it.console.clone()?)));
        let found = clients.find(|it| client_id.is_none_or(|id| it.1.client_id == id));
        found.ok_or(SignInError::NoSuchIssuer)
    }

    async fn redeem(
        &self,
        pending: &PendingSignIn,
        client: &ConsoleClient,
        endpoints: &Endpoints,
        code: &str,
        key: &[u8; 32],
    ) -> Result<serde_json::Value, SignInError> {
        let secret = match &client.client_secret {
            Some(sealed) => {
                let wrapped = self.application(pending.app).await?.wrapped_key;
                let field = client_secret_field(&pending.issuer, &client.client_id);
                let opened = self.seal.open(pending.app, &wrapped, &field, sealed).await;
                let opened = opened.map_err(|it| AuthError::Internal(Box::new(it)))?;
                Some(String::from_utf8_lossy(&opened).into_owned())
            }
            None => None,
        };
        let client = Client { id: &client.client_id, secret: secret.as_deref() };
        let verifier = pending.verifier(key);
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &pending.redirect_uri),
            ("code_verifier", &verifier),
        ];
        self.oidc.redeem(endpoints, &client, &grant).await.map_err(SignInError::Issuer)
    }

    async fn sign_in_key(&self, app: AppId) -> Result<[u8; 32], AuthError> {
        let wrapped = self.application(app).await?.wrapped_key;
        self.seal.derive_key(app, &wrapped, KEY_PURPOSE).await.map_err(|it| AuthError::Internal(Box::new(it)))
    }
}

fn no_endpoints() -> SignInError {
    SignInError::Issuer("its configuration names no place to sign in".to_owned())
}

/// The code challenge of a verifier (RFC 7636, section 4.2).
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

/// The application whose console a browser was to be signed in to, as it says.
pub fn pending_application(kept: &str) -> Option<AppId> {
    PendingSignIn::unverified(kept).map(|it| it.app)
}

impl PendingSignIn {
    fn nonce(&self, key: &[u8; 32]) -> String {
        authentication_code(key, "nonce", &self.state)
    }

    /// 43 characters (RFC 7636, section 4.1).
    fn verifier(&self, key: &[u8; 32]) -> String {
        authentication_code(key, "verifier", &self.state)
    }

    fn signed(&self, key: &[u8; 32]) -> String {
        let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default());
        format!("{text}.{}", authentication_code(key, "pending", &text))
    }

    fn unverified(kept: &str) -> Option<Self> {
        let (text, _) = kept.split_once('.').filter(|_| kept.len() <= MAX_PENDING_BYTES)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    /// What was signed with this key, and is not too old.
    fn verified(kept: &str, key: &[u8; 32], now: OffsetDateTime) -> Option<Self> {
        let (text, code) = kept.split_once('.')?;
        let holds = authentication_code(key, "pending", text).as_bytes().ct_eq(code.as_bytes());
        Self::unverified(kept).filter(|it| bool::from(holds) && it.until > now.unix_timestamp())
    }
}

/// An authentication code of a text for one purpose, in base64url.
fn authentication_code(key: &[u8; 32], purpose: &str, text: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), format!("{purpose}|{text}").as_bytes());
    URL_SAFE_NO_PAD.encode(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn what_a_browser_kept_holds_for_its_key_and_its_time() {
        let (key, now) = ([7; 32], OffsetDateTime::UNIX_EPOCH);
        let pending = PendingSignIn {
            app: AppId::random([3; 16]),
            issuer: "https://login.example.com".to_owned(),
            client_id: "console".to_owned(),
            redirect_uri: "https://api.example.com/console/callback".to_owned(),
            state: "s".repeat(43),
            until: 600,
        };
        let kept = pending.signed(&key);
        assert_eq!(PendingSignIn::verified(&kept, &key, now).as_ref(), Some(&pending));
        assert_eq!(pending_application(&kept), Some(pending.app));
        assert_eq!(PendingSignIn::verified(&kept, &key, now + SIGN_IN_LIFETIME), None);
        assert_eq!(PendingSignIn::verified(&kept, &[8; 32], now), None);
        let (text, code) = kept.split_once('.').unwrap();
        let other = PendingSignIn { redirect_uri: "https://evil.example.com".to_owned(), ..pending.clone() };
        let other = other.signed(&[8; 32]);
        for wrong in
            ["", ".", text, &format!("{}.{code}", other.split_once('.').unwrap().0), &format!("{text}.{code}x")]
        {
            assert_eq!(PendingSignIn::verified(wrong, &key, now), None, "{wrong}");
        }
        // neither of them is in what the browser has, and they differ
        let (nonce, verifier) = (pending.nonce(&key), pending.verifier(&key));
        assert!(nonce != verifier && verifier.len() == 43 && !kept.contains(&nonce) && !kept.contains(&verifier));
        assert!(verifier.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_')));
    }
}
