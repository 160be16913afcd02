//! Applications (tenants), their API keys and scopes.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::AppId;
use crate::id::sha256_hex;

/// A tenant. Each bucket, item, channel and notification belongs to one application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Application {
    pub id: AppId,
    pub name: String,
    /// The tenant's data key, encrypted under the deployment's KMS key, in base64.
    pub wrapped_key: String,
    /// SHA-256 of the JWT private key that token requests present, in hex.
    pub jwt_private_key_hash: String,
    /// Hash of the previous JWT private key, and the time until which it is accepted, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_jwt_private_key: Option<(String, i64)>,
    /// Consent to facial recognition. Faces are biometric data, so it is off until an administrator switches it on.
    pub facial_recognition: Option<Consent>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// Who gave consent, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    pub by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// A permission of an API key or of an OpenID Connect token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Buckets, items and settings.
    #[serde(rename = "media")]
    Media,
    /// Channels and deliveries.
    #[serde(rename = "channels")]
    Channels,
    /// Read the secrets of channels in clear text.
    #[serde(rename = "channels:reveal")]
    ChannelsReveal,
    /// Inboxes and sockets of all users.
    #[serde(rename = "inbox")]
    Inbox,
    /// Publish events, and read them.
    #[serde(rename = "messages")]
    Messages,
    /// Image tasks.
    #[serde(rename = "images")]
    Images,
    /// OMA notification channels and message stores.
    #[serde(rename = "oma")]
    Oma,
    /// Subscriptions of the application.
    #[serde(rename = "billing")]
    Billing,
    /// The application's keys.
    #[serde(rename = "keys")]
    Keys,
    /// Read what the other scopes cover, and change nothing: the role of a viewer. It covers neither secrets, nor OMA's
    /// resources, whose URLs are secrets, nor what customers pay.
    #[serde(rename = "read")]
    Read,
}

/// What a request does with what a scope covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Change,
}

/// The scopes in which [`Scope::Read`] may read.
const READABLE: [Scope; 6] = [Scope::Media, Scope::Channels, Scope::Inbox, Scope::Messages, Scope::Images, Scope::Keys];

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 10] = [
        Self::Media,
        Self::Channels,
        Self::ChannelsReveal,
        Self::Inbox,
        Self::Messages,
        Self::Images,
        Self::Oma,
        Self::Billing,
        Self::Keys,
        Self::Read,
    ];

    /// The scopes of a new key if none are given: all except [`Scope::ChannelsReveal`], and [`Scope::Read`], which adds
    /// nothing to the others.
    pub fn default_scopes() -> Vec<Self> {
        Self::ALL.into_iter().filter(|it| !matches!(it, Self::ChannelsReveal | Self::Read)).collect()
    }

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Channels => "channels",
            Self::ChannelsReveal => "channels:reveal",
            Self::Inbox => "inbox",
            Self::Messages => "messages",
            Self::Images => "images",
            Self::Oma => "oma",
            Self::Billing => "billing",
            Self::Keys => "keys",
            Self::Read => "read",
        }
    }
}

/// Whether scopes allow a request that needs one.
pub fn allows(own: &[Scope], needed: Scope, access: Access) -> bool {
    own.contains(&needed) || access == Access::Read && own.contains(&Scope::Read) && READABLE.contains(&needed)
}

/// Whether scopes amount to one: who may read everything has [`Scope::Read`].
fn includes(own: &[Scope], scope: Scope) -> bool {
    own.contains(&scope) || scope == Scope::Read && READABLE.iter().all(|it| own.contains(it))
}

/// The scopes of an application's own JWT without a key pair. Channels are excluded, because the published API requires
/// the key pair as well as the token (channel API, section 2.3); so are keys.
pub const TOKEN_SCOPES: [Scope; 6] =
    [Scope::Media, Scope::Inbox, Scope::Messages, Scope::Images, Scope::Oma, Scope::Billing];

impl std::str::FromStr for Scope {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or(())
    }
}

/// A stored API key pair. Key and secret are stored as hashes only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub app: AppId,
    /// The part of the key that identifies its row. Not secret.
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default = "Scope::default_scopes")]
    pub scopes: Vec<Scope>,
    /// SHA-256 of `x-api-key`, in hex.
    pub key_hash: String,
    /// SHA-256 of `x-api-secret`, in hex.
    pub secret_hash: String,
    /// In milliseconds.
    #[serde(default)]
    pub created_at: i64,
    /// In milliseconds. Set when the key is rotated: the end of the overlap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

impl ApiKey {
    /// Whether the key was rotated and its overlap is over. `now` is in milliseconds.
    pub fn has_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|it| it <= now)
    }
}

/// Something that hands out credentials.
#[derive(Debug, Clone, Copy)]
pub enum Grant<'a> {
    /// A new or rotated API key with these scopes.
    ApiKey(&'a [Scope]),
    /// A trusted OpenID Connect issuer whose tokens may carry these scopes. Such tokens also open the inbox of each
    /// user that they name.
    Issuer(&'a [Scope]),
    /// The private key with which the application requests its own tokens.
    JwtKey,
}

/// Prevents privilege escalation wherever credentials are created: a caller cannot grant a scope that it does not have.
/// Returns the first missing scope as `Err`.
pub fn check_grant(own: &[Scope], grant: Grant<'_>) -> Result<(), Scope> {
    let (scopes, implied) = match grant {
        Grant::ApiKey(scopes) => (scopes, None),
        Grant::Issuer(scopes) => (scopes, Some(Scope::Inbox)),
        Grant::JwtKey => (&TOKEN_SCOPES[..], None),
    };
    scopes.iter().copied().chain(implied).find(|it| !includes(own, *it)).map_or(Ok(()), Err)
}

/// Builds the text of an API key from its id and its secret part. The checksum lets secret scanners recognize a key,
/// and lets us reject other text without a lookup.
pub fn format_api_key(id: &str, secret: &str) -> String {
    let body = format!("nk_live_{id}_{secret}");
    let checksum = &sha256_hex(body.as_bytes())[..8];
    format!("{body}_{checksum}")
}

/// Returns the id in an API key `nk_<env>_<10 letters or digits>_<secret>_<checksum>`; `None` if the text has another
/// form or a wrong checksum.
pub fn key_id(api_key: &str) -> Option<&str> {
    let (body, checksum) = api_key.rsplit_once('_')?;
    let mut parts = body.strip_prefix("nk_")?.split('_');
    let (_env, id) = (parts.next()?, parts.next()?);
    let valid_id = id.len() == 10 && id.bytes().all(|it| it.is_ascii_alphanumeric());
    let well_formed = valid_id && parts.count() == 1 && api_key.len() <= 128;
    if well_formed && sha256_hex(body.as_bytes())[..8] == *checksum { Some(id) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_found_by_its_id_alone() {
        let key = format_api_key("AbCdEfGhIj", "secret");
        assert_eq!(key_id(&key), Some("AbCdEfGhIj"));
        assert_eq!(key_id(&key.replace("secret", "Secret")), None, "the checksum is another one");
        for bad in [
            "",
            "nk_live_AbCdEfGhIj_secret_00c0ffee",
            &format_api_key("short", "secret"),
            &format_api_key("AbCdEfGhI#", "s"),
            &format_api_key("AbCdEfGhIj", "s_t"),
            &key.replace("nk_", "sk_"),
        ] {
            assert_eq!(key_id(bad), None, "{bad}");
        }
    }

    fn scopes() -> impl Strategy<Value = Vec<Scope>> {
        proptest::sample::subsequence(Scope::ALL.to_vec(), 0..=Scope::ALL.len())
    }

    /// What a caller does who holds some of an application's keys.
    #[derive(Debug, Clone)]
    enum Step {
        Create(Vec<Scope>),
        /// Any key of the application, including those of other callers.
        Rotate(usize),
        Trust(Vec<Scope>),
        JwtKey,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            scopes().prop_map(Step::Create),
            (0_usize..8).prop_map(Step::Rotate),
            scopes().prop_map(Step::Trust),
            Just(Step::JwtKey)
        ];
        proptest::collection::vec(step, 0..20)
    }

    proptest! {
        /// No sequence of calls ends with more scopes than it began with.
        #[test]
        fn nobody_gives_away_what_he_does_not_have(
            first in scopes(), others in proptest::collection::vec(scopes(), 1..5), steps in steps(),
        ) {
            let mut keys = others;
            let mut held = vec![first.clone()]; // what the caller holds: keys, and tokens of an issuer of its own
            for step in steps {
                let mut gained = Vec::new();
                for own in &held {
                    match &step {
                        Step::Create(wanted) if check_grant(own, Grant::ApiKey(wanted)).is_ok() => gained.push(wanted.clone()),
                        Step::Rotate(at) => {
                            let old = &keys[at % keys.len()];
                            if check_grant(own, Grant::ApiKey(old)).is_ok() {
                                gained.push(old.clone());
                            }
                        }
                        Step::Trust(wanted) if check_grant(own, Grant::Issuer(wanted)).is_ok() => {
                            gained.push([&wanted[..], &[Scope::Inbox]].concat());
                        }
                        Step::JwtKey if check_grant(own, Grant::JwtKey).is_ok() => gained.push(TOKEN_SCOPES.to_vec()),
                        _ => {}
                    }
                }
                keys.extend(gained.iter().cloned());
                held.extend(gained);
                held.truncate(50);
            }
            for scope in held.iter().flatten() {
                prop_assert!(includes(&first, *scope), "{scope:?} was not among {first:?}");
            }
        }
    }

    #[test]
    fn the_scope_that_is_lacking_is_named() {
        use Scope::{Billing, Channels, Images, Inbox, Keys, Media, Messages, Oma, Read};
        for (own, gift, want) in [
            (&[Keys][..], Grant::ApiKey(&[Media]), Err(Media)),
            (&[Keys, Media], Grant::ApiKey(&[Media]), Ok(())),
            (&[Keys, Media], Grant::ApiKey(&[]), Ok(())),
            (&[Keys], Grant::Issuer(&[]), Err(Inbox)),
            (&[Keys, Inbox], Grant::Issuer(&[Images]), Err(Images)),
            (&[Keys, Inbox], Grant::Issuer(&[]), Ok(())),
            (&[Keys], Grant::JwtKey, Err(Media)),
            (&[Keys, Media, Inbox], Grant::JwtKey, Err(Messages)),
            (&[Keys, Media, Inbox, Messages], Grant::JwtKey, Err(Images)),
            (&[Keys, Media, Inbox, Messages, Images], Grant::JwtKey, Err(Oma)),
            (&[Keys, Media, Inbox, Messages, Images, Oma], Grant::JwtKey, Err(Billing)),
            (&[Keys, Media, Inbox, Messages, Images, Oma, Billing], Grant::JwtKey, Ok(())),
            (&[Keys, Media], Grant::ApiKey(&[Read]), Err(Read)),
            (&[Keys, Media, Channels, Inbox, Messages, Images], Grant::ApiKey(&[Read]), Ok(())),
            (&[Keys, Read], Grant::ApiKey(&[Read]), Ok(())),
            (&[Keys, Read], Grant::ApiKey(&[Media]), Err(Media)),
        ] {
            assert_eq!(check_grant(own, gift), want, "{own:?} {gift:?}");
        }
    }

    #[test]
    fn scopes_are_read_by_their_names() {
        assert!(Scope::ALL.iter().all(|it| it.name().parse() == Ok(*it)));
        assert!(Scope::ALL.iter().all(|it| serde_json::to_value(it).unwrap() == it.name()));
        assert!(!Scope::default_scopes().contains(&Scope::ChannelsReveal));
    }

    #[test]
    fn a_viewer_reads_and_changes_nothing() {
        use Scope::{Channels, ChannelsReveal, Keys, Media, Oma, Read};
        for (own, needed, access, want) in [
            (&[Read][..], Media, Access::Read, true),
            (&[Read], Keys, Access::Read, true),
            (&[Read], Media, Access::Change, false),
            (&[Read], ChannelsReveal, Access::Read, false),
            (&[Read], Oma, Access::Read, false),
            (&[Read, Media], Media, Access::Change, true),
            (&[Read, Media], Channels, Access::Change, false),
            (&[Media], Channels, Access::Read, false),
            (&[Media], Media, Access::Change, true),
            (&[], Media, Access::Read, false),
        ] {
            assert_eq!(allows(own, needed, access), want, "{own:?} {needed:?} {access:?}");
        }
    }
}
