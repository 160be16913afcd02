//! Sealed secrets of applications, opened.

use std::sync::Arc;
use std::time::Duration;

use domain::AppId;
use domain::application::Application;
use domain::bucket::SealedSecret;
use domain::channel::Channel;
use domain::settings_secret::SettingsSecret;
use table::{Table, TableError};

use crate::seal::SealError;
use crate::{Seal, TtlCache};

/// How long an application's row is remembered.
const APPLICATION_TTL: Duration = Duration::from_secs(60);
const MAX_CACHED: usize = 1_000;

/// Opens what was sealed, by application.
pub struct Secrets {
    table: Table,
    seal: Arc<Seal>,
    applications: TtlCache<AppId, Application>,
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("could not read the application")]
    Table(#[from] TableError),
    #[error("could not open a secret")]
    Seal(#[from] SealError),
    #[error("there is no application {0}")]
    NoApplication(AppId),
    #[error("the {0} is not what it should be")]
    Malformed(&'static str),
}

impl Secrets {
    pub fn new(table: Table, seal: Arc<Seal>) -> Self {
        Self { table, seal, applications: TtlCache::new(MAX_CACHED) }
    }

    pub async fn application(&self, app: AppId) -> Result<Application, SecretError> {
        if let Some(it) = self.applications.get(&app) {
            return Ok(it);
        }
        let it = self.table.application(app).await?.ok_or(SecretError::NoApplication(app))?;
        self.applications.put(app, it.clone(), APPLICATION_TTL);
        Ok(it)
    }

    /// Seals a secret of an application.
    pub async fn seal(&self, app: AppId, field: &str, secret: &[u8]) -> Result<SealedSecret, SecretError> {
        let wrapped = self.application(app).await?.wrapped_key;
        Ok(self.seal.seal(app, &wrapped, field, secret).await?)
    }

    /// Opens a secret of an application.
    pub async fn open(&self, app: AppId, field: &str, sealed: &SealedSecret) -> Result<Vec<u8>, SecretError> {
        let wrapped = self.application(app).await?.wrapped_key;
        Ok(self.seal.open(app, &wrapped, field, sealed).await?)
    }

    /// Opens a secret that is text.
    pub async fn open_text(&self, app: AppId, field: &str, sealed: &SealedSecret) -> Result<String, SecretError> {
        String::from_utf8(self.open(app, field, sealed).await?).map_err(|_| SecretError::Malformed("secret"))
    }

    /// A key of an application's own, for one purpose.
    pub async fn derive_key(&self, app: AppId, purpose: &str) -> Result<[u8; 32], SecretError> {
        let wrapped = self.application(app).await?.wrapped_key;
        Ok(self.seal.derive_key(app, &wrapped, purpose).await?)
    }

    /// The settings' token, for a bucket at the settings' own endpoint.
    async fn default_datacore_token(
        &self,
        bucket: &domain::bucket::Bucket,
    ) -> Result<Option<SealedSecret>, SecretError> {
        if bucket.system != domain::bucket::MediaSystem::DataCore {
            return Ok(None);
        }
        let settings = self.table.settings(bucket.app).await?;
        let own = settings.datacore_endpoint.as_deref() == Some(bucket.endpoint.trim_end_matches('/'));
        Ok(settings.datacore_token.filter(|_| own))
    }

    /// A bucket's access key and secret key; `None` if it is read anonymously.
    pub async fn bucket_credentials(
        &self,
        bucket: &domain::bucket::Bucket,
    ) -> Result<Option<(String, String)>, SecretError> {
        let (field, sealed) = match &bucket.credentials {
            Some(sealed) => (bucket_field(bucket), sealed.clone()),
            None => match self.default_datacore_token(bucket).await? {
                Some(sealed) => (DATACORE_TOKEN.to_owned(), sealed),
                None => return Ok(None),
            },
        };
        let text = self.open_text(bucket.app, &field, &sealed).await?;
        let (key, secret) = text.split_once(':').ok_or(SecretError::Malformed("bucket's credentials"))?;
        Ok(Some((key.to_owned(), secret.to_owned())))
    }
}

impl Secrets {
    /// A channel's address, with what its query holds.
    pub async fn channel_url(&self, channel: &Channel) -> Result<String, SecretError> {
        match channel.target.sealed_url() {
            Some(sealed) => self.open_text(channel.app, &channel_url_field(channel.id), sealed).await,
            None => Ok(channel.target.url().to_owned()),
        }
    }
}

/// What the secrets among an application's settings are sealed for.
pub const ICONIK_TOKEN: &str = "settings|iconik_access_token";
pub const ICONIK_SECRET: &str = "settings|iconik_webhook_secret";
pub const DATACORE_TOKEN: &str = "settings|datacore_token";
pub const AWS_ACCESS_KEY: &str = "settings|aws_access_key";
pub const AWS_SECRET_KEY: &str = "settings|aws_secret_key";

/// What a secret among the settings is sealed for.
pub fn settings_field(secret: SettingsSecret) -> &'static str {
    match secret {
        SettingsSecret::IconikAccessToken => ICONIK_TOKEN,
        SettingsSecret::IconikWebhookSecret => ICONIK_SECRET,
        SettingsSecret::AwsAccessKey => AWS_ACCESS_KEY,
        SettingsSecret::AwsSecretKey => AWS_SECRET_KEY,
        SettingsSecret::DatacoreToken => DATACORE_TOKEN,
    }
}

/// What the credentials of a bucket are sealed for.
pub fn bucket_field(bucket: &domain::bucket::Bucket) -> String {
    format!("bucket|{}", bucket.id)
}

/// What a channel's address is sealed for.
pub fn channel_url_field(channel: domain::ChannelId) -> String {
    format!("channel-url|{channel}")
}

/// What the address of a process's picture is sealed for.
pub fn process_url_field(process: &str) -> String {
    format!("process-url|{process}")
}

/// What the secrets of a channel are sealed for: signing secret, password or token.
pub fn channel_field(channel: domain::ChannelId) -> String {
    format!("channel|{channel}")
}
