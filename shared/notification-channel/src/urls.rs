//! The URLs of channels. Whoever knows a `callbackURL` may put notifications on its channel, and whoever knows a
//! `channelURL` gets them: each holds a token of its own that cannot be guessed (NC leaves the shape of both to the server).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::AppId;
use domain::notification_channel::{ChannelType, NotificationChannel, NotificationChannelId};
use entry::Secrets;
use entry::secrets::SecretError;
use ring::hmac;
use table::{Table, TableError};

/// The purpose of the key that tokens are made with.
const KEY_PURPOSE: &str = "notification-channel";
/// The length of a channel's key, in letters and digits: more than 128 bits.
pub const KEY_LENGTH: usize = 22;
/// The length of the part of a token that proves it: 128 bits in base64.
const PROOF_LENGTH: usize = 22;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To put notifications on the channel.
    Callback,
    /// To receive them.
    Channel,
}

/// Makes and checks the URLs of channels.
pub struct ChannelUrls {
    secrets: Secrets,
    /// The root of the WebSocket API, `wss://…`.
    socket_root: String,
}

/// Why a token could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("could not read the channel")]
    Table(#[from] TableError),
    #[error("could not derive the key of tokens")]
    Secret(#[from] SecretError),
}

impl ChannelUrls {
    /// URLs with sockets at the callback URL of API Gateway's WebSocket API, whose scheme is HTTP's.
    pub fn new(secrets: Secrets, socket_endpoint: &str) -> Self {
        Self { secrets, socket_root: socket_endpoint.replacen("http", "ws", 1) }
    }

    /// The `callbackURL` of a channel (NC 5.2.2.2); `root` is the API's own.
    ///
    /// # Errors
    /// If the application's key cannot be opened.
    pub async fn callback_url(&self, root: &str, channel: &NotificationChannel) -> Result<String, SecretError> {
        let token = self.token(channel.id.app, &channel.key, Purpose::Callback).await?;
        Ok(format!("{root}/notificationchannel/v1/callbacks/{token}"))
    }

    /// The `channelURL` of a channel (NC 5.2.2.3 to 5.2.2.6).
    ///
    /// # Errors
    /// If the application's key cannot be opened.
    pub async fn channel_url(&self, root: &str, channel: &NotificationChannel) -> Result<String, SecretError> {
        let token = self.token(channel.id.app, &channel.key, Purpose::Channel).await?;
        Ok(match channel.channel_type {
            ChannelType::LongPolling => format!("{root}/notificationchannel/v1/poll/{token}"),
            ChannelType::WebSockets => format!("{}?protocol=oma&t={token}", self.socket_root),
        })
    }

    async fn token(&self, app: AppId, key: &str, purpose: Purpose) -> Result<String, SecretError> {
        let derived = self.secrets.derive_key(app, KEY_PURPOSE).await?;
        Ok(format!("{key}.{}", proof(&derived, key, purpose)))
    }

    /// The channel that a token is for; `None` if it was never given out for this purpose.
    ///
    /// # Errors
    /// If the table cannot be read, or the application's key not be opened.
    pub async fn verify(
        &self,
        table: &Table,
        token: &str,
        purpose: Purpose,
    ) -> Result<Option<NotificationChannelId>, TokenError> {
        let Some((key, given)) = token.split_once('.') else { return Ok(None) };
        if key.len() != KEY_LENGTH || given.len() != PROOF_LENGTH || !key.bytes().all(|it| it.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        let Some(id) = table.find_notification_channel(key).await? else { return Ok(None) };
        let derived = self.secrets.derive_key(id.app, KEY_PURPOSE).await?;
        let is_right = subtle::ConstantTimeEq::ct_eq(proof(&derived, key, purpose).as_bytes(), given.as_bytes());
        Ok(bool::from(is_right).then_some(id))
    }
}

fn proof(derived: &[u8], key: &str, purpose: Purpose) -> String {
    let text = match purpose {
        Purpose::Callback => format!("callback {key}"),
        Purpose::Channel => format!("channel {key}"),
    };
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, derived), text.as_bytes());
    URL_SAFE_NO_PAD.encode(&tag.as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_purpose_of_one_channel() {
        let callback = proof(b"secret", "key", Purpose::Callback);
        assert_eq!(callback.len(), PROOF_LENGTH);
        assert_ne!(callback, proof(b"secret", "key", Purpose::Channel));
        assert_ne!(callback, proof(b"secret", "kez", Purpose::Callback));
        assert_ne!(callback, proof(b"other", "key", Purpose::Callback));
    }
}
