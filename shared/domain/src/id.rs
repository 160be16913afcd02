//! Identifiers: one type per kind of thing, each with its own prefix, so that they cannot be confused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::processor::ProcessorKind;

/// A text that is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {form}")]
pub struct InvalidId {
    text: String,
    form: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// An id from 16 random bytes.
            pub fn random(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// A deterministic id: the same parts give the same id, so that something discovered twice is stored once.
            pub fn of(app: AppId, parts: &[&str]) -> Self {
                Self(derive($prefix, app, parts))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{:032x}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(parse_hex)
                    .map(Self)
                    .ok_or_else(|| InvalidId { text: truncated(text), form: concat!($prefix, "_<32 hex digits>") })
            }
        }

        text_form!($name);
    };
}

macro_rules! text_form {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// One version of a media object or asset.
    ItemId, "itm"
);
id!(
    /// A bucket.
    BucketId, "bkt"
);
id!(
    /// A list of events that is posted to a subscription's `notifyURL` (NMS 6.19).
    EventListId, "nms"
);

/// An application (tenant). Printed as a lower-case GUID. All forms of the channel API are parsed (section 2.6): D, N,
/// B, P and `urn:uuid:`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(uuid::Uuid);

/// A channel configuration; a GUID (channel API, section 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(uuid::Uuid);

/// A job: one processor on one item; a GUID (processors, section 2.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(uuid::Uuid);

impl JobId {
    /// The id of the job of a processor on an item, always the same.
    pub fn of(app: AppId, item: ItemId, processor: ProcessorKind) -> Self {
        let bytes = derive("job", app, &[&item.to_string(), processor.name()]).to_be_bytes();
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

macro_rules! guid {
    ($name:ident) => {
        impl $name {
            /// A version 4 GUID from 16 random bytes.
            pub fn random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.as_hyphenated(), f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let inner = text.strip_prefix('(').and_then(|it| it.strip_suffix(')')).unwrap_or(text);
                uuid::Uuid::parse_str(inner).map(Self).map_err(|_| InvalidId { text: truncated(text), form: "a GUID" })
            }
        }

        text_form!($name);
    };
}

guid!(AppId);
guid!(ChannelId);
guid!(JobId);

/// SHA-256 as lower-case hex.
pub fn sha256_hex(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

fn derive(kind: &str, app: AppId, parts: &[&str]) -> u128 {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update(app.0.as_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes()); // ["ab", "c"] and ["a", "bc"] differ
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(half)
}

fn parse_hex(text: &str) -> Option<u128> {
    let digits = text.len() == 32 && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    if digits { u128::from_str_radix(text, 16).ok() } else { None }
}

fn truncated(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> AppId {
        "d5eabbb8-c0f6-4640-94fd-3566edad499f".parse().unwrap()
    }

    #[test]
    fn ids_refuse_each_others_text() {
        let item = ItemId::of(app(), &["datacore", "b", "k"]);
        assert_eq!(item.to_string().parse::<ItemId>(), Ok(item));
        assert!(item.to_string().parse::<BucketId>().is_err());
        for bad in ["itm_", "itm_0", "itm_+0000000000000000000000000000001", "ITM_00000000000000000000000000000001"] {
            assert!(bad.parse::<ItemId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_parts_give_the_same_id_and_no_others() {
        assert_eq!(ItemId::of(app(), &["a", "bc"]), ItemId::of(app(), &["a", "bc"]));
        assert_ne!(ItemId::of(app(), &["a", "bc"]), ItemId::of(app(), &["ab", "c"]));
    }

    #[test]
    fn an_application_is_read_in_every_guid_form() {
        for form in [
            "d5eabbb8c0f6464094fd3566edad499f",
            "{d5eabbb8-c0f6-4640-94fd-3566edad499f}",
            "(d5eabbb8-c0f6-4640-94fd-3566edad499f)",
            "urn:uuid:d5eabbb8-c0f6-4640-94fd-3566edad499f",
            "D5EABBB8-C0F6-4640-94FD-3566EDAD499F",
        ] {
            assert_eq!(form.parse::<AppId>(), Ok(app()), "{form}");
        }
        assert_eq!(app().to_string(), "d5eabbb8-c0f6-4640-94fd-3566edad499f");
    }
}
