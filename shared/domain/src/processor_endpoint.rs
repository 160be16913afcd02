//! Endpoints of customers that run a processor (processors, section 5.1).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::bucket::SealedSecret;
use crate::channel::SigningKey;
use crate::millis;

/// How many secrets are valid at most: the current one, and while it is new the one before it (processors, section 5.1).
const MAX_KEYS: usize = 2;
/// How long an attempt may take if its endpoint has no deadline of its own (processors, section 5.2).
pub const DEFAULT_DEADLINE_SECONDS: u32 = 3_600;
/// The longest deadline (processors, section 5.2).
pub const MAX_DEADLINE_SECONDS: u32 = 6 * 3_600;

/// Where an application's jobs of one processor go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessorEndpoint {
    /// Without a query: what is secret in one would be stored in clear.
    pub url: String,
    /// The signing secrets, encrypted, newest first.
    pub keys: Vec<SigningKey>,
    /// How long an attempt may take.
    pub deadline_seconds: u32,
    /// Members of `params` that are sent with each job, unless the job has its own.
    #[serde(default, with = "json_text")]
    pub parameters: Map<String, Value>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl ProcessorEndpoint {
    /// The secrets that sign at `now`, newest first.
    pub fn valid_keys(&self, now: OffsetDateTime) -> impl Iterator<Item = &SigningKey> {
        let at = millis(now);
        self.keys.iter().filter(move |key| key.until.is_none_or(|until| until > at))
    }

    /// The secrets after `new` has become the current one. The one that was stays valid until `until`; without it, no other
    /// does.
    pub fn rotated_keys(
        &self,
        new: SealedSecret,
        until: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Vec<SigningKey> {
        let mut keys = vec![SigningKey { secret: new, until: None }];
        if let Some(until) = until {
            let before = self.valid_keys(now).next();
            keys.extend(before.map(|it| SigningKey { secret: it.secret.clone(), until: Some(millis(until)) }));
        }
        keys.truncate(MAX_KEYS);
        keys
    }
}

/// An object as its JSON text: a row keeps neither every number nor every name (DynamoDB, naming rules and data types:
/// magnitudes from 1E-130 to 9.99E+125).
mod json_text {
    use serde::{Deserialize, Deserializer, Serializer, de, ser};
    use serde_json::{Map, Value};

    pub(super) fn serialize<S: Serializer>(object: &Map<String, Value>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(object).map_err(ser::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_secret_that_is_replaced_signs_until_its_end_and_there_are_never_more_than_two() {
        let now = datetime!(2026-11-21 12:00 UTC);
        let key = |name: &str| SigningKey { secret: SealedSecret(name.to_owned()), until: None };
        let mut endpoint = ProcessorEndpoint {
            url: "https://objects.example.com/jobs".to_owned(),
            keys: vec![key("a")],
            deadline_seconds: DEFAULT_DEADLINE_SECONDS,
            parameters: Map::new(),
            created_at: now,
            updated_at: now,
        };
        let valid = |endpoint: &ProcessorEndpoint, at: OffsetDateTime| -> Vec<String> {
            endpoint.valid_keys(at).map(|it| it.secret.0.clone()).collect()
        };
        let day = Duration::DAY;
        endpoint.keys = endpoint.rotated_keys(SealedSecret("b".to_owned()), Some(now + day), now);
        assert_eq!(valid(&endpoint, now), ["b", "a"]);
        assert_eq!(valid(&endpoint, now + day), ["b"]);
        endpoint.keys = endpoint.rotated_keys(SealedSecret("c".to_owned()), Some(now + day), now);
        assert_eq!(valid(&endpoint, now), ["c", "b"]);
        endpoint.keys = endpoint.rotated_keys(SealedSecret("d".to_owned()), None, now);
        assert_eq!(valid(&endpoint, now), ["d"]);
    }
    #[test]
    fn parameters_are_kept_whatever_their_numbers_and_names() {
        let now = datetime!(2026-11-21 12:00 UTC);
        let parameters = json!({ "": 1e300, "small": 5e-324, "deep": [[{ "": null }]] });
        let endpoint = ProcessorEndpoint {
            url: "https://objects.example.com/jobs".to_owned(),
            keys: Vec::new(),
            deadline_seconds: DEFAULT_DEADLINE_SECONDS,
            parameters: parameters.as_object().unwrap().clone(),
            created_at: now,
            updated_at: now,
        };
        let row = serde_json::to_value(&endpoint).unwrap();
        assert!(row["parameters"].is_string(), "{row}");
        assert_eq!(serde_json::from_value::<ProcessorEndpoint>(row).unwrap(), endpoint);
    }
}
