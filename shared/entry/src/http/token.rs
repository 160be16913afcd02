//! Access tokens: HS256 JWTs with a key per application (channel API, section 2.7).
//!
//! Thirty lines on `ring`, which is in the binary anyway: the JWT crates bring a second cryptography library.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::AppId;
use ring::hmac;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// How long a token is good.
pub const LIFETIME: Duration = Duration::hours(24);
/// What the key is derived for.
pub const PURPOSE: &str = "access-token";

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const ISSUER: &str = "notifications-api";

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "ApplicationId")]
    application: AppId,
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// Writes a token that expires at `now + LIFETIME`.
pub fn write(app: AppId, key: &[u8; 32], now: OffsetDateTime) -> String {
    let (iat, exp) = (now.unix_timestamp(), (now + LIFETIME).unix_timestamp());
    let claims = Claims { application: app, iss: ISSUER.to_owned(), aud: ISSUER.to_owned(), iat, exp };
    let claims = serde_json::to_vec(&claims).unwrap_or_default();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The application that a token claims to be for: says which key to check it with, and nothing more.
pub fn claimed(token: &str) -> Option<AppId> {
    let claims = token.split('.').nth(1).filter(|_| token.len() < 4_096)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    Some(claims.application)
}

/// Whether a token was written with this key and is still good. Its header is not asked: HS256 or nothing.
pub fn holds(token: &str, key: &[u8; 32], now: OffsetDateTime) -> bool {
    let Some((signed, tag)) = token.rsplit_once('.') else { return false };
    let Ok(tag) = URL_SAFE_NO_PAD.decode(tag) else { return false };
    if hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes(), &tag).is_err() {
        return false;
    }
    let claims = signed.split('.').nth(1).and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
    let claims: Option<Claims> = claims.and_then(|it| serde_json::from_slice(&it).ok());
    claims.is_some_and(|it| it.iss == ISSUER && it.aud == ISSUER && it.exp > now.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_key_and_its_time() {
        let (app, key, now) = (AppId::random([3; 16]), [9; 32], OffsetDateTime::UNIX_EPOCH);
        let token = write(app, &key, now);
        assert_eq!(claimed(&token), Some(app));
        assert!(holds(&token, &key, now + LIFETIME - Duration::SECOND));
        assert!(!holds(&token, &key, now + LIFETIME));
        assert!(!holds(&token, &[8; 32], now));
        let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), token.split('.').nth(1).unwrap());
        for bad in ["", "a.b.c", &none, &token[1..], &token.replace('.', "")] {
            assert!(!holds(bad, &key, now), "{bad}");
        }
    }
}
