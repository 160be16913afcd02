//! The fields of a webhook.

use adcreative_api::ApiError;
use channels::secret;
use domain::channel::{SigningKey, Target, Webhook};
use domain::masking::MASK;
use entry::clock;

use crate::fields::reader::{Address, FieldReader};
use crate::fields::shared_fields::schedule;

/// A webhook.
pub(super) struct WebhookFields {
    pub(super) webhook: Webhook,
    /// The signing secret, if one was generated or given.
    pub(super) signing_secret: Option<String>,
    /// The address is that of the replaced channel.
    pub(super) same_url: bool,
}

impl WebhookFields {
    /// A webhook that moves to another origin gets a new signing secret: the old receiver could sign for the new one.
    pub(super) async fn read(reader: &FieldReader<'_>) -> Result<Self, ApiError> {
        let before = reader.before.and_then(|it| if let Target::Webhook(it) = &it.target { Some(it) } else { None });
        let address = reader.address("WebHookUrl").await?;
        let schedule = schedule(reader.form, before.map(|it| it.schedule))?;
        let stored = before.filter(|it| address.same_origin && !it.keys.is_empty());
        let new_key = match reader.form.text("SigningSecret")?.filter(|it| *it != MASK) {
            Some(text) => {
                let key = secret::decode(text);
                Some(key.map_err(|error| ApiError::InvalidField("SigningSecret", error.to_string()))?)
            }
            None if stored.is_none() => Some(clock::random_bytes::<32>().to_vec()),
            None => None,
        };
        let (keys, signing_secret) = match new_key {
            Some(key) => {
                let current = SigningKey { secret: reader.seal(&key).await?, until: None };
                (vec![current], Some(secret::encode(&key)))
            }
            None => (stored.map(|it| it.keys.clone()).unwrap_or_default(), None),
        };
        let Address { url, sealed: sealed_url, same_url, .. } = address;
        Ok(Self { webhook: Webhook { url, sealed_url, schedule, keys }, signing_secret, same_url })
    }
}
