//! Access tokens: HS256 JWTs with a key per application (channel API, section 2.7).
//!
//! They are signed with `ring`, which is in the binary anyway: the JWT crates bring a second cryptography library.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::AppId;
use domain::application::Scope;
use domain::socket::ConnectionUser;
use ring::hmac;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// The lifetime of an application's token.
pub const LIFETIME: Duration = Duration::hours(24);
/// The accepted difference to the clocks of other issuers, in seconds.
pub(super) const LEEWAY: i64 = 60;
/// The purpose for which the signing key is derived.
pub const KEY_PURPOSE: &str = "access-token";

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const ISSUER: &str = "notifications-api";
/// The audience of a session's tokens. Another one than that of the other tokens, so that nothing that does not know of their
/// scopes takes one for an application's own token.
const SESSION_AUDIENCE: &str = "notifications-api/session";

/// The claims of our tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    #[serde(rename = "ApplicationId")]
    pub application: AppId,
    /// The user of the token; `None` if it is the application's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The groups of its user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The scopes of a session's token; `None` for the other tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
    /// The id of the key with which the session was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// Issues an application's own token, which expires at `now + LIFETIME`.
pub fn issue(app: AppId, key: &[u8; 32], now: OffsetDateTime) -> String {
    let claims = Claims::new(app, ISSUER, LIFETIME, now);
    sign(&claims, key)
}

/// Issues a token of a session, with these scopes. `key_id` is the key with which the session was begun.
pub fn issue_for_session(
    app: AppId,
    scopes: Vec<Scope>,
    key_id: Option<String>,
    lifetime: Duration,
    key: &[u8; 32],
    now: OffsetDateTime,
) -> String {
    let claims = Claims { scopes: Some(scopes), key: key_id, ..Claims::new(app, SESSION_AUDIENCE, lifetime, now) };
    sign(&claims, key)
}

/// Issues a token for one user.
pub fn issue_for_user(member: ConnectionUser, lifetime: Duration, key: &[u8; 32], now: OffsetDateTime) -> String {
    let claims = Claims::new(member.app, ISSUER, lifetime, now);
    sign(&Claims { sub: Some(member.user), groups: member.groups, ..claims }, key)
}

impl Claims {
    fn new(app: AppId, audience: &str, lifetime: Duration, now: OffsetDateTime) -> Self {
        let (iat, exp) = (now.unix_timestamp(), (now + lifetime).unix_timestamp());
        let (iss, aud) = (ISSUER.to_owned(), audience.to_owned());
        Self { application: app, sub: None, groups: Vec::new(), scopes: None, key: None, iss, aud, iat, exp }
    }

    /// Whether the audience is that of its kind of token.
    fn has_right_audience(&self) -> bool {
        self.aud == if self.scopes.is_some() { SESSION_AUDIENCE } else { ISSUER }
    }
}

fn sign(claims: &Claims, key: &[u8; 32]) -> String {
    let claims = serde_json::to_vec(claims).unwrap_or_default();
    let signing_input = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signing_input.as_bytes());
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The claims of a token of any issuer, unverified.
pub(super) fn unverified_claims<T: serde::de::DeserializeOwned>(token: &str) -> Option<T> {
    let claims = token.split('.').nth(1).filter(|_| token.len() < 8_192)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// Whether a token claims to be issued by us.
pub(super) fn is_own(token: &str) -> bool {
    #[derive(Deserialize)]
    struct Issued {
        iss: String,
    }
    unverified_claims::<Issued>(token).is_some_and(|it| it.iss == ISSUER)
}

/// When a token of any issuer ends by its own claim, in seconds since 1970.
pub(super) fn expiry(token: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Ends {
        exp: i64,
    }
    unverified_claims::<Ends>(token).map(|it| it.exp)
}

/// Whether a token of any issuer has expired by its own claim. Nothing has to be looked up to refuse it.
pub(super) fn is_expired(token: &str, now: OffsetDateTime) -> bool {
    expiry(token).is_some_and(|it| it <= now.unix_timestamp() - LEEWAY)
}

/// The application that a token claims, unverified: it selects the key to verify the token with. `None` if the token has
/// expired by its own claim.
pub fn unverified_application(token: &str, now: OffsetDateTime) -> Option<AppId> {
    let claims: Claims = unverified_claims(token).filter(|_| token.len() < 4_096)?;
    (claims.exp > now.unix_timestamp()).then_some(claims.application)
}

/// The claims of a token that this key has signed and that has not expired. The token's header is ignored: the algorithm
/// is always HS256.
pub fn verify(token: &str, key: &[u8; 32], now: OffsetDateTime) -> Option<Claims> {
    let (signing_input, tag) = token.rsplit_once('.')?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), signing_input.as_bytes(), &tag).ok()?;
    let claims = signing_input.split('.').nth(1).and_then(|it| URL_SAFE_NO_PAD.decode(it).ok())?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims).filter(|it| it.iss == ISSUER && it.has_right_audience() && it.exp > now.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_key_and_its_time() {
        let (app, key, now) = (AppId::random([3; 16]), [9; 32], OffsetDateTime::UNIX_EPOCH);
        let token = issue(app, &key, now);
        assert_eq!(
            (unverified_application(&token, now), unverified_application(&token, now + LIFETIME)),
            (Some(app), None)
        );
        assert_eq!(verify(&token, &key, now + LIFETIME - Duration::SECOND).unwrap().sub, None);
        assert_eq!(verify(&token, &key, now + LIFETIME), None);
        assert_eq!(verify(&token, &[8; 32], now), None);
        let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), token.split('.').nth(1).unwrap());
        for bad in ["", "a.b.c", &none, &token[1..], &token.replace('.', "")] {
            assert_eq!(verify(bad, &key, now), None, "{bad}");
        }
        let member = ConnectionUser::new(app, "jane".into(), vec!["editors".into()]);
        let claims = verify(&issue_for_user(member, Duration::HOUR, &key, now), &key, now).unwrap();
        assert_eq!((claims.sub.as_deref(), claims.groups), (Some("jane"), vec!["editors".to_owned()]));
        let session = issue_for_session(app, vec![Scope::Read], Some("k".into()), Duration::MINUTE, &key, now);
        let claims = verify(&session, &key, now).unwrap();
        assert_eq!(
            (claims.scopes.as_deref(), claims.key.as_deref(), claims.sub),
            (Some(&[Scope::Read][..]), Some("k"), None)
        );
        // neither is taken for the other
        let scoped = Claims { scopes: Some(Scope::ALL.to_vec()), ..Claims::new(app, ISSUER, Duration::MINUTE, now) };
        let unscoped = Claims::new(app, SESSION_AUDIENCE, Duration::MINUTE, now);
        assert_eq!([scoped, unscoped].map(|it| verify(&sign(&it, &key), &key, now)), [None, None]);
    }
}
