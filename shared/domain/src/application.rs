//! The application: a tenant, with its switches, its keys and what they are good for.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::AppId;
use crate::id::sha256_hex;

/// A tenant. Buckets, items, channels and notifications belong to one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Application {
    pub id: AppId,
    pub name: String,
    /// The tenant's data key, wrapped by the deployment's KMS key; base64.
    pub wrapped_key: String,
    /// SHA-256 of the JWT private key that token requests present, in hex.
    pub jwt_private_key_hash: String,
    /// The one before, and until when it is good (milliseconds).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_jwt_private_key: Option<(String, i64)>,
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

/// What a key, or another issuer's token, is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Buckets, items and settings.
    #[serde(rename = "media")]
    Media,
    /// Channels and deliveries.
    #[serde(rename = "channels")]
    Channels,
    /// Channels' secrets in clear.
    #[serde(rename = "channels:reveal")]
    ChannelsReveal,
    /// Inboxes and sockets of every user.
    #[serde(rename = "inbox")]
    Inbox,
    /// Image tasks.
    #[serde(rename = "images")]
    Images,
    /// The application's keys.
    #[serde(rename = "keys")]
    Keys,
}

impl Scope {
    pub const ALL: [Self; 6] =
        [Self::Media, Self::Channels, Self::ChannelsReveal, Self::Inbox, Self::Images, Self::Keys];

    /// What a key is good for if nothing is said: everything but secrets in clear.
    pub fn usual() -> Vec<Self> {
        Self::ALL.into_iter().filter(|it| *it != Self::ChannelsReveal).collect()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Channels => "channels",
            Self::ChannelsReveal => "channels:reveal",
            Self::Inbox => "inbox",
            Self::Images => "images",
            Self::Keys => "keys",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or(())
    }
}

/// An API key pair as it is stored: hashes only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub app: AppId,
    /// The part of the key that finds it; no secret.
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default = "Scope::usual")]
    pub scopes: Vec<Scope>,
    /// SHA-256 of `x-api-key`, in hex.
    pub key_hash: String,
    /// SHA-256 of `x-api-secret`, in hex.
    pub secret_hash: String,
    /// Milliseconds.
    #[serde(default)]
    pub created_at: i64,
    /// Milliseconds; a key that was replaced ends then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// Writes an API key from its id and its secret part. The checksum tells a key of ours from other text: to a scanner for
/// leaked secrets, and to us before anything is looked up.
pub fn api_key(id: &str, secret: &str) -> String {
    let body = format!("nk_live_{id}_{secret}");
    let checksum = &sha256_hex(body.as_bytes())[..8];
    format!("{body}_{checksum}")
}

/// The part of an API key that finds it, `nk_<env>_<10 letters>_<secret>_<checksum>`; `None` if the text has another form
/// or its checksum is wrong.
pub fn key_id(api_key: &str) -> Option<&str> {
    let (body, checksum) = api_key.rsplit_once('_')?;
    let mut parts = body.strip_prefix("nk_")?.split('_');
    let (_env, id) = (parts.next()?, parts.next()?);
    let plain = id.len() == 10 && id.bytes().all(|it| it.is_ascii_alphanumeric());
    let whole = plain && parts.count() == 1 && api_key.len() <= 128;
    if whole && sha256_hex(body.as_bytes())[..8] == *checksum { Some(id) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_id_alone() {
        let key = api_key("AbCdEfGhIj", "secret");
        assert_eq!(key_id(&key), Some("AbCdEfGhIj"));
        assert_eq!(key_id(&key.replace("secret", "Secret")), None, "the checksum is another one");
        for bad in [
            "",
            "nk_live_AbCdEfGhIj_secret_00c0ffee",
            &api_key("short", "secret"),
            &api_key("AbCdEfGhI#", "s"),
            &api_key("AbCdEfGhIj", "s_t"),
            &key.replace("nk_", "sk_"),
        ] {
            assert_eq!(key_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn scopes_are_read_by_their_names() {
        assert!(Scope::ALL.iter().all(|it| it.name().parse() == Ok(*it)));
        assert!(Scope::ALL.iter().all(|it| serde_json::to_value(it).unwrap() == it.name()));
        assert!(!Scope::usual().contains(&Scope::ChannelsReveal));
    }
}
