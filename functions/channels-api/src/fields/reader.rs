//! Reads fields of a form that are alike in all kinds of channels: texts, secrets, web addresses.

use adcreative_api::{ApiError, Form};
use domain::bucket::SealedSecret;
use domain::channel::Channel;
use domain::masking::{MASK, mask_url};
use domain::ssrf::{check_new_url, origin_of};
use domain::{AppId, ChannelId};
use entry::secrets::{channel_field, channel_url_field};

use crate::context::Context;

/// The fields of a form, and the channel that they are for.
pub(super) struct FieldReader<'a> {
    pub(super) context: &'a Context,
    pub(super) form: &'a Form,
    pub(super) app: AppId,
    pub(super) id: ChannelId,
    /// The channel that is replaced.
    pub(super) before: Option<&'a Channel>,
}

/// The address of a receiver.
pub(super) struct Address {
    /// With its secret values masked.
    pub(super) url: String,
    /// The whole address, if it has secret values.
    pub(super) sealed: Option<SealedSecret>,
    /// It is the address that the replaced channel has.
    pub(super) same_url: bool,
    /// It has the same origin as the address of the replaced channel, so that the stored secrets may be sent to it.
    pub(super) same_origin: bool,
}

impl FieldReader<'_> {
    pub(super) async fn seal(&self, secret: &[u8]) -> Result<SealedSecret, ApiError> {
        self.context.secrets.seal(self.app, &channel_field(self.id), secret).await.map_err(ApiError::internal)
    }

    /// The secret that the form gives, or the stored one if the field is empty, absent or masked.
    pub(super) async fn secret(
        &self,
        name: &'static str,
        stored: Option<&SealedSecret>,
    ) -> Result<Option<SealedSecret>, ApiError> {
        match self.form.text(name)?.filter(|it| *it != MASK) {
            Some(text) => Ok(Some(self.seal(text.as_bytes()).await?)),
            None => Ok(stored.cloned()),
        }
    }

    /// A web address, normalised by its parser. One with masked values, as we show them, stands for the stored address.
    /// An address whose query has secret values is sealed.
    pub(super) async fn address(&self, name: &'static str) -> Result<Address, ApiError> {
        let text = self.form.required(name)?;
        let before = match self.before {
            Some(channel) => Some(self.context.secrets.channel_url(channel).await.map_err(ApiError::internal)?),
            None => None,
        };
        let stored = before.as_ref().filter(|it| text.contains(MASK) && mask_url(it) == text);
        let refused = |reason: String| ApiError::InvalidField(name, format!("The {name} is refused: {reason}."));
        if stored.is_none() && text.contains(MASK) {
            return Err(refused("its masked values are not those that were there".to_owned()));
        }
        let checked = check_new_url(stored.map_or(text, String::as_str), &self.context.allowed_networks);
        let whole = checked.map_err(|error| refused(error.to_string()))?.to_string();
        let url = mask_url(&whole);
        let sealed = if url == whole {
            None
        } else {
            let field = channel_url_field(self.id);
            Some(self.context.secrets.seal(self.app, &field, whole.as_bytes()).await.map_err(ApiError::internal)?)
        };
        let parsed = before.as_ref().and_then(|it| url::Url::parse(it).ok());
        let same_url = parsed.is_some_and(|it| it.as_str() == whole);
        let same_origin = before.is_some_and(|it| origin_of(&it) == origin_of(&whole));
        Ok(Address { url, sealed, same_url, same_origin })
    }

    /// A required text of at most 255 characters.
    pub(super) fn bounded(&self, name: &'static str) -> Result<String, ApiError> {
        let text = self.form.required(name)?;
        if text.chars().count() > 255 { Err(too_long(name)) } else { Ok(text.to_owned()) }
    }
}

pub(super) fn too_long(name: &'static str) -> ApiError {
    ApiError::InvalidField(name, format!("The field {name} must be a string with a maximum length of 255."))
}

/// A value as an error text repeats it: its first 64 characters.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
