//! The application: a tenant, with its switches and its keys.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::AppId;

/// A tenant. Buckets, items, channels and notifications belong to one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Application {
    pub id: AppId,
    pub name: String,
    /// The tenant's data key, wrapped by the deployment's KMS key; base64.
    pub wrapped_key: String,
    /// SHA-256 of the JWT private key that token requests present, in hex.
    pub jwt_private_key_hash: String,
    /// Faces are biometric data: off unless an administrator switched it on.
    pub facial_recognition: Option<Consent>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// Who switched something on, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    pub by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// An API key pair as it is stored: hashes only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub app: AppId,
    /// SHA-256 of `x-api-key`, in hex.
    pub key_hash: String,
    /// SHA-256 of `x-api-secret`, in hex.
    pub secret_hash: String,
}

/// The part of an API key that finds it, `nk_<env>_<10 letters>_<secret>_<checksum>`; `None` if the text has another form.
pub fn key_id(api_key: &str) -> Option<&str> {
    let mut parts = api_key.strip_prefix("nk_")?.split('_');
    let (_env, id) = (parts.next()?, parts.next()?);
    let plain = id.len() == 10 && id.bytes().all(|it| it.is_ascii_alphanumeric());
    if plain && parts.count() == 2 { Some(id) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_id_alone() {
        assert_eq!(key_id("nk_live_AbCdEfGhIj_secret_00c0ffee"), Some("AbCdEfGhIj"));
        for bad in [
            "",
            "nk_live_short_secret_00c0ffee",
            "sk_live_AbCdEfGhIj_secret_0",
            "nk_live_AbCdEfGhI#_s_0",
            "nk_live_AbCdEfGhIj_s",
        ] {
            assert_eq!(key_id(bad), None, "{bad}");
        }
    }
}
