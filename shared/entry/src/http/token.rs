//! Access tokens: HS256 JWTs with a key per application (channel API, section 2.7).
//!
//! Thirty lines on `ring`, which is in the binary anyway: the JWT crates bring a second cryptography library.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::AppId;
use domain::socket::Member;
use ring::hmac;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// How long a token is good.
pub const LIFETIME: Duration = Duration::hours(24);
/// How much other issuers' clocks may differ from ours, in seconds.
pub(super) const LEEWAY: i64 = 60;
/// What the key is derived for.
pub const PURPOSE: &str = "access-token";

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const ISSUER: &str = "notifications-api";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    #[serde(rename = "ApplicationId")]
    pub application: AppId,
    /// The one user that it is for; without one it is the application's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The groups that its user is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// Writes an application's own token, which expires at `now + LIFETIME`.
pub fn write(app: AppId, key: &[u8; 32], now: OffsetDateTime) -> String {
    signed(app, None, Vec::new(), LIFETIME, key, now)
}

/// Writes a token for one user.
pub fn write_for(member: Member, lifetime: Duration, key: &[u8; 32], now: OffsetDateTime) -> String {
    signed(member.app, Some(member.user), member.groups, lifetime, key, now)
}

fn signed(
    app: AppId,
    sub: Option<String>,
    groups: Vec<String>,
    lifetime: Duration,
    key: &[u8; 32],
    now: OffsetDateTime,
) -> String {
    let (iat, exp) = (now.unix_timestamp(), (now + lifetime).unix_timestamp());
    let claims = Claims { application: app, sub, groups, iss: ISSUER.to_owned(), aud: ISSUER.to_owned(), iat, exp };
    let claims = serde_json::to_vec(&claims).unwrap_or_default();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// What a token says, whoever wrote it, before it is believed.
pub(super) fn claims<T: serde::de::DeserializeOwned>(token: &str) -> Option<T> {
    let claims = token.split('.').nth(1).filter(|_| token.len() < 8_192)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// Whether a token says that we wrote it.
pub(super) fn is_ours(token: &str) -> bool {
    #[derive(Deserialize)]
    struct Issued {
        iss: String,
    }
    claims::<Issued>(token).is_some_and(|it| it.iss == ISSUER)
}

/// Whether a token is over by its own word, whoever wrote it: no guess, and nothing has to be looked up for it.
pub(super) fn is_over(token: &str, now: OffsetDateTime) -> bool {
    #[derive(Deserialize)]
    struct Ends {
        exp: i64,
    }
    claims::<Ends>(token).is_some_and(|it| it.exp <= now.unix_timestamp() - LEEWAY)
}

/// The application that a token claims to be for: says which key to check it with, and nothing more. One that is over by
/// its own word needs no check.
pub fn claimed(token: &str, now: OffsetDateTime) -> Option<AppId> {
    let claims: Claims = claims(token).filter(|_| token.len() < 4_096)?;
    (claims.exp > now.unix_timestamp()).then_some(claims.application)
}

/// What a token says that was written with this key and is still good. Its header is not asked: HS256 or nothing.
pub fn read(token: &str, key: &[u8; 32], now: OffsetDateTime) -> Option<Claims> {
    let (signed, tag) = token.rsplit_once('.')?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes(), &tag).ok()?;
    let claims = signed.split('.').nth(1).and_then(|it| URL_SAFE_NO_PAD.decode(it).ok())?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims).filter(|it| it.iss == ISSUER && it.aud == ISSUER && it.exp > now.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_key_and_its_time() {
        let (app, key, now) = (AppId::random([3; 16]), [9; 32], OffsetDateTime::UNIX_EPOCH);
        let token = write(app, &key, now);
        assert_eq!((claimed(&token, now), claimed(&token, now + LIFETIME)), (Some(app), None));
        assert_eq!(read(&token, &key, now + LIFETIME - Duration::SECOND).unwrap().sub, None);
        assert_eq!(read(&token, &key, now + LIFETIME), None);
        assert_eq!(read(&token, &[8; 32], now), None);
        let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), token.split('.').nth(1).unwrap());
        for bad in ["", "a.b.c", &none, &token[1..], &token.replace('.', "")] {
            assert_eq!(read(bad, &key, now), None, "{bad}");
        }
        let member = Member { app, user: "jane".into(), groups: vec!["editors".into()] };
        let claims = read(&write_for(member, Duration::HOUR, &key, now), &key, now).unwrap();
        assert_eq!((claims.sub.as_deref(), claims.groups), (Some("jane"), vec!["editors".to_owned()]));
    }
}
