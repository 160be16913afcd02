//! The secrets of applications: sealed in the table, opened here.

use std::sync::Arc;
use std::time::Duration;

use domain::AppId;
use domain::application::Application;
use domain::bucket::SealedSecret;
use domain::channel::Channel;
use domain::settings_secret::SettingsSecret;
use table::{Table, TableError};

use crate::seal::{Seal, SealError};
use crate::ttl_cache::TtlCache;

/// How long an application's row is cached.
const APPLICATION_TTL: Duration = Duration::from_secs(60);
const MAX_CACHED: usize = 1_000;

/// Seals and opens the secrets of applications.
pub struct Secrets {
    table: Table,
    seal: Arc<Seal>,
    applications: TtlCache<AppId, Application>,
}

/// Why a secret could not be sealed or opened.
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
    /// Secrets of the applications in this table.
    pub fn new(table: Table, seal: Arc<Seal>) -> Self {
        Self { table, seal, applications: TtlCache::new(MAX_CACHED) }
    }

    /// An application's row, at most a minute old.
    pub async fn application(&self, app: AppId) -> Result<Application, SecretError> {
        if let Some(application) = self.applications.get(&app) {
            return Ok(application);
        }
        let application = self.table.application(app).await?.ok_or(SecretError::NoApplication(app))?;
        self.applications.put(app, application.clone(), APPLICATION_TTL);
        Ok(application)
    }

    /// Seals a secret of an application, for one field.
    pub async fn seal(&self, app: AppId, field: &str, secret: &[u8]) -> Result<SealedSecret, SecretError> {
        let wrapped = self.application(app).await?.wrapped_key;
        Ok(self.seal.seal(app, &wrapped, field, secret).await?)
    }

    /// Opens a secret of an application, of the field that it was sealed for.
    pub async fn open(&self, app: AppId, field: &str, sealed: &SealedSecret) -> Result<Vec<u8>, SecretError> {
        let wrapped = self.application(app).await?.wrapped_key;
        Ok(self.seal.open(app, &wrapped, field, sealed).await?)
    }

    /// Opens a secret that is UTF-8 text.
    pub async fn open_text(&self, app: AppId, field: &str, sealed: &SealedSecret) -> Result<String, SecretError> {
        String::from_utf8(self.open(app, field, sealed).await?).map_err(|_| SecretError::Malformed("secret"))
    }

    /// A key derived from an application's data key, for one purpose.
    pub async fn derive_key(&self, app: AppId, purpose: &str) -> Result<[u8; 32], SecretError> {
        let wrapped = self.application(app).await?.wrapped_key;
        Ok(self.seal.derive_key(app, &wrapped, purpose).await?)
    }

    /// The DataCore token of the settings, for a bucket at the settings' own DataCore endpoint.
    async fn default_datacore_token(
        &self,
        bucket: &domain::bucket::Bucket,
    ) -> Result<Option<SealedSecret>, SecretError> {
        if bucket.system != domain::bucket::MediaSystem::DataCore {
            return Ok(None);
        }
        let settings = self.table.settings(bucket.app).await?;
        let same_endpoint = settings.datacore_endpoint.as_deref() == Some(bucket.endpoint.trim_end_matches('/'));
        Ok(settings.datacore_token.filter(|_| same_endpoint))
    }

    /// The access key and the secret key for a bucket; `None` if it is read anonymously.
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
    /// A channel's URL with its query, which may be sealed.
    pub async fn channel_url(&self, channel: &Channel) -> Result<String, SecretError> {
        match channel.target.sealed_url() {
            Some(sealed) => self.open_text(channel.app, &channel_url_field(channel.id), sealed).await,
            None => Ok(channel.target.url().to_owned()),
        }
    }
}

/// The field of the access token of Iconik. Secrets of the settings are sealed for these fields.
pub const ICONIK_TOKEN: &str = "settings|iconik_access_token";
/// The field of the secret of Iconik's webhooks.
pub const ICONIK_SECRET: &str = "settings|iconik_webhook_secret";
/// The field of the token of DataCore.
pub const DATACORE_TOKEN: &str = "settings|datacore_token";
/// The field of the access key of the application's AWS account.
pub const AWS_ACCESS_KEY: &str = "settings|aws_access_key";
/// The field of the secret key of the application's AWS account.
pub const AWS_SECRET_KEY: &str = "settings|aws_secret_key";

/// The field of a secret of the settings.
pub fn settings_field(secret: SettingsSecret) -> &'static str {
    match secret {
        SettingsSecret::IconikAccessToken => ICONIK_TOKEN,
        SettingsSecret::IconikWebhookSecret => ICONIK_SECRET,
        SettingsSecret::AwsAccessKey => AWS_ACCESS_KEY,
        SettingsSecret::AwsSecretKey => AWS_SECRET_KEY,
        SettingsSecret::DatacoreToken => DATACORE_TOKEN,
    }
}

/// The field of the secret of the console's client at an OpenID Connect issuer.
pub fn client_secret_field(issuer: &str, client_id: &str) -> String {
    format!("oidc-client|{client_id} {issuer}") // an id has no blank: no other pair has this text
}

/// The field of a bucket's credentials.
pub fn bucket_field(bucket: &domain::bucket::Bucket) -> String {
    format!("bucket|{}", bucket.id)
}

/// The field of a channel's URL.
pub fn channel_url_field(channel: domain::ChannelId) -> String {
    format!("channel-url|{channel}")
}

/// The field of the source URL of an image process.
pub fn process_url_field(process: &str) -> String {
    format!("process-url|{process}")
}

/// The field of a channel's secret: signing secret, password or token.
pub fn channel_field(channel: domain::ChannelId) -> String {
    format!("channel|{channel}")
}
