//! Secrets at rest: envelope encryption, one data key per application, wrapped by one KMS key.
//!
//! AES-256-GCM with a random 96-bit nonce. Application and field are the additional authenticated data, so that a secret
//! does not open in the place of another.

use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::AppId;
use domain::bucket::SealedSecret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

use crate::clock;
use crate::ttl_cache::TtlCache;

/// How long a decrypted data key is cached.
const DATA_KEY_TTL: Duration = Duration::from_secs(600);
const MAX_CACHED: usize = 1_000;

/// Seals (encrypts) and opens (decrypts) secrets.
pub struct Seal {
    kms: Client,
    master_key_id: String,
    keys: TtlCache<AppId, [u8; 32]>,
}

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the key service did not answer")]
    Kms(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the {0} does not open with this application's key")]
    Cipher(String),
}

impl Seal {
    pub(crate) fn new(kms: Client, master_key_id: String) -> Self {
        Self { kms, master_key_id, keys: TtlCache::new(MAX_CACHED) }
    }

    /// Creates a data key for an application; returns it encrypted by KMS, in base64.
    pub async fn new_key(&self, app: AppId) -> Result<String, SealError> {
        let request = self.kms.generate_data_key().key_id(&self.master_key_id).key_spec(DataKeySpec::Aes256);
        let response = request
            .encryption_context("application", app.to_string())
            .send()
            .await
            .map_err(|it| SealError::Kms(it.into()))?;
        let wrapped = response.ciphertext_blob.ok_or_else(|| SealError::Cipher("data key".to_owned()))?;
        Ok(STANDARD.encode(wrapped.into_inner()))
    }

    /// Seals a secret for a field of an application; `wrapped` is the application's encrypted data key.
    pub async fn seal(&self, app: AppId, wrapped: &str, field: &str, secret: &[u8]) -> Result<SealedSecret, SealError> {
        let nonce: [u8; NONCE_LEN] = clock::random_bytes();
        let mut sealed = secret.to_vec();
        let key = self.aead(app, wrapped).await?;
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(format!("{app}|{field}")),
            &mut sealed,
        )
        .map_err(|_| SealError::Cipher(field.to_owned()))?;
        Ok(SealedSecret(STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens a secret of a field of an application.
    ///
    /// # Errors
    /// `Cipher` if it was sealed with another key or for another field.
    pub async fn open(
        &self,
        app: AppId,
        wrapped: &str,
        field: &str,
        sealed: &SealedSecret,
    ) -> Result<Vec<u8>, SealError> {
        let broken = || SealError::Cipher(field.to_owned());
        let mut bytes = STANDARD.decode(&sealed.0).map_err(|_| broken())?;
        let (nonce, secret) = bytes.split_first_chunk_mut::<NONCE_LEN>().ok_or_else(broken)?;
        let key = self.aead(app, wrapped).await?;
        let plain =
            key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(format!("{app}|{field}")), secret);
        plain.map(|it| it.to_vec()).map_err(|_| broken())
    }

    /// Derives a key from an application's data key for one purpose (HKDF-SHA256, RFC 5869).
    pub async fn derive_key(&self, app: AppId, wrapped: &str, purpose: &str) -> Result<[u8; 32], SealError> {
        let key = self.data_key(app, wrapped).await?;
        let mut derived = [0; 32];
        let info = [purpose.as_bytes()];
        let expanded = Salt::new(HKDF_SHA256, b"notifications").extract(&key);
        let expanded = expanded.expand(&info, HKDF_SHA256).and_then(|it| it.fill(&mut derived));
        expanded.map(|()| derived).map_err(|_| SealError::Cipher(purpose.to_owned()))
    }

    async fn aead(&self, app: AppId, wrapped: &str) -> Result<LessSafeKey, SealError> {
        let key = self.data_key(app, wrapped).await?;
        UnboundKey::new(&AES_256_GCM, &key).map(LessSafeKey::new).map_err(|_| SealError::Cipher("data key".to_owned()))
    }

    async fn data_key(&self, app: AppId, wrapped: &str) -> Result<[u8; 32], SealError> {
        if let Some(key) = self.keys.get(&app) {
            return Ok(key);
        }
        let broken = || SealError::Cipher("data key".to_owned());
        let blob = Blob::new(STANDARD.decode(wrapped).map_err(|_| broken())?);
        let request = self
            .kms
            .decrypt()
            .key_id(&self.master_key_id)
            .ciphertext_blob(blob)
            .encryption_context("application", app.to_string());
        let response = request.send().await.map_err(|it| SealError::Kms(it.into()))?;
        let key: [u8; 32] = response.plaintext.and_then(|it| it.into_inner().try_into().ok()).ok_or_else(broken)?;
        self.keys.put(app, key, DATA_KEY_TTL);
        Ok(key)
    }
}
